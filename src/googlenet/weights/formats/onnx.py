"""ONNX models: weights as initializers or constants of a graph, in the file or beside it.

Source of the field numbers and of the rules for data outside the file: onnx/onnx: onnx/onnx.proto
and docs/ExternalData.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import LARGEST_FILE, WeightsFile, damaged, read_bytes
from googlenet.weights.formats.onnx_facts import onnx_facts
from googlenet.weights.formats.onnx_node import Node
from googlenet.weights.formats.onnx_tensor import MESSAGES, TensorReader
from googlenet.weights.formats.schema import message_types, parse

_KIND = "ONNX"
# A GoogLeNet has some 300. What is small in a file may be large as a message, so these are counted
# before any is made.
_MOST_NODES = 20_000
_MOST_ATTRIBUTES = 100
_MOST_DIMENSIONS = 8

_QUANTIZED = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
    *("ConvInteger", "MatMulInteger", "QGemm"),
)

_TYPES = message_types(
    "googlenet.onnx",
    {
        **MESSAGES,
        "Attribute": {
            "name": (1, "bytes"),
            "f": (2, "float"),
            "i": (3, "int64"),
            "s": (4, "bytes"),
            "t": (5, "Tensor"),
            "g": (6, "Graph"),
            "ints": (8, "int64[]"),
        },
        "Node": {
            "input": (1, "bytes*"),
            "output": (2, "bytes*"),
            "op_type": (4, "bytes"),
            "attribute": (5, "bytes*"),
        },
        "Dimension": {"value": (1, "int64")},
        "Shape": {"dim": (1, "bytes*")},
        "TensorType": {"shape": (2, "Shape")},
        "Type": {"tensor_type": (1, "TensorType")},
        "ValueInfo": {"name": (1, "bytes"), "type": (2, "Type")},
        "Graph": {"node": (1, "bytes*"), "initializer": (5, "bytes*"), "input": (11, "bytes*")},
        "Model": {
            "producer_name": (2, "bytes"),
            "producer_version": (3, "bytes"),
            "graph": (7, "Graph"),
        },
    },
)


def read(path: Path) -> WeightsFile:
    """Read a model.

    Args:
        path: An ``.onnx`` file; data outside it is read from its own folder only.

    Returns:
        The floating-point initializers and constants that are no single numbers, in the order in
        which the graph first uses them and in ONNX's layout (kernels out, in, H, W; a linear
        layer's as its node says), float32 or float64; and what the graph says of the network.

    Raises:
        ModelError: The file is damaged, quantized, or keeps data outside its folder.
    """
    path = Path(path)
    model = parse(_TYPES["Model"], read_bytes(path), path, _KIND)
    graph = model.graph
    nodes = [_node(message, path) for message in _all(graph.node, "Node", path)]
    if not nodes:
        raise damaged(path, _KIND, "its graph has no nodes")
    _refuse_quantized(nodes, path)
    tensors, shapes = _tensors(graph, nodes, path)
    used = dict.fromkeys(
        name
        for node in nodes
        if not (node.op == "Identity" and tensors.keys() >= set(node.inputs))
        for name in node.inputs
        if name in tensors
    )
    constants = shapes | tensors
    facts, notes = onnx_facts(nodes, constants, _input_shapes(graph, constants, path), path)
    return WeightsFile(
        format="onnx",
        path=path,
        arrays={name: tensors[name] for name in used},
        facts=facts,
        notes=notes,
        producer=f"{_text(model.producer_name)} {_text(model.producer_version)}".strip(),
    )


def _all(runs: Sequence[bytes], kind: str, path: Path, most: int = _MOST_NODES) -> list[Any]:
    """Read messages, after their number was found reasonable."""
    if len(runs) > most:
        raise damaged(path, _KIND, f"it has {len(runs):,} messages where a GoogLeNet has few")
    return [parse(_TYPES[kind], run, path, _KIND) for run in runs]


def _node(message: Any, path: Path) -> Node:
    if len(message.input) + len(message.output) > _MOST_NODES:
        raise damaged(path, _KIND, f"a node has {len(message.input):,} inputs")
    attributes = _all(message.attribute, "Attribute", path, _MOST_ATTRIBUTES)
    return Node(
        op=_text(message.op_type),
        inputs=(*map(_text, message.input), *_captured(attributes, path)),
        outputs=tuple(map(_text, message.output)),
        attributes={_text(each.name): each for each in attributes},
    )


def _captured(attributes: Sequence[Any], path: Path) -> Iterator[str]:
    """Yield what a branch reads from outside, where all that it does is to drop an axis or not."""
    for attribute in attributes:
        inner = [
            parse(_TYPES["Node"], each, path, _KIND) for each in attribute.g.node[:_MOST_ATTRIBUTES]
        ]
        made = {name for node in inner for name in node.output}
        if {_text(node.op_type) for node in inner} <= {"Identity", "Squeeze", "Constant"}:
            read = (name for node in inner for name in node.input[:1])
            yield from (_text(name) for name in read if name not in made)


def _refuse_quantized(nodes: Sequence[Node], path: Path) -> None:
    for node in nodes:
        if node.op in _QUANTIZED or node.op.startswith("QLinear"):
            raise ModelError(
                f"ONNX model is quantized: it has the operation {node.op}",
                path,
                "Give the floating-point model that it was made from.",
            )


def _tensors(
    graph: Any, nodes: Sequence[Node], path: Path
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Give every array that the graph holds, and every other constant, by its nodes' names."""
    reader = TensorReader(path, _TYPES["Entry"])
    found: dict[str, NDArray[Any]] = {}
    shapes: dict[str, NDArray[Any]] = {}
    held = [(_text(tensor.name), tensor) for tensor in _all(graph.initializer, "Tensor", path)]
    held += [
        (node.outputs[0], node.attributes["value"].t)
        for node in nodes
        if node.op == "Constant" and node.outputs and "value" in node.attributes
    ]
    for name, tensor in held:
        if name in found or name in shapes:
            raise damaged(path, _KIND, f"it has two tensors {name!r}")
        array = reader.array(tensor, name)
        if array is None:
            continue
        (found if array.dtype.kind == "f" and array.ndim else shapes)[name] = array
    for name, array in _filled(nodes, shapes, reader, path).items():
        (found if array.dtype.kind == "f" else shapes)[name] = array
    # PyTorch gives equal tensors once, and all further names of them so.
    for node in nodes:
        if node.op == "Identity" and len(node.inputs) == len(node.outputs) == 1:
            for kept in (found, shapes):
                if node.inputs[0] in kept:
                    kept.setdefault(node.outputs[0], kept[node.inputs[0]])
    return found, shapes


