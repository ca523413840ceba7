"""What a Caffe net says of itself, from its layers' settings: facts of a GoogLeNet, no weights.

Layers are told by what they are and where they stand, not by their names, which those who train on
their own images change. Source of the defaults: BVLC/caffe: src/caffe/proto/caffe.proto.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.weights.formats.caffe_schema import LEGACY_TYPES
from googlenet.weights.formats.contents import GraphFacts, damaged
from googlenet.weights.formats.graph_facts import graph_facts as shared_facts
from googlenet.weights.formats.graph_walk import (
    AVERAGE_POOL,
    CONVOLUTION,
    DROPOUT,
    LINEAR,
    LOCAL_RESPONSE_NORM,
    MAX_POOL,
    RELU,
    SAME_VALUES,
    Operation,
    Walk,
)

TRAIN, TEST = 0, 1
MAX, AVERAGE = 0, 1
CEIL = 0
ACROSS_CHANNELS = 0

# The words of the older generation that the newer one has others for.
_LEGACY_KINDS = {
    "CONVOLUTION": "Convolution",
    "INNER_PRODUCT": "InnerProduct",
    "POOLING": "Pooling",
    "LRN": "LRN",
    "DROPOUT": "Dropout",
    "RELU": "ReLU",
    "CONCAT": "Concat",
    "FLATTEN": "Flatten",
    "SPLIT": "Split",
    "SIGMOID": "Sigmoid",
    "TANH": "TanH",
}
_BATCH_NORMS = ("BatchNorm", "Scale", "BN")
_SAME_VALUES = ("Concat", "Flatten", "Reshape", "Split", *_BATCH_NORMS)


@dataclass(frozen=True)
class GraphLayer:
    """Hold one layer of either generation.

    Attributes:
        name: Its name.
        kind: What it computes, in the words of the newer generation.
        settings: Its message.
    """

    name: str
    kind: str
    settings: Any


def graph_layer(settings: Any) -> GraphLayer:
    """Return a layer from its message, a LayerParameter or a V1LayerParameter."""
    kind = settings.type
    if isinstance(kind, int):
        legacy = LEGACY_TYPES[kind]
        kind = _LEGACY_KINDS.get(legacy, legacy)
    else:
        kind = text(kind)
    return GraphLayer(text(settings.name), kind, settings)


def text(name: bytes) -> str:
    """Return a name as text; what is no UTF-8 is replaced."""
    return name.decode("utf-8", "replace")


def graph_facts(
    layers: Sequence[GraphLayer],
    path: str | os.PathLike[str],
    kind: str,
    net: Any = None,
) -> tuple[GraphFacts, tuple[str, ...]]:
    """Read the facts off a net.

    Args:
        layers: In the order of the file.
        path: The file, for errors.
        kind: What the file is, for errors.
        net: The whole prototxt, which may declare its input outside the layers.

    Returns:
        The facts, and sentences on what is there and is no fact.

    Raises:
        ModelError: A setting is one that Caffe itself refuses.
    """
    mean, scale, size, notes = _data_facts(layers, path, kind)
    sides = [*_declared_sizes(layers, net), size][:1]
    inputs = [top for layer in layers if not layer.settings.bottom for top in layer.settings.top]
    inputs += [] if net is None else net.input
    if (
        not inputs
    ):  # weights alone need not say where the image comes from; the first layer reads it
        inputs = next((list(each.settings.bottom) for each in layers if each.settings.bottom), [])
    walk = Walk(map(text, inputs), sides)
    given = set(inputs)
    for layer in layers:
        # Some files have a layer's weights and not what it reads, or nobody who gives that: such a
        # layer says nothing of the graph, and does not read the image.
        linked = not given.isdisjoint(layer.settings.bottom)
        if linked or layer.kind != "Convolution":
            walk.add(_operation(layer))
        if linked or not layer.settings.bottom:
            given.update(layer.settings.top)
    facts, more = shared_facts(walk, path, kind)
    if not any(layer.settings.bottom for layer in layers):
        facts, more = GraphFacts(), ()
    facts = replace(facts, mean=mean, scale=scale, channel_order=None if mean is None else "bgr")
    return facts, (*notes, *more)


def _operation(layer: GraphLayer) -> Operation:
    settings = layer.settings
    operation = Operation(
        kind=layer.kind,
        reads=tuple(map(text, settings.bottom)),
        gives=tuple(map(text, settings.top)),
    )
    if layer.kind in _OPERATIONS:
        return replace(operation, **_OPERATIONS[layer.kind](settings))
    if layer.kind in _SAME_VALUES:
        normalizes = layer.kind in _BATCH_NORMS
        problem = "batch normalization layers, which are not converted" if normalizes else ""
        return replace(operation, kind=SAME_VALUES, problem=problem)
    return operation


def _convolution(settings: Any) -> dict[str, Any]:
    if not settings.HasField("convolution_param"):  # as in a file of weights alone
        return {"kind": CONVOLUTION, "strides": (), "padding": None}
    return {"kind": CONVOLUTION, **_window(settings.convolution_param)}


def _pool(settings: Any) -> dict[str, Any]:
    given = settings.pooling_param
    kinds = {MAX: MAX_POOL, AVERAGE: AVERAGE_POOL}
    kind = kinds.get(given.pool, "stochastic pool")
    if given.global_pooling:
        return {"kind": kind}
    return {"kind": kind, **_window(given), "rounds_up": given.round_mode == CEIL}


def _window(given: Any) -> dict[str, Any]:
    rows, columns = _sides(given, "pad", "pad_h", "pad_w", 0)
    return {
        "window": _sides(given, "kernel_size", "kernel_h", "kernel_w", 0),
        "strides": _sides(given, "stride", "stride_h", "stride_w", 1),
        "padding": (rows, columns, rows, columns),
    }


def _norm(settings: Any) -> dict[str, Any]:
    given = settings.lrn_param
    if given.norm_region != ACROSS_CHANNELS:
        problem = "local response normalization within channels"
        return {"kind": LOCAL_RESPONSE_NORM, "problem": problem}
    alpha, beta, k = (
        _decimal(getattr(given, name)) if given.HasField(name) else default
        for name, default in (("alpha", 1.0), ("beta", 0.75), ("k", 1.0))
    )
    size = given.local_size if given.HasField("local_size") else 5
    norm = LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k, divide_alpha=True)
    return {"kind": LOCAL_RESPONSE_NORM, "norm": norm}


def _dropout(settings: Any) -> dict[str, Any]:
    given = settings.dropout_param
    ratio = _decimal(given.dropout_ratio) if given.HasField("dropout_ratio") else 0.5
    return {"kind": DROPOUT, "number": ratio}


def _relu(settings: Any) -> dict[str, Any]:
    slope = _decimal(settings.relu_param.negative_slope)
    return {"kind": RELU, "problem": f"a ReLU with a slope of {slope}" if slope else ""}


def _linear(settings: Any) -> dict[str, Any]:
    return {"kind": LINEAR}


_OPERATIONS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "Convolution": _convolution,
    "InnerProduct": _linear,
    "Pooling": _pool,
    "LRN": _norm,
    "Dropout": _dropout,
    "ReLU": _relu,
}


def _data_facts(
    layers: Sequence[GraphLayer], path: str | os.PathLike[str], kind: str
) -> tuple[tuple[float, float, float] | None, float | None, int, tuple[str, ...]]:
    """Return mean, scale, crop and notes from how the net's own data layer makes its input."""
    readers = [layer for layer in layers if layer.settings.HasField("transform_param")]
    if not readers:
        return None, None, 0, ()
    # A net of both phases evaluates with the second.
    tests = [each for each in readers if TEST in (rule.phase for rule in each.settings.include)]
    given = (tests or readers)[0].settings.transform_param
    values = [_decimal(value) for value in given.mean_value]
    scale = _decimal(given.scale) if given.HasField("scale") else 1.0
    if len(values) not in (0, 1, 3) or not all(map(math.isfinite, values)):
        raise damaged(path, kind, f"its mean is {', '.join(map(str, values[:4]))}")
    if not 0 < scale < math.inf:
        raise damaged(path, kind, f"its scale is {scale}")
    mean = None
    if values:
        blue, green, red = values if len(values) == 3 else values * 3
        mean = (blue, green, red)
    notes = []
    if given.mean_file:
        notes.append(
            f"The {kind} subtracts the mean image {text(given.mean_file)!r}, another file."
        )
    return mean, scale, given.crop_size, tuple(notes)


