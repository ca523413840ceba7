"""IDX files, the format of MNIST and its like: a header of sizes, then bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import DataError

_UNSIGNED_BYTES = 0x08
_LARGEST = 1 << 30
_FIX = "Fetch the file again."


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, packed with gzip or not.

    Args:
        path: The file; where it is missing, the same name with ``.gz`` is read.
        dimensions: How many the array must have.

    Returns:
        A read-only array of that many dimensions.

    Raises:
        DataError: The file is missing, no IDX file, or not as long as its header says.
    """
    if not path.exists():
        path = path.with_name(f"{path.name}.gz")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * dimensions)
            expected = bytes([0, 0, _UNSIGNED_BYTES, dimensions])
            if len(header) != 4 + 4 * dimensions or not header.startswith(expected):
                raise DataError(f"no IDX file of {dimensions} dimensions", path, _FIX)
            shape = tuple(np.frombuffer(header, ">u4", offset=4).tolist())
            size = int(np.prod(shape, dtype=object))
            if size > _LARGEST:
                raise DataError(f"the IDX file claims to hold {size} bytes", path, _FIX)
            data = file.read(size)
            if len(data) != size or file.read(1):
                raise DataError("the IDX file is not as long as its header says", path, _FIX)
    except FileNotFoundError as error:
        raise DataError("there is no such file", path, _FIX) from error
    except (OSError, EOFError, zlib.error) as error:  # gzip's own errors are OSError
        raise DataError(f"the file cannot be read: {error}", path, _FIX) from error
    return np.frombuffer(data, np.uint8).reshape(shape)
