"""What a TensorFlow graph says of its network beyond the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from googlenet.architecture.spec import AuxPooling, LocalResponseNorm, PoolRounding, StemPadding
from googlenet.weights.formats.contents import GraphFacts

BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
# A pool behind one of these has its padding written out, which other rules than its own decide.
_PADDED = ("Pad", "PadV2", "MirrorPad", "Slice", "StridedSlice")
# A GoogLeNet has as many pools of stride 2.
_STRIDED_POOLS = 4
# What stands for a constant in a graph that was frozen.
_SAME = ("Identity", "ReadVariableOp")

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class Node:
    """Hold a node of a graph.

    Attributes:
        name: Its name.
        op: The operation.
        inputs: The names of the nodes that it reads.
        attributes: Its attributes, as messages.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def text(self, attribute: str) -> str:
        """Read an attribute that is text."""
        value = self.attributes.get(attribute)
        return "" if value is None else value.s.decode("utf-8", "replace")

    def plane(self, attribute: str) -> tuple[int, ...]:
        """Read the height and width of a list with a number for each axis."""
        value = self.attributes.get(attribute)
        numbers = () if value is None else tuple(value.list.i)
        if len(numbers) != 4:
            return ()
        return numbers[2:] if self.text("data_format") == "NCHW" else numbers[1:3]


def graph_facts(nodes: Mapping[str, Node]) -> GraphFacts:
    """Read what a graph says.

    Args:
        nodes: All nodes by name, in the graph's order.
    """
    of_kind: dict[str, list[Node]] = {}
    for node in nodes.values():
        of_kind.setdefault(node.op, []).append(node)
    strided = [pool for pool in of_kind.get("MaxPool", []) if pool.plane("strides") == (2, 2)]
    pools = strided if len(strided) == _STRIDED_POOLS else []
    norms = [norm for kind in BATCH_NORMS for norm in of_kind.get(kind, [])]
    has_network = bool(of_kind.get("Conv2D"))
    return GraphFacts(
        has_local_response_norm="LRN" in of_kind if has_network else None,
        local_response_norm=_one(map(_local_response_norm, of_kind.get("LRN", []))),
        stem_padding=_stem_padding(of_kind.get("Conv2D", []), nodes),
        pool_rounding=_one(_rounding(pool, nodes) for pool in pools),
        last_pool_kernel=_square(pools[-1].plane("ksize")) if pools else None,
        aux_pooling=_one(map(_aux_pooling, _head_pools(of_kind.get("AvgPool", [])))),
        batch_norm_eps=_one(_number(norm, "epsilon", 1e-4) for norm in norms),
        input_size=_one(map(_input_size, of_kind.get("Placeholder", []))),
    )


def second_input(node: Node, nodes: Mapping[str, Node]) -> Node | None:
    """Find the weights that a node reads: a kernel, or a scale."""
    read = nodes.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if read is not None and read.op in _SAME and read.inputs:
        read = nodes.get(read.inputs[0])
    return read


def _one(facts: Iterable[Fact | None]) -> Fact | None:
    """Give what all agree on; nothing where they do not, or where there is none."""
    different = set(facts)
    return different.pop() if len(different) == 1 else None


def _number(node: Node, attribute: str, default: float) -> float:
    """Read a number of float32 with the digits that it was written with."""
    value = node.attributes.get(attribute)
    return default if value is None else float(f"{value.f:.7g}")


def _local_response_norm(node: Node) -> LocalResponseNorm:
    # TensorFlow's defaults; it does not divide alpha.
    radius = node.attributes.get("depth_radius")
    return LocalResponseNorm(
        size=2 * (5 if radius is None else radius.i) + 1,
        alpha=_number(node, "alpha", 1.0),
        beta=_number(node, "beta", 0.5),
        k=_number(node, "bias", 1.0),
        divide_alpha=False,
    )


def _stem_padding(convolutions: Iterable[Node], nodes: Mapping[str, Node]) -> StemPadding | None:
    for node in convolutions:
        if _kernel(node, nodes) != (7, 7):
            continue
        if node.text("padding") == "SAME":
            return "same"
        explicit = node.attributes.get("explicit_paddings")
        padded = set() if explicit is None else set(explicit.list.i) - {0}
        return "symmetric" if padded == {3} else "same" if padded == {2, 3} else None
    return None


def _kernel(convolution: Node, nodes: Mapping[str, Node]) -> tuple[int, ...]:
    node = second_input(convolution, nodes)
    value = None if node is None else node.attributes.get("value")
    return () if value is None else tuple(dim.size for dim in value.tensor.tensor_shape.dim[:2])


def _rounding(pool: Node, nodes: Mapping[str, Node]) -> PoolRounding | None:
    if pool.text("padding") == "SAME":
        return "same"
    before = nodes.get(pool.inputs[0]) if pool.inputs else None
    return None if before is None or before.op in _PADDED else "floor"


def _square(sides: tuple[int, ...]) -> int | None:
    return sides[0] if len(set(sides)) == 1 else None


def _head_pools(pools: Iterable[Node]) -> list[Node]:
    return [pool for pool in pools if pool.plane("strides") not in ((1, 1), ())]


def _aux_pooling(pool: Node) -> AuxPooling | None:
    window = pool.plane("ksize"), pool.plane("strides"), pool.text("padding")
    return "average" if window == ((5, 5), (3, 3), "VALID") else None


def _input_size(placeholder: Node) -> int | None:
    value = placeholder.attributes.get("shape")
    sizes = () if value is None else tuple(dim.size for dim in value.shape.dim)
    if len(sizes) != 4:
        return None
    plane = sizes[2:] if sizes[1] == 3 else sizes[1:3]
    return plane[0] if plane[0] == plane[1] > 0 else None
