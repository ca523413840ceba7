"""Checkpoints of TensorFlow since the end of 2016: an index, and the values in one file or more.

Source: tensorflow/tensorflow: tensorflow/core/protobuf/tensor_bundle.proto and
tensorflow/core/util/tensor_bundle/.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats import sstable
from googlenet.weights.formats.contents import LARGEST_FILE, damaged, read_bytes
from googlenet.weights.formats.schema import message_types, parse
from googlenet.weights.formats.tensorflow_tensor import (
    DTYPES,
    MESSAGES,
    declared_bytes,
    dimensions,
    shaped,
)

_KIND = "TensorFlow checkpoint"
# A network of this size is never in more parts.
_MOST_SHARDS = 1000

_TYPES = message_types(
    "googlenet.tensor_bundle",
    {
        "Dim": MESSAGES["Dim"],
        "Shape": MESSAGES["Shape"],
        "Slice": {},
        "Header": {"num_shards": (1, "int32"), "endianness": (2, "int32")},
        "Entry": {
            "dtype": (1, "int32"),
            "shape": (2, "Shape"),
            "shard_id": (3, "int32"),
            "offset": (4, "int64"),
            "size": (5, "int64"),
            "crc32c": (6, "fixed32"),
            "slices": (7, "Slice*"),
        },
    },
)


def read_bundle(prefix: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read a checkpoint of an index and its data files.

    Args:
        prefix: The path that they share, such as ``model.ckpt-123``.

    Returns:
        The numeric variables by name, and the names of what is none, or is kept in slices.

    Raises:
        ModelError: A part is missing or damaged; every checksum is compared.
    """
    index = Path(f"{prefix}.index")
    table = sstable.entries(read_bytes(index), index)
    key, value = next(table, (None, b""))
    if key != b"":
        raise damaged(index, _KIND, "its index has no header")
    header = parse(_TYPES["Header"], value, index, _KIND)
    if not 1 <= header.num_shards <= _MOST_SHARDS:
        raise damaged(index, _KIND, f"it says that it has {header.num_shards} parts")
    if header.endianness:
        raise ModelError(
            "TensorFlow checkpoint was written on a big-endian machine",
            index,
            "Save it again on a machine of the usual kind.",
        )
    shards = _Shards(prefix, header.num_shards)
    arrays: dict[str, NDArray[Any]] = {}
    others: list[str] = []
    for key, value in table:
        name = key.decode("utf-8", "replace")
        entry = parse(_TYPES["Entry"], value, index, _KIND)
        if entry.dtype not in DTYPES or entry.slices:
            others.append(name)
            continue
        shape = dimensions(entry.shape, index, _KIND, name)
        if declared_bytes(entry.dtype, shape) != entry.size:
            raise damaged(index, _KIND, f"{name!r} of shape {list(shape)} has {entry.size:,} bytes")
        values = np.frombuffer(shards.values(entry, name), DTYPES[entry.dtype])
        arrays[name] = shaped(values, entry.dtype, shape)
    return arrays, others


class _Shards:
    """Hold the data files, each read when a variable in it is."""

    def __init__(self, prefix: Path, count: int) -> None:
        self.prefix = prefix
        self.count = count
        self.read: dict[int, bytes] = {}
        # Variables do not overlap, so that no byte can be summed, and widened, again and again.
        self.left: dict[int, int] = {}

    def values(self, entry: Any, name: str) -> bytes:
        """Give a variable's bytes, after their checksum was compared."""
        number = entry.shard_id
        path = Path(f"{self.prefix}.data-{number:05d}-of-{self.count:05d}")
        if not 0 <= number < self.count:
            raise damaged(path, _KIND, f"{name!r} is in part {number} of {self.count}")
        if number not in self.read:
            self._read(number, path)
        shard = self.read[number]
        self.left[number] -= entry.size
        if not 0 <= entry.offset <= len(shard) - entry.size or self.left[number] < 0:
            raise damaged(path, _KIND, f"{name!r} lies beyond its end")
        data = shard[entry.offset : entry.offset + entry.size]
        if sstable.masked_crc32c(data) != entry.crc32c:
            raise damaged(path, _KIND, f"the checksum of {name!r} does not match")
        return data

    def _read(self, number: int, path: Path) -> None:
        if not os.path.exists(path):  # unlike pathlib's, no error for a path that cannot be
            raise ModelError(
                "TensorFlow checkpoint lacks a data file, which its index names",
                path,
                "Put it beside the index.",
            )
        self.read[number] = read_bytes(path)
        self.left[number] = len(self.read[number])
        if sum(map(len, self.read.values())) > LARGEST_FILE:
            raise ModelError(
                f"TensorFlow checkpoint has more than {LARGEST_FILE:,} bytes",
                path,
                "Give a checkpoint that holds the weights alone.",
            )
