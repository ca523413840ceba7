"""ONNX's tensors as messages, checked before anything is made of them.

Source: onnx/onnx: onnx/onnx.proto (TensorProto) and docs/ExternalData.md.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import LARGEST_FILE, damaged, read_bytes, shortened
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.formats.schema import Fields, parse

MESSAGES: Mapping[str, Fields] = {
    "Entry": {"key": (1, "bytes"), "value": (2, "bytes")},
    "Tensor": {
        "dims": (1, "int64[]"),
        "data_type": (2, "int32"),
        # Each run of packed numbers is one value, for NumPy to read.
        "float_data": (4, "bytes*"),
        "int32_data": (5, "int32[]"),
        "int64_data": (7, "int64[]"),
        "name": (8, "bytes"),
        "raw_data": (9, "bytes"),
        "double_data": (10, "bytes*"),
        "external_data": (13, "bytes*"),
        "data_location": (14, "int32"),
    },
}

_KIND = "ONNX"
_UINT8, _INT8 = 2, 3
_FLOAT, _INT32, _INT64, _HALF, _DOUBLE, _BRAIN_FLOAT = 1, 6, 7, 10, 11, 16
# How the numbers of a type are in files. NumPy has no bfloat16: it is read as its bits.
_DTYPES: Mapping[int, np.dtype[Any]] = {
    _FLOAT: np.dtype("<f4"),
    _INT32: np.dtype("<i4"),
    _INT64: np.dtype("<i8"),
    _HALF: np.dtype("<f2"),
    _DOUBLE: np.dtype("<f8"),
    _BRAIN_FLOAT: np.dtype("<u2"),
}
# Fields of integers; that of 32 bits has the bits of half precision too.
_COUNTED = dict.fromkeys((_INT32, _HALF, _BRAIN_FLOAT), "int32_data") | {_INT64: "int64_data"}
_MOST_DIMENSIONS = 8
_MOST_ENTRIES = 10


class TensorReader:
    """Read the tensors of one model, and of the files that it names.

    Args:
        path: The model; other files are read from its folder only.
        entry: The message class of what a tensor says of its data outside.
    """

    def __init__(self, path: Path, entry: Any) -> None:
        self.path = path
        self.entry = entry
        self.files: dict[Path, bytes] = {}
        self.taken = 0

    def array(self, tensor: Any, name: str) -> NDArray[Any] | None:
        """Read a tensor: float32, float64, int32 or int64; half precision becomes float32.

        Returns:
            The array; None if it is of another type, or has no numbers.

        Raises:
            ModelError: It is damaged, quantized, or its data cannot be had.
        """
        if tensor.data_type in (_UINT8, _INT8) and tensor.dims:
            raise ModelError(
                f"ONNX model is quantized: {shortened(name)} has integers of 8 bits",
                self.path,
                "Give the floating-point model that it was made from.",
            )
        shape = tuple(tensor.dims)
        if len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
            raise damaged(self.path, _KIND, f"{name!r} has the shape {list(shape[:9])}")
        if tensor.data_type not in _DTYPES or 0 in shape:
            return None
        values = self._values(tensor, name, math.prod(shape))
        return widened(values, is_bfloat16=tensor.data_type == _BRAIN_FLOAT).reshape(shape)

    def _values(self, tensor: Any, name: str, total: int) -> NDArray[Any]:
        dtype = _DTYPES[tensor.data_type]
        data: bytes | memoryview
        if tensor.data_location == 1:
            data = self._outside(tensor, name, total * dtype.itemsize)
        elif not tensor.raw_data and tensor.data_type in _COUNTED:
            field = getattr(tensor, _COUNTED[tensor.data_type])
            numbers = np.fromiter(field, np.int64, len(field))
            data = numbers.astype(f"<i{dtype.itemsize}").data.cast("B")
        else:
            runs = tensor.double_data if tensor.data_type == _DOUBLE else tensor.float_data
            data = tensor.raw_data or b"".join(runs)
        if len(data) != total * dtype.itemsize:
            raise damaged(
                self.path,
                _KIND,
                f"{name!r} of shape {list(tensor.dims)} has {len(data):,} bytes",
            )
        return np.frombuffer(data, dtype)

    def _outside(self, tensor: Any, name: str, wanted: int) -> memoryview:
        """Give a tensor's bytes from another file."""
        if len(tensor.external_data) > _MOST_ENTRIES:
            raise damaged(self.path, _KIND, f"{name!r} says too much of its data")
        entries = [parse(self.entry, each, self.path, _KIND) for each in tensor.external_data]
        said = {each.key: each.value for each in entries}
        data = self._file(said.get(b"location", b"").decode("utf-8", "replace"), name)
        try:
            offset = int(said.get(b"offset", b"0")[:20])
            length = int(said.get(b"length", str(len(data) - offset).encode())[:20])
        except ValueError as error:
            raise damaged(self.path, _KIND, f"{name!r} has its data at no number") from error
        if offset < 0 or length < 0 or offset + length > len(data) or length != wanted:
            raise damaged(
                self.path, _KIND, f"the data of {name!r} is not all in the file that it names"
            )
        # Tensors do not share bytes, so that none can be widened again and again.
        self.taken += length
        if self.taken > sum(map(len, self.files.values())):
            raise damaged(self.path, _KIND, "its tensors overlap")
        return memoryview(data)[offset : offset + length]

    def _file(self, location: str, name: str) -> bytes:
        """Read a file in the model's own folder, once."""
        folder = Path(os.path.realpath(self.path.parent))
        # These functions of os.path have no error for a path that cannot be.
        place = Path(os.path.realpath(folder / location.partition("\0")[0]))
        if not location or "\0" in location or not place.is_relative_to(folder):
            raise ModelError(
                f"ONNX model keeps {shortened(name)} outside its own folder: "
                f"{shortened(location)!r}",
                self.path,
                "Put the data beside the model, or save it as one file.",
            )
        if place not in self.files:
            if not os.path.exists(place):
                raise ModelError(
                    "ONNX model lacks the data file that it names",
                    self.path,
                    f"Put it beside the model: {shortened(location)!r}.",
                )
            self.files[place] = read_bytes(place)
            if sum(map(len, self.files.values())) > LARGEST_FILE:
                raise ModelError(
                    f"ONNX model has more than {LARGEST_FILE:,} bytes of data",
                    self.path,
                    "Give a model that holds a GoogLeNet alone.",
                )
        return self.files[place]
