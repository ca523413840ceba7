"""NumPy's ``.npz``, as Chainer saves models and snapshots; nothing in it is unpickled.

Source: numpy/numpy: doc/source/reference/npy_format; chainer/chainer: chainer/serializers/npz.py.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes
from googlenet.weights.formats.zip_members import ZipMembers

_KIND = "NumPy .npz"
_SUFFIX = ".npy"
# A snapshot holds the whole training; the model in it has this name.
_SNAPSHOT_MODEL = "updater/model:"
_MOST_DIMENSIONS = 8


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
        notes.append(f"Left out {', '.join(counters[:3])}: single numbers, such as counters.")
    return WeightsFile(
        format="chainer",
        path=path,
        arrays={name: values for name, values in arrays.items() if values.ndim},
        notes=tuple(notes),
    )


def _array(data: bytes, name: str, path: Path) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        # Python 2 wrote headers that NumPy reads with a warning.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            match npy.read_magic(stream):
                case (1, 0):
                    shape, fortran_order, dtype = npy.read_array_header_1_0(stream)
                case (2, 0):
                    shape, fortran_order, dtype = npy.read_array_header_2_0(stream)
                case version:
                    raise ValueError(f"its version is {version}")
    # The header is a Python literal, of which NumPy takes what ast.literal_eval does.
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise damaged(path, _KIND, f"{name!r} has a broken header ({error})") from error
    if dtype.hasobject:
        raise ModelError(
            f"NumPy .npz file keeps {name} as a pickle, which could run code and is never opened",
            path,
            "Save arrays of numbers alone.",
        )
    if dtype.kind not in "fiu" or dtype.itemsize > 8 or len(shape) > _MOST_DIMENSIONS:
        raise damaged(path, _KIND, f"{name!r} is of type {dtype} and has {len(shape)} dimensions")
    held = len(data) - stream.tell()
    # Python's own numbers do not overflow.
    if any(size < 0 for size in shape) or math.prod(map(int, shape)) * dtype.itemsize != held:
        raise damaged(path, _KIND, f"{name!r} of shape {list(shape)} has {held:,} bytes")
    values = np.frombuffer(data, dtype, offset=stream.tell())
    if dtype.itemsize == 2 and dtype.kind == "f":
        values = values.astype(np.float32)
    return values.reshape(shape, order="F" if fortran_order else "C")
