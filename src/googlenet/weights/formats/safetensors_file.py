"""Safetensors files, of any tool; the checksums that googlenet writes are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes
from googlenet.weights.tensor_file import HEADER_CHECKSUM, TENSOR_CHECKSUMS, read_metadata

_KIND = "safetensors"
_MOST_DIMENSIONS = 8
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    # NumPy has no bfloat16: it is read as its bits.
    "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read(path: Path) -> WeightsFile:
    """Read the tensors.

    Args:
        path: A ``.safetensors`` file.

    Returns:
        The tensors under their own names and in their own layout: floating-point, of which half
        precision and bfloat16 become float32, or integers.

    Raises:
        ModelError: The file is damaged, or has numbers of a type that no weights are kept in.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        tensors: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError, OverflowError) as error:
        raise damaged(path, _KIND, error) from error
    # The library has found the header right, but does not give what it says beside the tensors.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__") or {}
    if HEADER_CHECKSUM in metadata:
        read_metadata(path)  # compares the header's own checksum
        _compare_checksums(tensors, json.loads(metadata[TENSOR_CHECKSUMS]), path)
    return WeightsFile(
        format="safetensors",
        path=path,
        arrays={name: _array(tensor, name, path) for name, tensor in tensors},
    )


def _compare_checksums(
    tensors: Sequence[tuple[str, Mapping[str, Any]]], sums: Mapping[str, str], path: Path
) -> None:
    for name, tensor in tensors:
        if hashlib.sha256(tensor["data"]).hexdigest() != sums[name]:
            raise damaged(path, _KIND, f"the content of {name} is not what was saved")


def _array(tensor: Mapping[str, Any], name: str, path: Path) -> NDArray[Any]:
    kind, shape = tensor["dtype"], tensor["shape"]
    if len(shape) > _MOST_DIMENSIONS:
        raise damaged(path, _KIND, f"{name!r} has {len(shape)} dimensions")
    if kind not in _DTYPES:
        raise damaged(
            path, _KIND, f"{name!r} has numbers of type {kind}, which are none of weights"
        )
    values = np.frombuffer(tensor["data"], _DTYPES[kind])
    if kind == "BF16":
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    elif kind == "F16":
        values = values.astype(np.float32)
    # No numbers may have any shape, even those of which NumPy has none.
    return values.reshape(shape) if values.size else values
