"""Checkpoints of TensorFlow until the end of 2016: one sorted table with the values in it.

The entry without a key lists the variables; every other holds one, or a slice of one.
Source: tensorflow/tensorflow: tensorflow/core/util/saved_tensor_slice.proto and
tensorflow/core/framework/tensor_slice.proto.
"""

from __future__ import annotations

import math
import os
from typing import Any

from numpy.typing import NDArray

from googlenet.weights.formats import sstable
from googlenet.weights.formats.contents import damaged
from googlenet.weights.formats.schema import message_types, parse
from googlenet.weights.formats.tensorflow_tensor import (
    DTYPES,
    MESSAGES,
    dimensions,
    numbers,
    shaped,
)

_KIND = "TensorFlow checkpoint"

_TYPES = message_types(
    "googlenet.tensor_slices",
    {
        **MESSAGES,
        "Extent": {"start": (1, "int64"), "length": (2, "int64")},
        "Slice": {"extent": (1, "Extent*")},
        "Variable": {
            "name": (1, "bytes"),
            "shape": (2, "Shape"),
            "type": (3, "int32"),
            "slice": (4, "Slice*"),
        },
        "Meta": {"tensor": (1, "Variable*")},
        "Saved": {"name": (1, "bytes"), "data": (3, "Tensor")},
        "Entry": {"meta": (1, "Meta"), "data": (2, "Saved")},
    },
)


def read_slices(
    data: bytes, path: str | os.PathLike[str]
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read a checkpoint that is one file.

    Args:
        data: The whole file.
        path: Where it is from, for messages.

    Returns:
        The numeric variables by name, in the order that the file lists them, and the names of what
        is none, or is kept in slices.

    Raises:
        ModelError: The file is damaged, or lacks a variable; every checksum is compared.
    """
    table = sstable.entries(data, path)
    key, value = next(table, (None, b""))
    if key != b"":
        raise damaged(path, _KIND, "it has no list of variables")
    listed: dict[str, tuple[int, tuple[int, ...]]] = {}
    others: list[str] = []
    for variable in parse(_TYPES["Entry"], value, path, _KIND).meta.tensor:
        name = variable.name.decode("utf-8", "replace")
        whole = len(variable.slice) == 1 and not any(
            extent.HasField("length") for extent in variable.slice[0].extent
        )
        if variable.type in DTYPES and whole:
            listed[name] = variable.type, dimensions(variable.shape, path, _KIND, name)
        else:
            others.append(name)
    found: dict[str, NDArray[Any]] = {}
    for _, value in table:
        saved = parse(_TYPES["Entry"], value, path, _KIND).data
        name = saved.name.decode("utf-8", "replace")
        if name in listed:
            found[name] = _values(saved.data, *listed[name], path, name)
    missing = listed.keys() - found.keys()
    if missing:
        raise damaged(path, _KIND, f"it lists {min(missing)!r}, and does not hold it")
    return {name: found[name] for name in listed}, others


def _values(
    tensor: Any, dtype: int, shape: tuple[int, ...], path: str | os.PathLike[str], name: str
) -> NDArray[Any]:
    # The shape that stands with the values may be flat, or left out; the list's decides.
    values = numbers(tensor, dtype, path, _KIND, name)
    if values.size != math.prod(shape):
        raise damaged(path, _KIND, f"{name!r} of shape {list(shape)} has {values.size:,} values")
    return shaped(values, dtype, shape)
