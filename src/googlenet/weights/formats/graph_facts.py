"""What a graph says of its network beyond the weights, and what of it no GoogLeNet can be."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TypeVar

from googlenet.architecture.cost import AUX_GRID
from googlenet.architecture.spec import AuxPooling, LocalResponseNorm, PoolRounding, StemPadding
from googlenet.weights.formats.contents import GraphFacts, damaged
from googlenet.weights.formats.graph_walk import (
    AVERAGE_POOL,
    BATCH_NORM,
    BIAS,
    CONVOLUTION,
    DROPOUT,
    KNOWN,
    LINEAR,
    LOCAL_RESPONSE_NORM,
    MAX_POOL,
    PAD,
    SAME_VALUES,
    UNPADDED,
    Operation,
    Step,
    Walk,
    same_sides,
)

# Convolutions and pools of stride 2 before each local response normalization.
_NORM_PLACES = [(1, 1), (3, 1)]
_POOL_KERNELS = ([3, 3, 3, 3], [3, 3, 3, 2])
_POOLS_BEFORE_HEADS = 3
# Numbers that no other is smaller than: what a max pool is padded with.
_LOWEST = -3e38

Fact = TypeVar("Fact")


def graph_facts(
    walk: Walk, path: str | os.PathLike[str], kind: str
) -> tuple[GraphFacts, tuple[str, ...]]:
    """Read what a graph says, from all of its operations.

    Args:
        walk: What came by.
        path: The file, for errors.
        kind: What it is read as, for errors.

    Returns:
        The facts, and sentences on what is there and is no fact.

    Raises:
        ModelError: A constant is one that no tool takes.
    """
    for operation in walk.operations:
        problem = _damage(operation)
        if problem:
            raise damaged(path, kind, problem)
    steps = walk.leading_to_weights()
    changes = sorted({step.operation.kind for step in steps if _changes_the_image(step)})
    notes = [f"Left out is what the graph does to its image first: {', '.join(changes)}."]
    return _Reading(walk, steps).facts(), tuple(notes if changes else ())


def _damage(operation: Operation) -> str:
    number, norm = operation.number, operation.norm
    if operation.kind == BATCH_NORM and number is not None and not 0 < number < math.inf:
        return f"batch normalization has an eps of {number}"
    if operation.kind == DROPOUT and number is not None and not 0 <= number < 1:
        return f"dropout has a ratio of {number}"
    if norm is not None and not (
        norm.size % 2 == 1
        and 0 < norm.size < 2**16
        and 0 <= norm.alpha < math.inf
        and 0 < norm.beta < math.inf
        and 0 < norm.k < math.inf
    ):
        return (
            f"a local response normalization has size {norm.size}, alpha {norm.alpha}, "
            f"beta {norm.beta}, k {norm.k}"
        )
    return ""


def _changes_the_image(step: Step) -> bool:
    return not step.before.convolutions and step.operation.kind not in (
        *(CONVOLUTION, PAD, SAME_VALUES),
    )


class _Reading:
    """Read facts off steps; where they cannot be held, or contradict each other, keep a phrase."""

    def __init__(self, walk: Walk, steps: list[Step]) -> None:
        self.walk = walk
        self.stem = [
            step
            for step in steps
            if step.operation.kind == CONVOLUTION and not step.before.convolutions
        ]
        self.steps = [step for step in steps if step.before.convolutions]
        self.conflicts: list[str] = []

    def facts(self) -> GraphFacts:
        """Give them all."""
        self._look_for_other_networks()
        has_norm, norm = self._norm()
        rounding, last_kernel = self._pools()
        return GraphFacts(
            has_local_response_norm=has_norm,
            local_response_norm=norm,
            stem_padding=self._stem_padding(),
            pool_rounding=rounding,
            last_pool_kernel=last_kernel,
            aux_pooling=self._aux_pooling(),
            batch_norm_eps=self._agreed(
                "the eps of batch normalization",
                (step.operation.number for step in self._of(BATCH_NORM)),
            ),
            dropout=self._agreed(
                "the dropout before the classifier",
                (step.operation.number for step in self._of(DROPOUT) if not step.before.linears),
            ),
            input_size=self._agreed("the size of the image", self.walk.sizes),
            conflicts=tuple(dict.fromkeys(self.conflicts)),
        )

    def _of(self, kind: str) -> list[Step]:
        return [step for step in self.steps if step.operation.kind == kind]

    def _agreed(self, what: str, values: Iterable[Fact | None]) -> Fact | None:
        different = dict.fromkeys(value for value in values if value is not None)
        if len(different) > 1:
            self.conflicts.append(f"{what} is {' and '.join(map(str, different))}")
        return next(iter(different)) if len(different) == 1 else None

    def _look_for_other_networks(self) -> None:
        """Keep what is computed otherwise than in any GoogLeNet."""
        found = self.conflicts
        unknown = sorted({step.operation.kind for step in self.steps} - KNOWN)
        if unknown:
            many = len(unknown) > 1
            found.append(
                f"the operation{'s' if many else ''} {', '.join(unknown)}, "
                f"which {'are' if many else 'is'} not understood"
            )
        for step in self.steps:
            operation, before = step.operation, step.before
            if operation.problem:
                found.append(operation.problem)
            if operation.kind == BIAS and step.joined > 1:
                found.append("a sum of two maps")
            if operation.kind in (CONVOLUTION, LINEAR) and not before.rectified:
                found.append("a layer without a ReLU behind it")
            if operation.kind == CONVOLUTION and operation.window:
                self._hold_size(step, "convolution")
            elif operation.kind == MAX_POOL and operation.strides == (1, 1):
                self._hold_size(step, "max pool of stride 1")
                if operation.window != (3, 3):
                    found.append(f"a {_by(operation.window)} max pool of stride 1")
            elif operation.kind not in (MAX_POOL, PAD, SAME_VALUES) and before.padded != UNPADDED:
                found.append(f"padding before {operation.kind}")

    def _hold_size(self, step: Step, what: str) -> None:
        """See that a window leaves a map as large as it was."""
        window, padding = step.operation.window, step.padding
        half = tuple(side // 2 for side in window)
        if step.operation.strides not in ((1, 1), ()):
            self.conflicts.append(
                f"{_by(window)} {what} has a stride of {_said(step.operation.strides)}"
            )
        elif padding not in ("same", (*half, *half)) and not self._is_unsaid(step):
            self.conflicts.append(f"a {_by(window)} {what} is padded by {_said(padding)}")

    def _is_unsaid(self, step: Step) -> bool:
        return step.operation.padding is None and step.before.padded == UNPADDED

    def _norm(self) -> tuple[bool | None, LocalResponseNorm | None]:
        norms = self._of(LOCAL_RESPONSE_NORM)
        if not norms:
            # A file of weights alone cannot say that a layer without weights is not there, nor can
            # a graph that may compute it in a way of its own.
            known = {step.operation.kind for step in self.steps} <= KNOWN
            return (False if known and self._of(MAX_POOL) else None), None
        places = sorted((step.before.convolutions, step.before.pools) for step in norms)
        if len(norms) == 1:
            self.conflicts.append("one of the two local response normalizations is missing")
        elif len(norms) > 2:
            self.conflicts.append(f"there are {len(norms)} local response normalizations, not two")
        elif places != _NORM_PLACES:
            self.conflicts.append(
                "local response normalization is not behind the first pool and third convolution"
            )
        constants = self._agreed(
            "local response normalization", (step.operation.norm for step in norms)
        )
        return True, constants

    def _stem_padding(self) -> StemPadding | None:
        if not self.stem:
            return None
        if len(self.stem) > 1:
            self.conflicts.append(f"{len(self.stem)} convolutions read the image")
            return None
        step = self.stem[0]
        operation, side, padding = step.operation, step.before.side, step.padding
        if operation.window != (7, 7) or self._is_unsaid(step):
            return None
        if operation.strides not in ((2, 2), ()):
            self.conflicts.append(f"the 7x7 convolution has a stride of {_said(operation.strides)}")
        if step.before.padded_with != 0:
            self.conflicts.append("the image is padded with other values than 0")
        if padding == "same":
            return "same"
        if padding == (3, 3, 3, 3):
            # At odd sizes the two rules are equal, and what pads by itself does so by a rule.
            by_rule = step.before.padded == padding and side is not None and side % 2 == 1
            return "same" if by_rule else "symmetric"
        if padding == (2, 2, 3, 3) and (side is None or side % 2 == 0):
            return "same"
        self.conflicts.append(f"the 7x7 convolution is padded by {_said(padding)}")
        return None

    def _pools(self) -> tuple[PoolRounding | None, int | None]:
        pools = [step for step in self.steps if step.is_strided_pool]
        if not self._of(MAX_POOL):
            return None, None
        if len(pools) != 4:
            self.conflicts.append(f"there are {len(pools)} max pools of stride 2, not four")
            return None, None
        if any(step.before.pools != number for number, step in enumerate(pools)):
            self.conflicts.append("max pools of stride 2 stand side by side")
        windows = [step.operation.window for step in pools]
        kernels = [window[0] for window in windows if len(set(window)) == 1]
        if kernels not in _POOL_KERNELS:
            self.conflicts.append(f"the max pools of stride 2 are {', '.join(map(_by, windows))}")
            return None, None
        shared = {"ceil", "floor", "same", "end"}
        for step in pools:
            fitting = _roundings(step)
            if not fitting:
                self.conflicts.append(
                    f"a max pool of stride 2 is padded by {_said(step.padding)} before and after"
                )
            shared &= fitting
        if not shared and all(map(_roundings, pools)):
            self.conflicts.append("the max pools of stride 2 round differently")
        rounding: PoolRounding | None = next(
            (each for each in ("ceil", "floor", "same", "end") if each in shared), None
        )
        return rounding, kernels[-1]

    def _aux_pooling(self) -> AuxPooling | None:
        found: list[AuxPooling | None] = []
        for step in self._of(AVERAGE_POOL):
            operation = step.operation
            if step.before.pools > _POOLS_BEFORE_HEADS:
                continue
            window, strides = operation.window, operation.strides
            fits = step.before.side in (None, AUX_GRID * max(window, default=0))
            if step.before.pools < _POOLS_BEFORE_HEADS or step.padding != UNPADDED:
                self.conflicts.append("an average pool where a GoogLeNet has none")
            elif (window, strides) == ((5, 5), (3, 3)):
                found.append("average")
            elif window == strides and len(set(window)) == 1 and fits:
                # What an adaptive pool is at this size of the image.
                found.append("adaptive")
            else:
                self.conflicts.append(
                    f"the heads' pool is {_by(window)} with a stride of {_said(strides)}"
                )
        return self._agreed("the heads' pooling", found)


def _roundings(step: Step) -> set[PoolRounding]:
    """Give every rule that leads to a pool of stride 2 as the graph has it."""
    padding, kernel, side = step.padding, step.operation.window[0], step.before.side
    up, even = step.operation.rounds_up, side is None or side % 2 == 0
    if padding == "same":
        return {"same"}
    if padding == UNPADDED:
        found: set[PoolRounding] = {"ceil" if up else "floor"}
        if kernel == 2 and even:  # no window reaches over the edge, whatever the rule
            found |= {"ceil", "floor", "same", "end"} if side is not None else {"same"}
        return found
    # Padding may not be larger than what is in a window of maps that were rectified.
    if step.before.padded_with != 0 and not _is_lowest(step.before.padded_with):
        return set()
    found = set()
    if padding == (0, 0, kernel - 1, kernel - 1) and not up:
        found.add("end")
    if padding == (same_sides(side, kernel, 2) if side is not None else (0, 0, 1, 1)):
        found.add("same")
    return found


def _is_lowest(value: float | None) -> bool:
    return value is not None and value < _LOWEST


def _by(window: tuple[int, ...]) -> str:
    return "x".join(map(str, window)) or "global"


def _said(numbers: object) -> str:
    """Give one number for all where they are equal."""
    if not isinstance(numbers, tuple):
        return "an unknown number" if numbers is None else str(numbers)
    return str(numbers[0]) if len(set(numbers)) == 1 else ", ".join(map(str, numbers))
