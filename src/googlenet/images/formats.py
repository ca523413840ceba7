"""What a file is by its first bytes, and how much work a JPEG would be, without decoding it."""

from __future__ import annotations

import re

# The formats that are decoded, by how their files begin. RIFF and Netpbm need a second look.
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_NETPBM = re.compile(rb"P[1-6f]\s")

# Image formats that people have and that are refused by name instead of as "no image".
_FOREIGN = (
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"\x00\x00\x01\x00", "ICO"),
)

# A marker that ends a JPEG's coded data: not a stuffed 0xFF, a restart, or a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, 0xD8})


def image_format(data: bytes) -> str | None:
    """Name the format that ``data`` begins as; None where it is none of those decoded."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if _NETPBM.match(data):
        return "PPM"
    return None


def foreign_format(data: bytes) -> str | None:
    """Name a known image or document format that is not decoded; None for anything else."""
    if data[4:8] == b"ftyp":
        return "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIC"
    start = data[:64].lstrip()
    for signature, name in _FOREIGN:
        if data.startswith(signature) or start.startswith(signature):
            return name
    return None


def ends_early(data: bytes, kind: str) -> bool:
    """Tell whether a file that failed to decode lacks its end, as an unfinished copy does."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data
    if kind == "PNG":
        return b"IEND" not in data[-64:]
    if kind == "WEBP":
        return len(data) < 12 or len(data) < 8 + int.from_bytes(data[4:8], "little")
    if kind == "BMP":
        return len(data) < 14 or len(data) < int.from_bytes(data[2:6], "little")
    if kind == "GIF":
        return not data.rstrip(b"\x00").endswith(b";")
    return False


def jpeg_scans(data: bytes, more_than: float) -> int:
    """Count the scans of a JPEG, each of which visits every pixel of a progressive one.

    Args:
        data: The file.
        more_than: A count that is harmless; up to it, an upper bound is returned unexamined.

    Returns:
        The number of scans before the end of the (first) image, or an upper bound of it.
    """
    bound = data.count(b"\xff\xda")
    if bound <= more_than:
        return bound
    # Thumbnails inside metadata have scans of their own, so the segments must be walked.
    scans, position = 0, 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            break
        if marker not in _MARKERS_WITHOUT_LENGTH:
            scans += marker == _START_OF_SCAN
            position += max(int.from_bytes(data[position : position + 2], "big"), 2)
    return scans
