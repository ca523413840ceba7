"""Safetensors files, of any tool; the checksums that googlenet writes are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.tensor_header import HEADER_CHECKSUM, read_header, sha256, tensor_checksums

_KIND = "safetensors"
_MOST_DIMENSIONS = 8
# A tensor takes some 100 bytes of it, and ten times as much once it is read.
_LARGEST_HEADER = 4 * 2**20
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
    length = int.from_bytes(data[:8], "little")
    if length > _LARGEST_HEADER:
        raise damaged(path, _KIND, f"its header would have {length:,} bytes")
    try:
        tensors: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError, OverflowError) as error:
        raise damaged(path, _KIND, error) from error
    # The library has found the header right, but does not give what it says beside the tensors.
    header = read_header(BytesIO(data), path)
    if HEADER_CHECKSUM in header.metadata:
        _compare_checksums(tensors, tensor_checksums(header, path), path)
    return WeightsFile(
        format="safetensors",
        path=path,
        arrays={name: _array(tensor, name, path) for name, tensor in tensors},
        metadata=header.metadata,
    )


def _compare_checksums(
    tensors: Sequence[tuple[str, Mapping[str, Any]]], sums: Mapping[str, str], path: Path
) -> None:
    for name, tensor in tensors:
        if sha256(tensor["data"]) != sums[name]:
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
    values = widened(values, is_bfloat16=kind == "BF16")
    # No numbers may have any shape, even those of which NumPy has none.
    return values.reshape(shape) if values.size else values