def _filled(
    nodes: Sequence[Node], shapes: Mapping[str, NDArray[Any]], reader: TensorReader, path: Path
) -> dict[str, NDArray[Any]]:
    """Give what the graph fills with one number, as light models have it in place of weights."""
    found: dict[str, NDArray[Any]] = {}
    repeated = 0
    for node in nodes:
        if node.op != "ConstantOfShape" or not node.outputs or "value" not in node.attributes:
            continue
        sizes = shapes.get(node.inputs[0]) if node.inputs else None
        value = reader.array(node.attributes["value"].t, node.outputs[0])
        if sizes is None or sizes.ndim != 1 or value is None:
            continue
        shape = tuple(int(size) for size in sizes[: _MOST_DIMENSIONS + 1])
        if not 0 < len(shape) <= _MOST_DIMENSIONS or min(shape) < 1 or value.size != 1:
            raise damaged(path, _KIND, f"{node.outputs[0]!r} has the shape {list(shape)}")
        repeated += math.prod(shape) * value.itemsize
        if repeated > LARGEST_FILE:
            raise damaged(path, _KIND, f"its constants would take {repeated:,} bytes")
        found[node.outputs[0]] = np.broadcast_to(value.reshape(()), shape)
    return found


def _input_shapes(
    graph: Any, tensors: Mapping[str, NDArray[Any]], path: Path
) -> dict[str, tuple[int, ...]]:
    """Give the shapes of the inputs that are no weights; a size that is open is 0."""
    shapes = {}
    for value in _all(graph.input, "ValueInfo", path):
        sizes = value.type.tensor_type.shape.dim
        if _text(value.name) not in tensors and len(sizes) <= _MOST_DIMENSIONS:
            sides = (each.value for each in _all(sizes, "Dimension", path))
            shapes[_text(value.name)] = tuple(sides)
    return shapes


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
