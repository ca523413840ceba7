"""Frozen TensorFlow graphs, such as the published inception5h: weights as constants of a graph.

Source: tensorflow/tensorflow: tensorflow/core/framework/{graph,node_def,attr_value}.proto and
tensorflow/core/protobuf/{saved_model,meta_graph}.proto.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.archive import only_member
from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes
from googlenet.weights.formats.graphdef_facts import (
    BATCH_NORMS,
    Node,
    graphdef_facts,
    second_input,
)
from googlenet.weights.formats.schema import message_types, parse
from googlenet.weights.formats.tensorflow_tensor import (
    FLOATING,
    MESSAGES,
    declared_bytes,
    dimensions,
    numbers,
    shaped,
)

_KIND = "GraphDef"
# A frozen GoogLeNet has some 3,000 at the most.
_MOST_NODES = 20_000
# What constants of one repeated number may take beyond the bytes that are there.
_MOST_REPEATED = 64 * 2**20

_TYPES = message_types(
    "googlenet.graph_def",
    {
        **MESSAGES,
        "List": {"i": (3, "int64[]")},
        "Value": {
            "list": (1, "List"),
            "s": (2, "bytes"),
            "i": (3, "int64"),
            "f": (4, "float"),
            "shape": (7, "Shape"),
            "tensor": (8, "Tensor"),
        },
        "Attribute": {"key": (1, "bytes"), "value": (2, "Value")},
        "Node": {
            "name": (1, "bytes"),
            "op": (2, "bytes"),
            "input": (3, "bytes*"),
            "attr": (5, "Attribute*"),
        },
        "Graph": {"node": (1, "Node*")},
        "MetaGraph": {},
        "SavedModel": {
            "saved_model_schema_version": (1, "int64"),
            "meta_graphs": (2, "MetaGraph*"),
        },
    },
)


def read(path: Path) -> WeightsFile:
    """Read a frozen graph.

    Args:
        path: A ``.pb`` file, or a ``.zip`` or ``.tar.gz`` with one.

    Returns:
        The floating-point constants that are no single numbers, by the names of their nodes, in
        the graph's order and TensorFlow's layout (kernels H, W, in, out; linear layers in, out),
        float32 or float64; and what the graph says of the network. Scales of batch normalization
        that are all 1 are left out: an operation asks for them where the network has none.

    Raises:
        ModelError: The file is damaged, or is a SavedModel, whose weights are beside it.
    """
    path = Path(path)
    data = only_member(read_bytes(path), path, ".pb")
    messages = parse(_TYPES["Graph"], data, path, _KIND).node
    if len(messages) > _MOST_NODES:
        raise damaged(path, _KIND, f"it has {len(messages):,} nodes")
    nodes: dict[str, Node] = {}
    for message in messages:
        node = _node(message)
        if node.name in nodes:
            raise damaged(path, _KIND, f"it has two nodes {node.name!r}")
        nodes[node.name] = node
    if not any(node.op for node in nodes.values()):
        raise _no_graph(data, path)
    arrays = _constants(nodes, len(data), path)
    idle = _idle_scales(arrays, nodes)
    facts, notes = graphdef_facts(nodes, path)
    if idle:
        left_out = f"Left out scales of batch normalization that are 1 throughout: {len(idle)}."
        notes = (left_out, *notes)
    return WeightsFile(
        format="graphdef",
        path=path,
        arrays={name: array for name, array in arrays.items() if name not in idle},
        facts=facts,
        notes=notes,
    )


def _node(message: Any) -> Node:
    return Node(
        name=_text(message.name),
        op=_text(message.op),
        # ``^name`` is a control dependency, and ``name:1`` a later output.
        inputs=tuple(_text(each).partition(":")[0] for each in message.input),
        attributes={_text(each.key): each.value for each in message.attr},
    )


def _constants(nodes: Mapping[str, Node], held: int, path: Path) -> dict[str, NDArray[Any]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for node in nodes.values():
        tensor = _tensor(node)
        if tensor is not None and tensor.dtype in FLOATING and tensor.tensor_shape.dim:
            shapes[node.name] = dimensions(tensor.tensor_shape, path, _KIND, node.name)
    declared = sum(
        declared_bytes(_tensor(nodes[name]).dtype, shape) for name, shape in shapes.items()
    )
    if declared > held + _MOST_REPEATED:
        raise damaged(path, _KIND, f"its constants would take {declared:,} bytes")
    return {name: _constant(nodes[name], shape, path) for name, shape in shapes.items()}


def _constant(node: Node, shape: tuple[int, ...], path: Path) -> NDArray[Any]:
    """Read a constant; where it has too few numbers the last stands for the rest, or else zero."""
    tensor = _tensor(node)
    values = numbers(tensor, tensor.dtype, path, _KIND, node.name)
    total = math.prod(shape)
    repeated = 0 if tensor.tensor_content else total - values.size
    if repeated > 0:
        last = values[-1] if values.size else 0
        values = np.concatenate([values, np.full(repeated, last, values.dtype)])
    if values.size != total:
        raise damaged(
            path,
            _KIND,
            f"{node.name!r} has {values.size:,} values where {list(shape)} needs {total:,}",
        )
    return shaped(values, tensor.dtype, shape)


def _idle_scales(arrays: Mapping[str, NDArray[Any]], nodes: Mapping[str, Node]) -> set[str]:
    norms = (node for node in nodes.values() if node.op in BATCH_NORMS)
    scales = {read.name for norm in norms if (read := second_input(norm, nodes)) is not None}
    scales &= arrays.keys()
    return scales if all((arrays[name] == 1).all() for name in scales) else set()


def _tensor(node: Node) -> Any:
    value = node.attributes.get("value")
    return value.tensor if node.op == "Const" and value is not None else None


def _no_graph(data: bytes, path: Path) -> ModelError:
    saved = parse(_TYPES["SavedModel"], data, path, _KIND)
    if saved.saved_model_schema_version and saved.meta_graphs:
        return ModelError(
            "file is a SavedModel, whose weights are in the directory beside it",
            path,
            "Give the directory that it is in, or freeze it to a GraphDef.",
        )
    return damaged(path, _KIND, "it has no nodes")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
