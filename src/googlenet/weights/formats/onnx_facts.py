"""What an ONNX graph says of its network beyond the weights.

Source of the operators' defaults: onnx/onnx: docs/Operators.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.formats.graph_facts import graph_facts
from googlenet.weights.formats.graph_walk import (
    AVERAGE_POOL,
    BATCH_NORM,
    BIAS,
    CONVOLUTION,
    DROPOUT,
    LINEAR,
    LOCAL_RESPONSE_NORM,
    MAX_POOL,
    PAD,
    RELU,
    SAME_VALUES,
    UNPADDED,
    Operation,
    Walk,
)
from googlenet.weights.formats.onnx_node import Node
from googlenet.weights.formats.onnx_numbers import Numbers

_KINDS = {
    "Conv": CONVOLUTION,
    "MaxPool": MAX_POOL,
    "AveragePool": AVERAGE_POOL,
    "GlobalAveragePool": AVERAGE_POOL,
    "Gemm": LINEAR,
    "MatMul": LINEAR,
    "Add": BIAS,
    "Relu": RELU,
    **dict.fromkeys(
        ("Concat", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Cast"),
        SAME_VALUES,
    ),
}


def onnx_facts(
    nodes: Sequence[Node],
    tensors: Mapping[str, NDArray[Any]],
    inputs: Mapping[str, tuple[int, ...]],
    path: Path,
) -> tuple[GraphFacts, tuple[str, ...]]:
    """Read what a graph says.

    Args:
        nodes: All nodes in the graph's order.
        tensors: Weights and other constants by name.
        inputs: The shapes of the inputs that are no weights, by name.
        path: The file, for errors.

    Returns:
        The facts, and sentences on what is there and is no fact.

    Raises:
        ModelError: A constant is one that no tool takes.
    """
    walk = Walk(inputs, map(_input_size, inputs.values()))
    numbers = Numbers(tensors, walk.side)
    made_by = {name: node for node in nodes for name in node.outputs}
    for node in nodes:
        numbers.add(node)
        norm = _written_out_norm(node, made_by, numbers)
        if norm is not None:
            walk.add(
                Operation(
                    kind=LOCAL_RESPONSE_NORM,
                    reads=node.inputs[:1],
                    gives=node.outputs,
                    norm=norm,
                )
            )
        # From its shape nothing of a map's values is computed.
        elif node.op != "Shape":
            walk.add(_operation(node, numbers))
    return graph_facts(walk, path, "ONNX")


def _operation(node: Node, numbers: Numbers) -> Operation:
    operation = Operation(kind=node.op, reads=node.inputs, gives=node.outputs)
    if node.op in ("Conv", "MaxPool", "AveragePool"):
        return replace(operation, **_windowed(node, numbers))
    if node.op == "Pad":
        return replace(operation, **_pad(node, numbers))
    if node.op == "Dropout":
        return replace(operation, kind=DROPOUT, number=_dropout(node, numbers))
    if node.op == "BatchNormalization":
        return replace(operation, kind=BATCH_NORM, number=node.number("epsilon", 1e-5))
    if node.op == "LRN":
        norm = LocalResponseNorm(
            size=node.integer("size", 0),
            alpha=node.number("alpha", 1e-4),
            beta=node.number("beta", 0.75),
            k=node.number("bias", 1.0),
            divide_alpha=True,
        )
        return replace(operation, kind=LOCAL_RESPONSE_NORM, norm=norm)
    if node.op == "ReduceMean":
        return replace(operation, kind=AVERAGE_POOL)
    return replace(operation, kind=_KINDS.get(node.op, node.op))


def _windowed(node: Node, numbers: Numbers) -> dict[str, Any]:
    window = node.ints("kernel_shape")
    if not window and len(node.inputs) > 1:
        window = numbers.shape(node.inputs[1])[2:]
    strides, pads = node.ints("strides") or (1, 1), node.ints("pads") or UNPADDED
    rule = node.text("auto_pad")
    # The two differ in where an odd pixel goes, which strides of 1 do not leave.
    same = rule == "SAME_UPPER" or (rule == "SAME_LOWER" and strides == (1, 1))
    before = rule == "SAME_LOWER" and not same
    known = len(pads) == 4 and not before
    return {
        "kind": _KINDS[node.op],
        "window": window,
        "strides": strides,
        "padding": "same" if same else pads if known else None,
        "rounds_up": bool(node.integer("ceil_mode", 0)),
        "problem": f"the odd pixel of padding before what {node.op} reads" if before else "",
    }


def _pad(node: Node, numbers: Numbers) -> dict[str, Any]:
    """Read the padding of rows and columns; since operator set 11 it is a value of its own."""
    found = numbers.ints(node.inputs[1]) if len(node.inputs) > 1 else node.ints("pads")
    given = "".join(node.inputs[2:3])
    value = numbers.number(given) if given else node.number("value", 0.0)
    plane = len(found) == 8 and not any((*found[:2], *found[4:6]))
    known = plane and node.text("mode") in ("", "constant") and len(node.inputs) < 4
    padding = (*found[2:4], *found[6:]) if known else None
    return {"kind": PAD, "padding": padding, "number": value}


def _dropout(node: Node, numbers: Numbers) -> float | None:
    """Read the ratio; since operator set 12 it is a value of its own."""
    if len(node.inputs) < 2 or not node.inputs[1]:
        return node.number("ratio", 0.5)
    return numbers.number(node.inputs[1])


def _input_size(shape: tuple[int, ...]) -> int:
    if len(shape) != 4:
        return 0
    plane = shape[2:] if shape[1] == 3 else shape[1:3]
    return plane[0] if plane[0] == plane[1] else 0


def _written_out_norm(
    node: Node, made_by: Mapping[str, Node], numbers: Numbers
) -> LocalResponseNorm | None:
    """Find x / (k + alpha * mean of the squares around x) ** beta, which PyTorch exports so."""

    def maker(name: str, op: str, *between: str) -> Node:
        found = made_by[name]
        while found.op in between:
            found = made_by[found.inputs[1 if found.op == "If" else 0]]
        if found.op != op:
            raise LookupError(op)
        return found

    if node.op != "Div":
        return None
    try:
        power = maker(node.inputs[1], "Pow")
        shifted = maker(power.inputs[0], "Add")
        scaled = maker(shifted.inputs[0], "Mul")
        # Whether the added axis is there is asked at run time.
        mean = maker(scaled.inputs[0], "AveragePool", "Reshape", "Squeeze", "If")
        padding = maker(mean.inputs[0], "Pad")
        squares = maker(padding.inputs[0], "Mul", "Reshape", "Unsqueeze")
        constants = (numbers.number(each.inputs[1]) for each in (scaled, power, shifted))
        alpha, beta, k = (value for value in constants if value is not None)
    except (LookupError, ValueError):
        return None
    size = mean.ints("kernel_shape")[0] if mean.ints("kernel_shape") else 0
    before, after = size // 2, (size - 1) // 2
    if (
        squares.inputs != (node.inputs[0],) * 2
        or mean.ints("kernel_shape") != (size, 1, 1)
        or any(mean.ints("pads"))
        or set(mean.ints("strides")) - {1}
        or numbers.ints(padding.inputs[1]) != (0, 0, before, 0, 0, 0, 0, after, 0, 0)
        or padding.text("mode") not in ("", "constant")
        or "".join(padding.inputs[2:])
    ):
        return None
    return LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k, divide_alpha=True)
