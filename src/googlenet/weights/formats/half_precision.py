"""Numbers of 16 bits become float32: NumPy has no bfloat16, and computes slowly in the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def widened(values: NDArray[Any], *, is_bfloat16: bool = False) -> NDArray[Any]:
    """Return numbers of 16 bits as float32, and others as they are.

    Args:
        values: Numbers of any type and shape; of bfloat16 its bits, as uint16 or int16.
        is_bfloat16: Whether they are such bits.
    """
    if is_bfloat16:
        return (values.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    return (
        values.astype(np.float32) if values.dtype.kind == "f" and values.itemsize == 2 else values
    )
