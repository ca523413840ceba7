"""Encoded images whose pixels the tests know without decoding them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode a Pillow image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Pixels without any pattern, (H, W, C) uint8."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, channels), dtype=np.uint8)


def photograph_like(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours, which JPEG keeps, (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(7 * x + 3 * y + seed), np.cos(5 * y - x + seed), np.sin(6 * x * y + seed)]
    return np.rint(127.5 + 120 * np.stack(waves, -1)).astype(np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values: NDArray[Any], colour_type: int, bits: int, *extra: bytes) -> bytes:
    """Encode (H, W, C) values as a PNG, without Pillow, which writes no 16-bit colours."""
    height, width = values.shape[:2]
    rows = values.astype(">u2" if bits == 16 else np.uint8).reshape(height, -1)
    filtered = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"".join(
        [
            PNG_SIGNATURE,
            chunk(b"IHDR", header),
            *extra,
            chunk(b"IDAT", zlib.compress(filtered)),
            chunk(b"IEND", b""),
        ]
    )


def empty_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return PNG_SIGNATURE + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def scan_bomb(side: int, scans: int) -> bytes:
    """A small progressive JPEG whose last scan is repeated, each time visiting every pixel."""
    flat = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = flat.rindex(b"\xff\xda")
    tables = flat.rindex(b"\xff\xc4", 0, last)  # the scan's own Huffman table
    start = tables if flat.count(b"\xff\xda", tables) == 1 else last
    return flat[:-2] + flat[start:-2] * scans + flat[-2:]
