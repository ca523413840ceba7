"""Whole numbers that an ONNX graph computes for itself, such as how much it pads.

Source of the operators' rules: onnx/onnx: docs/Operators.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.weights.formats.onnx_node import Node

# Shapes and paddings have some ten numbers; more are no such.
_MOST = 64
_WHOLE = (6, 7)  # int32 and int64

_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    # Between whole numbers ONNX leaves the rest out.
    "Div": lambda one, other: np.trunc(one / other),
    "Neg": np.negative,
    "Identity": lambda values: values,
}


class Numbers:
    """Compute as far as constants and the sides of maps go; what is not known is no number (NaN).

    Args:
        tensors: Constants by name.
        side: Gives the rows and columns of a map by its name.
    """

    def __init__(
        self, tensors: Mapping[str, NDArray[Any]], side: Callable[[str], int | None]
    ) -> None:
        self._tensors = tensors
        self._side = side
        self._computed: dict[str, NDArray[np.float64]] = {}

    def add(self, node: Node) -> None:
        """Take one more node, which reads what came before."""
        try:
            with np.errstate(all="ignore"):
                values = self._values(node)
        # What does not fit together is no shape or padding.
        except (ArithmeticError, IndexError, TypeError, ValueError):
            return
        if values is not None and values.size <= _MOST and node.outputs:
            self._computed[node.outputs[0]] = values

    def ints(self, name: str) -> tuple[int, ...]:
        """Give whole numbers; nothing where one is not known."""
        values = self._known(name)
        if values is None or not np.isfinite(values).all():
            return ()
        return tuple(map(int, values.ravel()))

    def number(self, name: str) -> float | None:
        """Give a constant with the digits that it was written with."""
        values = self._tensors.get(name)
        if values is None or values.size != 1:
            return None
        value = values.reshape(()).item()
        return float(f"{value:.7g}") if values.dtype == np.float32 else float(value)

    def shape(self, name: str) -> tuple[int, ...]:
        """Give the shape of a constant; nothing where it is none."""
        values = self._tensors.get(name)
        return () if values is None else values.shape

    def _known(self, name: str) -> NDArray[np.float64] | None:
        constant = self._tensors.get(name)
        if constant is None or constant.size > _MOST or constant.dtype.kind not in "iu":
            return self._computed.get(name)
        return constant.astype(np.float64)

    def _values(self, node: Node) -> NDArray[np.float64] | None:
        if node.op == "Shape" and node.inputs:
            return self._shape(node)
        read = [self._known(name) for name in node.inputs if name]
        known = [values for values in read if values is not None]
        if not known or len(known) != len(read):
            return None
        first, rest = known[0], known[1:]
        if node.op in _ARITHMETIC:
            return np.asarray(_ARITHMETIC[node.op](*known))
        if node.op == "Cast":
            return first if node.integer("to", 0) in _WHOLE else None
        if node.op == "Concat":
            return np.concatenate(known, axis=node.integer("axis", 0))
        if node.op == "Gather":
            return np.take(first, rest[0].astype(int), axis=node.integer("axis", 0))
        if node.op == "Reshape":
            return first.reshape(tuple(map(int, rest[0])))
        if node.op == "Slice":
            return _sliced(first, *(tuple(map(int, each)) for each in rest))
        if node.op == "Transpose":
            return first.transpose(node.ints("perm") or None)
        if node.op == "Unsqueeze":
            axes = tuple(map(int, rest[0])) if rest else node.ints("axes")
            return np.expand_dims(first, axes)
        if node.op == "ConstantOfShape" and first.size == 1 and 0 <= first.item() <= _MOST:
            value = node.attributes.get("value")
            filled = () if value is None else (value.t.raw_data, value.t.int64_data)
            return None if any(map(any, filled)) else np.zeros(int(first.item()))
        return None

    def _shape(self, node: Node) -> NDArray[np.float64]:
        known, side = self._known(node.inputs[0]), self._side(node.inputs[0])
        if known is not None:
            sides = np.array(known.shape, np.float64)
        else:
            sides = np.array([math.nan, math.nan, *[math.nan if side is None else side] * 2])
        return sides[node.integer("start", 0) : node.integer("end", sides.size)]


def _sliced(
    values: NDArray[np.float64],
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    axes: tuple[int, ...] = (),
    steps: tuple[int, ...] = (),
) -> NDArray[np.float64]:
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = axes[number] if axes else number
        step = steps[number] if steps else 1
        # Far below the first value is before it; Python would count from behind.
        last = None if step < 0 and end < -values.shape[axis] else end
        places = range(values.shape[axis])[start:last:step]
        values = np.take(values, places, axis=axis)
    return values
