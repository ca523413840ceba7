"""Sorted tables: the key-value files of LevelDB, in which TensorFlow keeps its checkpoints.

A table is a row of blocks, then an index block with the place of each, then a footer with the place
of the index. A block is followed by a byte that says whether it is compressed, and a checksum.

Source: google/leveldb: doc/table_format.md; tensorflow/tensorflow: tensorflow/core/lib/io/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import cramjam
import google_crc32c

from googlenet.weights.formats.contents import LARGEST_FILE, damaged
from googlenet.weights.formats.varint import read_varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")

_KIND = "sorted table"
_FOOTER = 48
# After a block's contents: its type and its checksum.
_TRAILER = 5
_MASK = 0xA282EAD8
# An entry of three bytes may have a key of any length, the start of which the last one had. Names
# in checkpoints of GoogLeNets have some 100 characters; there are some 1,000 with an optimizer's.
_LONGEST_KEY = 1_000
_MOST_ENTRIES = 20_000


def masked_crc32c(data: bytes) -> int:
    """Compute a checksum as TensorFlow stores it: rotated and shifted, lest it be its own input."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def is_table(data: bytes) -> bool:
    """Say whether these bytes end as a sorted table does."""
    return len(data) >= _FOOTER and data.endswith(MAGIC)


def entries(data: bytes, path: str | os.PathLike[str]) -> Iterator[tuple[bytes, bytes]]:
    """Read a sorted table.

    Args:
        data: The whole file.
        path: Where it is from, for messages.

    Yields:
        Each key with its value, in the order of the file.

    Raises:
        ModelError: The table is damaged; every checksum is compared.
    """
    if not is_table(data):
        raise damaged(path, _KIND, "it does not end as a sorted table does")
    reader = _Reader(data, path)
    position = len(data) - _FOOTER
    for _ in ("index of other indices", "its size"):
        _, position = reader.varint(data, position)
    offset, position = reader.varint(data, position)
    size, position = reader.varint(data, position)
    # Blocks lie one after the other, so that none can be read, and unpacked, again and again.
    end = 0
    for _, handle in reader.block(reader.contents(offset, size)):
        offset, position = reader.varint(handle, 0)
        size, position = reader.varint(handle, position)
        if offset < end:
            raise damaged(path, _KIND, "its blocks overlap")
        end = offset + size
        yield from reader.block(reader.contents(offset, size))


class _Reader:
    """Read one table's blocks, and count how much they unpack to and how much they hold."""

    def __init__(self, data: bytes, path: str | os.PathLike[str]) -> None:
        self.data = data
        self.path = path
        self.unpacked = 0
        self.entries = 0

    def varint(self, data: bytes, position: int) -> tuple[int, int]:
        """Read a number of seven bits a byte, and give where it ends."""
        found = read_varint(data, position)
        if found is None:
            raise damaged(self.path, _KIND, "a number in it does not end")
        return found

    def contents(self, offset: int, size: int) -> bytes:
        """Give a block's bytes, unpacked, after its checksum was compared."""
        end = offset + size
        if end + _TRAILER > len(self.data):
            raise damaged(self.path, _KIND, "a block lies beyond its end")
        stored = int.from_bytes(self.data[end + 1 : end + _TRAILER], "little")
        if masked_crc32c(self.data[offset : end + 1]) != stored:
            raise damaged(self.path, _KIND, "a block's checksum does not match")
        block = self.data[offset:end]
        match self.data[end]:
            case 0:  # as it is
                return block
            case 1:  # Snappy
                return self._unpack(block)
            case other:
                raise damaged(self.path, _KIND, f"a block is compressed by method {other}")

    def _unpack(self, block: bytes) -> bytes:
        try:
            size = cramjam.snappy.decompress_raw_len(block)
            self.unpacked += size
            # Three bytes stand for 64 at the most.
            if size * 3 > len(block) * 64 or self.unpacked > LARGEST_FILE:
                raise damaged(self.path, _KIND, f"a block says that it unpacks to {size:,} bytes")
            return bytes(cramjam.snappy.decompress_raw(block))
        except cramjam.DecompressionError as error:
            raise damaged(self.path, _KIND, f"a block does not unpack ({error})") from error

    def block(self, block: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Read a block's keys and values; a key keeps the start that it shares with the last."""
        # The places at which keys are whole again follow the entries, and their number ends all.
        restarts = int.from_bytes(block[-4:], "little")
        end = len(block) - 4 * (restarts + 1)
        if len(block) < 4 or end < 0:
            raise damaged(self.path, _KIND, "a block is too short")
        key = b""
        position = 0
        while position < end:
            shared, position = self.varint(block, position)
            own, position = self.varint(block, position)
            size, position = self.varint(block, position)
            if shared > len(key) or position + own + size > end:
                raise damaged(self.path, _KIND, "an entry lies beyond its block")
            if shared + own > _LONGEST_KEY:
                raise damaged(self.path, _KIND, f"a key has {shared + own:,} bytes")
            self.entries += 1
            if self.entries > _MOST_ENTRIES:
                raise damaged(self.path, _KIND, f"it has more than {_MOST_ENTRIES:,} entries")
            key = key[:shared] + block[position : position + own]
            position += own
            yield key, block[position : position + size]
            position += size