def _declared_sizes(layers: Sequence[GraphLayer], net: Any) -> Iterator[int]:
    """Yield the side of each input that is a batch of square colour images."""
    shapes = [
        list(shape.dim)
        for layer in layers
        if layer.kind == "Input"
        for shape in layer.settings.input_param.shape
    ]
    if net is not None:
        shapes += [list(shape.dim) for shape in net.input_shape]
        shapes.append(list(net.input_dim[:4]))
    for shape in shapes:
        if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] and shape[2] > 0:
            yield shape[2]


def net_layers(net: Any) -> list[GraphLayer]:
    """Return the layers of a prototxt, of either generation."""
    return [graph_layer(settings) for settings in (*net.layers, *net.layer)]


def _sides(given: Any, both: str, rows: str, columns: str, default: int) -> tuple[int, ...]:
    """Return rows and columns of a setting that may be given for both or for each."""
    if given.HasField(rows) or given.HasField(columns):
        values = [getattr(given, rows), getattr(given, columns)]
    else:
        said = getattr(given, both)
        values = [said] * 2 if isinstance(said, int) else list(said)
        values = values * 2 if len(values) == 1 else values or [default] * 2
    return tuple(value or default for value in values[:8])


def _decimal(value: float) -> float:
    """Return the shortest decimal that stands for the same single-precision number."""
    return float(str(np.float32(value)))
