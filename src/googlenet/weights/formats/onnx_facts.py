"""What an ONNX graph says of its network beyond the weights.

Source of the operators' defaults: onnx/onnx: docs/Operators.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from googlenet.architecture.spec import AuxPooling, LocalResponseNorm, PoolRounding, StemPadding
from googlenet.weights.formats.contents import GraphFacts

# A GoogLeNet has as many pools of stride 2.
_STRIDED_POOLS = 4

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class Node:
    """Hold a node of a graph.

    Attributes:
        op: The operation.
        inputs: The names of what it reads.
        outputs: The names of what it gives.
        attributes: Its attributes, as messages.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def ints(self, attribute: str) -> tuple[int, ...]:
        """Read an attribute that is a list of integers."""
        value = self.attributes.get(attribute)
        return () if value is None else tuple(value.ints[:8])

    def number(self, attribute: str, default: float) -> float:
        """Read a number of float32 with the digits that it was written with."""
        value = self.attributes.get(attribute)
        return default if value is None else float(f"{value.f:.7g}")

    def integer(self, attribute: str, default: int) -> int:
        """Read a whole number."""
        value = self.attributes.get(attribute)
        return default if value is None else int(value.i)

    def is_same(self) -> bool:
        """Say whether the node pads by TensorFlow's rule."""
        value = self.attributes.get("auto_pad")
        return value is not None and value.s == b"SAME_UPPER"


def graph_facts(
    nodes: Sequence[Node],
    tensors: Mapping[str, NDArray[Any]],
    inputs: Iterable[tuple[int, ...]],
) -> GraphFacts:
    """Read what a graph says.

    Args:
        nodes: All nodes in the graph's order.
        tensors: The weights by name.
        inputs: The shapes of the inputs that are no weights.
    """
    of_kind: dict[str, list[Node]] = {}
    for node in nodes:
        of_kind.setdefault(node.op, []).append(node)
    strided = [pool for pool in of_kind.get("MaxPool", []) if pool.ints("strides") == (2, 2)]
    pools = strided if len(strided) == _STRIDED_POOLS else []
    convolutions = of_kind.get("Conv", [])
    averages = [
        pool for pool in of_kind.get("AveragePool", []) if max(pool.ints("strides"), default=1) > 1
    ]
    return GraphFacts(
        has_local_response_norm="LRN" in of_kind if convolutions else None,
        local_response_norm=_one(map(_local_response_norm, of_kind.get("LRN", []))),
        stem_padding=_stem_padding(convolutions, tensors),
        pool_rounding=_one(map(_rounding, pools)),
        last_pool_kernel=_square(pools[-1].ints("kernel_shape")) if pools else None,
        aux_pooling=_one(map(_aux_pooling, averages)),
        batch_norm_eps=_one(
            norm.number("epsilon", 1e-5) for norm in of_kind.get("BatchNormalization", [])
        ),
        dropout=_one(
            node.number("ratio", 0.5) for node in of_kind.get("Dropout", []) if len(node.inputs) < 2
        ),
        input_size=_one(_input_size(shape) for shape in inputs if len(shape) == 4),
    )


def _one(facts: Iterable[Fact | None]) -> Fact | None:
    """Give what all agree on; nothing where they do not, or where there is none."""
    different = set(facts)
    return different.pop() if len(different) == 1 else None


def _local_response_norm(node: Node) -> LocalResponseNorm:
    return LocalResponseNorm(
        size=node.integer("size", 0),
        alpha=node.number("alpha", 1e-4),
        beta=node.number("beta", 0.75),
        k=node.number("bias", 1.0),
        divide_alpha=True,
    )


def _stem_padding(
    convolutions: Iterable[Node], tensors: Mapping[str, NDArray[Any]]
) -> StemPadding | None:
    for node in convolutions:
        kernel = tensors.get(node.inputs[1]) if len(node.inputs) > 1 else None
        sides = node.ints("kernel_shape") or (() if kernel is None else kernel.shape[2:])
        if sides != (7, 7):
            continue
        if node.is_same() or node.ints("pads") == (2, 2, 3, 3):
            return "same"
        return "symmetric" if node.ints("pads") == (3, 3, 3, 3) else None
    return None


def _rounding(pool: Node) -> PoolRounding | None:
    if pool.is_same():
        return "same"
    padded = any(pool.ints("pads"))
    if pool.integer("ceil_mode", 0):
        return None if padded else "ceil"
    if pool.ints("pads") == (0, 0, 2, 2):
        return "end"
    return None if padded else "floor"


def _square(sides: tuple[int, ...]) -> int | None:
    return sides[0] if len(set(sides)) == 1 else None


def _aux_pooling(pool: Node) -> AuxPooling | None:
    window = pool.ints("kernel_shape"), pool.ints("strides"), any(pool.ints("pads"))
    return "average" if window == ((5, 5), (3, 3), False) else None


def _input_size(shape: tuple[int, ...]) -> int | None:
    plane = shape[2:] if shape[1] == 3 else shape[1:3]
    return plane[0] if plane[0] == plane[1] > 0 else None
