"""What a TensorFlow graph says of its network beyond the weights.

Source of the defaults: tensorflow/tensorflow: tensorflow/core/ops/nn_ops.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.weights.formats.contents import GraphFacts, damaged
from googlenet.weights.formats.graph_facts import graph_facts
from googlenet.weights.formats.graph_walk import (
    AVERAGE_POOL,
    BATCH_NORM,
    BIAS,
    CONVOLUTION,
    LINEAR,
    LOCAL_RESPONSE_NORM,
    MAX_POOL,
    PAD,
    RELU,
    SAME_VALUES,
    UNPADDED,
    Operation,
    Padding,
    Walk,
)
from googlenet.weights.formats.tensorflow_tensor import numbers

_KIND = "GraphDef"
BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
# float32 and int32, as what is padded with and how much.
_READ = (1, 3)
# What stands for a constant in a graph that was frozen.
_SAME = ("Identity", "ReadVariableOp")
_INPUTS = ("Placeholder", "PlaceholderWithDefault")
_WINDOWED = {"Conv2D": CONVOLUTION, "MaxPool": MAX_POOL, "AvgPool": AVERAGE_POOL}
_KINDS = {
    "Mean": AVERAGE_POOL,
    "MatMul": LINEAR,
    "Relu": RELU,
    **dict.fromkeys(("Add", "AddV2", "BiasAdd"), BIAS),
    **dict.fromkeys(
        (
            *("Concat", "ConcatV2", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Cast"),
            *("Identity", "StopGradient", "CheckNumerics", *_INPUTS),
        ),
        SAME_VALUES,
    ),
}


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
        numbers = self.list(attribute)
        if len(numbers) != 4:
            return ()
        return numbers[2:] if self.text("data_format") == "NCHW" else numbers[1:3]

    def list(self, attribute: str) -> tuple[int, ...]:
        """Read a list of whole numbers."""
        value = self.attributes.get(attribute)
        return () if value is None else tuple(value.list.i)

    def number(self, attribute: str, default: float) -> float:
        """Read a number of float32 with the digits that it was written with."""
        value = self.attributes.get(attribute)
        return default if value is None else float(f"{value.f:.7g}")


def graphdef_facts(nodes: Mapping[str, Node], path: Path) -> tuple[GraphFacts, tuple[str, ...]]:
    """Read what a graph says.

    Args:
        nodes: All nodes by name.
        path: The file, for errors.

    Returns:
        The facts, and sentences on what is there and is no fact.

    Raises:
        ModelError: A constant is one that no tool takes, or nodes read each other in a circle.
    """
    # A scalar, such as whether the network trains, is no image.
    images = {
        node.name: _sizes(node)
        for node in nodes.values()
        if node.op in _INPUTS and len(_sizes(node)) in (0, 4)
    }
    walk = Walk(images, map(_input_size, images.values()))
    try:
        order = list(
            TopologicalSorter({each.name: each.inputs for each in nodes.values()}).static_order()
        )
    except CycleError as error:
        raise damaged(path, _KIND, "its nodes read each other in a circle") from error
    for name in order:
        node = nodes.get(name)
        # From its shape nothing of a map's values is computed.
        if node is not None and node.op != "Shape":
            walk.add(_operation(node, nodes, path))
    return graph_facts(walk, path, _KIND)


def second_input(node: Node, nodes: Mapping[str, Node]) -> Node | None:
    """Find the weights that a node reads: a kernel, or a scale."""
    read = nodes.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if read is not None and read.op in _SAME and read.inputs:
        read = nodes.get(read.inputs[0])
    return read


def _operation(node: Node, nodes: Mapping[str, Node], path: Path) -> Operation:
    operation = Operation(kind=node.op, reads=node.inputs, gives=(node.name,))
    if node.op in _WINDOWED:
        return replace(
            operation,
            kind=_WINDOWED[node.op],
            window=_kernel(node, nodes) if node.op == "Conv2D" else node.plane("ksize"),
            strides=node.plane("strides"),
            padding=_padding(node),
        )
    if node.op in BATCH_NORMS:
        return replace(operation, kind=BATCH_NORM, number=node.number("epsilon", 1e-4))
    if node.op == "LRN":
        return replace(operation, kind=LOCAL_RESPONSE_NORM, norm=_norm(node))
    if node.op in ("Pad", "PadV2"):
        padding, value = _pad(node, nodes, path)
        return replace(operation, kind=PAD, padding=padding, number=value)
    return replace(operation, kind=_KINDS.get(node.op, node.op))


def _kernel(convolution: Node, nodes: Mapping[str, Node]) -> tuple[int, ...]:
    node = second_input(convolution, nodes)
    value = None if node is None else node.attributes.get("value")
    return () if value is None else tuple(dim.size for dim in value.tensor.tensor_shape.dim[:2])


def _padding(node: Node) -> Padding:
    rule = node.text("padding")
    if rule != "EXPLICIT":
        return "same" if rule == "SAME" else UNPADDED if rule == "VALID" else None
    given = node.list("explicit_paddings")
    return _plane_padding(given, channels_first=node.text("data_format") == "NCHW")


def _plane_padding(given: tuple[int, ...], *, channels_first: bool) -> Padding:
    """Order what is given as before and after of each axis."""
    first = 4 if channels_first else 2
    if len(given) != 8 or any(given[:first]) or any(given[first + 4 :]):
        return None
    top, bottom, left, right = given[first : first + 4]
    return (top, left, bottom, right)


def _pad(node: Node, nodes: Mapping[str, Node], path: Path) -> tuple[Padding, float | None]:
    given = _constant(node, 1, nodes, path)
    value = 0.0 if node.op == "Pad" else next(iter(_constant(node, 2, nodes, path)), None)
    widths = tuple(map(int, given))
    # The node does not say which axis its channels are on, but they are never padded.
    padding = _plane_padding(widths, channels_first=not any(widths[2:4]))
    return padding, value


def _constant(node: Node, place: int, nodes: Mapping[str, Node], path: Path) -> tuple[float, ...]:
    """Read the few numbers of a constant that a node reads; none where it is no constant."""
    read = nodes.get(node.inputs[place]) if len(node.inputs) > place else None
    value = None if read is None or read.op != "Const" else read.attributes.get("value")
    if read is None or value is None or value.tensor.dtype not in _READ:
        return ()
    found = numbers(value.tensor, value.tensor.dtype, path, _KIND, read.name)
    return tuple(found[:8].tolist())


def _norm(node: Node) -> LocalResponseNorm:
    radius = node.attributes.get("depth_radius")
    return LocalResponseNorm(
        size=2 * (5 if radius is None else radius.i) + 1,
        alpha=node.number("alpha", 1.0),
        beta=node.number("beta", 0.5),
        k=node.number("bias", 1.0),
        # As TensorFlow takes it.
        divide_alpha=False,
    )


def _sizes(placeholder: Node) -> tuple[int, ...]:
    value = placeholder.attributes.get("shape")
    return () if value is None else tuple(dim.size for dim in value.shape.dim)


def _input_size(sizes: tuple[int, ...]) -> int:
    if len(sizes) != 4:
        return 0
    plane = sizes[2:] if sizes[1] == 3 else sizes[1:3]
    return plane[0] if plane[0] == plane[1] else 0
