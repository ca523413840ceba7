"""Writes sorted tables, right ones and wrong ones, since TensorFlow itself no longer compresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cramjam
import google_crc32c

Entries = Sequence[tuple[bytes, bytes]]
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def varint(value: int) -> bytes:
    """Write a number of seven bits a byte."""
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def block(entries: Entries) -> bytes:
    """Write entries, each key whole."""
    body = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries
    )
    return body + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def stored(contents: bytes, kind: int = 0) -> bytes:
    """Add a block's type and its checksum."""
    crc = google_crc32c.value(contents + bytes([kind]))
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return contents + bytes([kind]) + masked.to_bytes(4, "little")


def compressed(contents: bytes) -> bytes:
    """Compress a block, with its type and checksum."""
    return stored(bytes(cramjam.snappy.compress_raw(contents)), 1)


def table(blocks: Iterable[bytes], handles: Sequence[tuple[int, int]] | None = None) -> bytes:
    """Put stored blocks together.

    Args:
        blocks: Each with its type and checksum.
        handles: Place and size of each block as the index says them; where they are by default.
    """
    blocks = list(blocks)
    places = []
    position = 0
    for each in blocks:
        places.append((position, len(each) - 5))
        position += len(each)
    listed = [
        # No key of a block comes after this one. (TensorFlow reads such a table of one block.)
        (b"\xff" + bytes([number]), varint(offset) + varint(size))
        for number, (offset, size) in enumerate(places if handles is None else handles)
    ]
    index = block(listed)
    footer = varint(0) + varint(0) + varint(position) + varint(len(index))
    return b"".join(blocks) + stored(index) + footer.ljust(40, b"\0") + MAGIC
