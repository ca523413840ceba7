"""TensorFlow's tensors and shapes as messages, checked before anything is made of them.

Source: tensorflow/tensorflow: tensorflow/core/framework/{tensor,tensor_shape,types}.proto.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.weights.formats.contents import damaged
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.formats.schema import Fields

MESSAGES: Mapping[str, Fields] = {
    "Dim": {"size": (1, "int64")},
    "Shape": {"dim": (2, "Dim*"), "unknown_rank": (3, "bool")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "tensor_content": (4, "bytes"),
        # Each run of packed numbers is one value, for NumPy to read.
        "float_val": (5, "bytes*"),
        "double_val": (6, "bytes*"),
        "int_val": (7, "int32[]"),
        "int64_val": (10, "int64[]"),
        "half_val": (13, "int32[]"),
    },
}

_FLOAT, _DOUBLE, _INT32, _INT64, _BRAIN_FLOAT, _HALF = 1, 2, 3, 9, 14, 19
# How the numbers of a type are in files. NumPy has no bfloat16: it is read as its bits.
DTYPES: Mapping[int, np.dtype[Any]] = {
    _FLOAT: np.dtype("<f4"),
    _DOUBLE: np.dtype("<f8"),
    _INT32: np.dtype("<i4"),
    _INT64: np.dtype("<i8"),
    _BRAIN_FLOAT: np.dtype("<u2"),
    _HALF: np.dtype("<f2"),
}
FLOATING = (_FLOAT, _DOUBLE, _BRAIN_FLOAT, _HALF)

# Fields of integers, of which the last has the bits of half precision.
_COUNTED = {_INT32: "int_val", _INT64: "int64_val", _BRAIN_FLOAT: "half_val", _HALF: "half_val"}
_MOST_DIMENSIONS = 8


def dimensions(shape: Any, path: str | os.PathLike[str], kind: str, name: str) -> tuple[int, ...]:
    """Read a tensor's shape.

    Raises:
        ModelError: It is unknown, or no array has it.
    """
    sizes = tuple(dim.size for dim in shape.dim)
    if shape.unknown_rank or len(sizes) > _MOST_DIMENSIONS or any(size < 1 for size in sizes):
        raise damaged(path, kind, f"{name!r} has the shape {list(sizes)}")
    return sizes


def declared_bytes(dtype: int, shape: tuple[int, ...]) -> int:
    """Give how many bytes an array takes, as a number of any size."""
    return math.prod(shape) * DTYPES[dtype].itemsize


def shaped(values: NDArray[Any], dtype: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Give as many numbers as a shape needs that shape; half precision becomes float32."""
    return widened(values, is_bfloat16=dtype == _BRAIN_FLOAT).reshape(shape)


def numbers(
    tensor: Any, dtype: int, path: str | os.PathLike[str], kind: str, name: str
) -> NDArray[Any]:
    """Read a tensor message's numbers, one after the other, as files have them.

    Raises:
        ModelError: They end within one.
    """
    if not tensor.tensor_content and dtype in _COUNTED:
        field = getattr(tensor, _COUNTED[dtype])
        values = np.fromiter(field, np.int64, len(field))
        return values.astype(f"i{DTYPES[dtype].itemsize}").view(DTYPES[dtype])
    runs = tensor.double_val if dtype == _DOUBLE else tensor.float_val
    data = tensor.tensor_content or (runs[0] if len(runs) == 1 else b"".join(runs))
    if len(data) % DTYPES[dtype].itemsize:
        raise damaged(path, kind, f"{name!r} ends within a number")
    return np.frombuffer(data, DTYPES[dtype])
