"""A graph's operations, whatever tool wrote them, each told by where it stands.

A format gives its operations one by one, in an order in which they can be computed. The place of
one is how many convolutions and pools lie before it on the longest way from the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from googlenet.architecture.spec import LocalResponseNorm

CONVOLUTION = "convolution"
LINEAR = "linear layer"
MAX_POOL = "max pool"
AVERAGE_POOL = "average pool"
LOCAL_RESPONSE_NORM = "local response normalization"
BATCH_NORM = "batch normalization"
DROPOUT = "dropout"
RELU = "ReLU"
PAD = "pad"
BIAS = "sum"
# What leaves every value as it is: concatenation, another shape, another precision.
SAME_VALUES = "same values"

KNOWN = {
    *(CONVOLUTION, LINEAR, MAX_POOL, AVERAGE_POOL, LOCAL_RESPONSE_NORM, BATCH_NORM),
    *(DROPOUT, RELU, PAD, BIAS, SAME_VALUES),
}

# A wider image is a sign of damage, or of a graph that was not made for a GoogLeNet.
LARGEST_INPUT = 4096

# Rows and columns before, rows and columns after.
Sides = tuple[int, int, int, int]
UNPADDED: Sides = (0, 0, 0, 0)
# By TensorFlow's rule, or not said.
Padding = Sides | Literal["same"] | None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Hold one operation of a graph.

    Attributes:
        kind: One of this module's kinds, or else the tool's own name of it.
        reads: The values that it reads.
        gives: The values that it gives.
        window: Rows and columns of the kernel; nothing where they are not said, or are the map's.
        strides: Of the window; nothing where they are not said.
        padding: How the map is padded.
        rounds_up: Whether a last window may reach over the edge.
        norm: Constants of a local response normalization.
        number: Batch normalization's eps, dropout's ratio, or the value that is padded with.
        problem: What of it no spec can hold, a phrase.
    """

    kind: str
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    window: tuple[int, ...] = ()
    strides: tuple[int, ...] = (1, 1)
    padding: Padding = UNPADDED
    rounds_up: bool = False
    norm: LocalResponseNorm | None = None
    number: float | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Hold what lies before a value.

    Attributes:
        convolutions: As many as on the longest way.
        pools: Max pools of stride 2, counted so.
        linears: Linear layers, counted so.
        side: Rows and columns of the map, where they are known.
        padded: What operations of their own have padded, where it is known.
        padded_with: The value that they did it with, where it is known.
        rectified: Whether a ReLU came after every layer.
    """

    convolutions: int = 0
    pools: int = 0
    linears: int = 0
    side: int | None = None
    padded: Sides | None = UNPADDED
    padded_with: float | None = 0.0
    rectified: bool = True


@dataclass(frozen=True)
class Step:
    """Hold an operation, what lies before it, and how many values from the image it reads."""

    operation: Operation
    before: Place
    joined: int

    @property
    def padding(self) -> Padding:
        """The whole padding, whoever does it."""
        own, before = self.operation.padding, self.before.padded
        if before == UNPADDED:
            return own
        return None if own == "same" or own is None or before is None else _added(own, before)

    @property
    def is_strided_pool(self) -> bool:
        """Whether it is one of the pools between the stages."""
        return self.operation.kind == MAX_POOL and self.operation.strides == (2, 2)


class Walk:
    """Follow a graph from its image.

    Attributes:
        sizes: The sides of the images, where they are said and can be.
        operations: All that were taken.
        steps: What was computed from an image.

    Args:
        inputs: The values that come from outside.
        sizes: The sides that they are said to have.
    """

    def __init__(self, inputs: Iterable[str], sizes: Iterable[int]) -> None:
        self.sizes = sorted({size for size in sizes if 0 < size <= LARGEST_INPUT})
        side = self.sizes[0] if len(self.sizes) == 1 else None
        self._places = {name: Place(side=side) for name in inputs}
        self.operations: list[Operation] = []
        self.steps: list[Step] = []

    def side(self, value: str) -> int | None:
        """Give the rows and columns of a value that was computed, where they are known."""
        place = self._places.get(value)
        return None if place is None else place.side

    def add(self, operation: Operation) -> None:
        """Take one more operation, which reads what came before."""
        self.operations.append(operation)
        reads = [self._places[name] for name in operation.reads if name in self._places]
        if not reads:
            # Constants are computed from constants; a convolution reads an image, however it came.
            if operation.kind != CONVOLUTION:
                return
            reads = [Place()]
        before = Place(
            convolutions=max(each.convolutions for each in reads),
            pools=max(each.pools for each in reads),
            linears=max(each.linears for each in reads),
            side=reads[0].side,
            padded=reads[0].padded,
            padded_with=reads[0].padded_with,
            rectified=all(each.rectified for each in reads),
        )
        step = Step(operation, before, len(reads))
        self.steps.append(step)
        self._places.update(dict.fromkeys(operation.gives, _after(step)))

    def leading_to_weights(self) -> list[Step]:
        """Give the steps without those that only logits, or nothing, come out of."""
        needed: set[str] = set()
        kept = []
        for step in reversed(self.steps):
            operation = step.operation
            if operation.kind in (CONVOLUTION, LINEAR) or not needed.isdisjoint(operation.gives):
                # A value may be written over; what was there before it is another.
                needed.difference_update(operation.gives)
                needed.update(operation.reads)
                kept.append(step)
        return kept[::-1]


def same_sides(side: int, kernel: int, stride: int) -> Sides:
    """Give the padding that TensorFlow's rule asks for."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return (total // 2, total // 2, total - total // 2, total - total // 2)


def _after(step: Step) -> Place:
    operation, before = step.operation, step.before
    kind = operation.kind
    place = replace(
        before,
        convolutions=before.convolutions + (kind == CONVOLUTION),
        pools=before.pools + step.is_strided_pool,
        linears=before.linears + (kind == LINEAR),
        side=_side_after(step),
        rectified=kind == RELU or (before.rectified and kind not in (CONVOLUTION, LINEAR)),
    )
    if kind == PAD:
        padding = None if step.padding == "same" else step.padding
        return replace(place, padded=padding, padded_with=operation.number)
    if kind == SAME_VALUES:
        return place
    return replace(place, padded=UNPADDED, padded_with=0.0)


def _side_after(step: Step) -> int | None:
    operation, side = step.operation, step.before.side
    if operation.kind not in (CONVOLUTION, MAX_POOL, AVERAGE_POOL) or side is None:
        return side
    padding, window, strides = step.padding, operation.window, operation.strides
    if padding is None or len(set(window)) != 1 or len(set(strides)) != 1 or strides[0] < 1:
        return None
    if padding == "same":
        return -(-side // strides[0])
    total = {padding[0] + padding[2], padding[1] + padding[3]}
    spare = side + total.pop() - window[0]
    if total or spare < 0:
        return None
    return (-(-spare // strides[0]) if operation.rounds_up else spare // strides[0]) + 1


def _added(one: Sides, other: Sides) -> Sides:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])
