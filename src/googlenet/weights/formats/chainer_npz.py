"""NumPy's ``.npz``, as Chainer saves models and snapshots; nothing in it is unpickled.

Source: numpy/numpy: doc/source/reference/npy_format; chainer/chainer: chainer/serializers/npz.py.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes, some
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.formats.zip_members import ZipMembers

_KIND = "NumPy .npz"
_SUFFIX = ".npy"
# A snapshot holds the whole training; the model in it has this name.
_SNAPSHOT_MODEL = "updater/model:"
_MOST_DIMENSIONS = 8

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1_000
# As every writer has it; Python 2 marked its numbers with an L.
_HEADER = re.compile(
    r"\{'descr': '(?P<order>[<>|=])(?P<kind>[a-zA-Z])(?P<bytes>\d{0,2})', "
    r"'fortran_order': (?P<fortran>True|False), 'shape': \((?P<shape>[\dL, ]*)\), ?\}\s*"
)
_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


def read(path: Path) -> WeightsFile:
    """Read the arrays of a model, or of the model in a snapshot.

    Args:
        path: An ``.npz`` file.

    Returns:
        The arrays under their own names (``inc3a/conv1/W``) and in Chainer's layout (kernels out,
        in, H, W; linear layers out, in): floating-point, of which half precision becomes float32,
        or integers. Single numbers and what training alone needs are left out.

    Raises:
        ModelError: The file is damaged, or keeps an array as a pickle.
    """
    path = Path(path)
    members = ZipMembers(read_bytes(path), path, _KIND)
    names = [name for name in members.names if name.endswith(_SUFFIX)]
    if not names:
        raise damaged(path, _KIND, "it holds no arrays")
    kept = [name for name in names if name.startswith(_SNAPSHOT_MODEL)] or names
    notes = []
    if len(kept) < len(names):
        notes.append(
            f"Left out {len(names) - len(kept)} arrays of training: the optimizer's state."
        )
    arrays = {name.removesuffix(_SUFFIX): _array(members.read(name), name, path) for name in kept}
    counters = [name for name, values in arrays.items() if not values.ndim]
    if counters:
        notes.append(f"Left out {some(counters)}: single numbers, such as counters.")
    return WeightsFile(
        format="chainer",
        path=path,
        arrays={name: values for name, values in arrays.items() if values.ndim},
        notes=tuple(notes),
    )


def _array(data: bytes, name: str, path: Path) -> NDArray[Any]:
    header, start = _header(data)
    # NumPy itself evaluates the header as Python, with the errors and warnings that this may bring.
    found = _HEADER.fullmatch(header)
    if found is None:
        raise damaged(path, _KIND, f"{name!r} has a header that is not of an array of numbers")
    if found["kind"] == "O":
        raise ModelError(
            f"NumPy .npz file keeps {some([name])} as a pickle, which could run code and is "
            "never opened",
            path,
            "Save arrays of numbers alone.",
        )
    shape = tuple(map(int, re.findall(r"\d+", found["shape"])))
    kind = found["kind"] + found["bytes"]
    if kind not in _NUMBERS or len(shape) > _MOST_DIMENSIONS or 0 in shape:
        raise damaged(path, _KIND, f"{name!r} has numbers of a kind that no weights are kept in")
    dtype = np.dtype(found["order"] + kind)
    # Python's own numbers do not overflow.
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise damaged(
            path, _KIND, f"{name!r} of shape {list(shape)} has {len(data) - start:,} bytes"
        )
    values = np.frombuffer(data, dtype, offset=start)
    return widened(values).reshape(shape, order="F" if found["fortran"] == "True" else "C")


def _header(data: bytes) -> tuple[str, int]:
    """Give an array's header, and where its numbers begin; no text where there is none."""
    # After the magic bytes and the version: the header's length, of two bytes or of four.
    end = {b"\x01\x00": 10, b"\x02\x00": 12}.get(data[6:8])
    if end is None or not data.startswith(_MAGIC):
        return "", 0
    start = end + int.from_bytes(data[8:end], "little")
    return data[end : min(start, _LONGEST_HEADER)].decode("latin-1"), start
