"""What a Caffe net says of itself, from its layers' settings: facts of a GoogLeNet, no weights.

Layers are told by what they are and where they stand, not by their names, which those who train on
their own images change. Source of the defaults: BVLC/caffe: src/caffe/proto/caffe.proto.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from googlenet.architecture.spec import LocalResponseNorm, PoolRounding
from googlenet.weights.formats.caffe_schema import LEGACY_TYPES
from googlenet.weights.formats.contents import GraphFacts, damaged

TRAIN, TEST = 0, 1
MAX, AVERAGE = 0, 1
CEIL = 0
ACROSS_CHANNELS = 0

# A wider window, or a larger image, is a sign of damage.
LARGEST_SIDE = 65_535

_LEGACY_KINDS = {
    "CONVOLUTION": "Convolution",
    "DROPOUT": "Dropout",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "POOLING": "Pooling",
}


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
    pools = [layer for layer in layers if layer.kind == "Pooling"]
    strided = [
        each.settings.pooling_param
        for each in pools
        if each.settings.pooling_param.pool == MAX and _strides(each.settings.pooling_param) == {2}
    ]
    norms = [layer.settings.lrn_param for layer in layers if layer.kind == "LRN"]
    mean, size, notes = _data_facts(layers, kind)
    facts = GraphFacts(
        # A file of weights alone has no layers without weights, so it cannot say that one is not
        # there; one that has pools has all.
        has_local_response_norm=bool(norms) if norms or pools else None,
        local_response_norm=_local_response_norm(norms, path, kind),
        stem_padding="symmetric" if _stem_is_symmetric(layers) else None,
        pool_rounding=_rounding(strided),
        last_pool_kernel=_one(_kernels(strided[3])) if len(strided) == 4 else None,
        aux_pooling=(
            "average"
            if any(_pools_a_head(layer.settings.pooling_param) for layer in pools)
            else None
        ),
        dropout=_dropout(layers, path, kind),
        input_size=next(_declared_sizes(layers, net), size),
        mean=mean,
    )
    return facts, notes


def _local_response_norm(
    norms: Sequence[Any], path: str | os.PathLike[str], kind: str
) -> LocalResponseNorm | None:
    found = {_constants(norm, path, kind) for norm in norms}
    across = all(norm.norm_region == ACROSS_CHANNELS for norm in norms)
    return found.pop() if len(found) == 1 and across else None


def _constants(norm: Any, path: str | os.PathLike[str], kind: str) -> LocalResponseNorm:
    size = norm.local_size if norm.HasField("local_size") else 5
    alpha, beta, k = (
        _decimal(getattr(norm, name)) if norm.HasField(name) else default
        for name, default in (("alpha", 1.0), ("beta", 0.75), ("k", 1.0))
    )
    if size % 2 == 0 or size > LARGEST_SIDE or not all(map(math.isfinite, (alpha, beta, k))):
        raise damaged(
            path, kind, f"a normalization has local_size {size}, alpha {alpha}, beta {beta}, k {k}"
        )
    return LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k, divide_alpha=True)


def _stem_is_symmetric(layers: Sequence[GraphLayer]) -> bool:
    convolutions = (
        layer.settings.convolution_param for layer in layers if layer.kind == "Convolution"
    )
    return any(
        _kernels(each) == {7} and _strides(each) == {2} and _pads(each) == {3}
        for each in convolutions
    )


def _rounding(strided: Sequence[Any]) -> PoolRounding | None:
    if not strided or any(_pads(pool) != {0} for pool in strided):
        return None
    modes = {pool.round_mode for pool in strided}
    if len(modes) > 1:
        return None
    return "ceil" if modes == {CEIL} else "floor"


def _pools_a_head(pool: Any) -> bool:
    """Tell whether a pool is the heads' own, 5x5 with stride 3."""
    return bool(
        pool.pool == AVERAGE
        and _kernels(pool) == {5}
        and _strides(pool) == {3}
        and _pads(pool) == {0}
    )


def _dropout(layers: Sequence[GraphLayer], path: str | os.PathLike[str], kind: str) -> float | None:
    # The main classifier follows an average; the heads' dropout follows a linear layer.
    averages = {
        top
        for layer in layers
        if layer.kind == "Pooling" and layer.settings.pooling_param.pool == AVERAGE
        for top in layer.settings.top
    }
    for layer in layers:
        if layer.kind == "Dropout" and averages.intersection(layer.settings.bottom):
            given = layer.settings.dropout_param
            ratio = _decimal(given.dropout_ratio) if given.HasField("dropout_ratio") else 0.5
            if not 0 <= ratio < 1:
                raise damaged(path, kind, f"layer {layer.name!r} drops a share of {ratio}")
            return ratio
    return None


def _data_facts(
    layers: Sequence[GraphLayer], kind: str
) -> tuple[tuple[float, float, float] | None, int | None, tuple[str, ...]]:
    """Return mean, crop and notes from how the net's own data layer makes its input."""
    readers = [layer for layer in layers if layer.settings.HasField("transform_param")]
    if not readers:
        return None, None, ()
    # A net of both phases evaluates with the second.
    tests = [each for each in readers if TEST in (rule.phase for rule in each.settings.include)]
    given = (tests or readers)[0].settings.transform_param
    notes = []
    mean = None
    values = [_decimal(value) for value in given.mean_value]
    if len(values) in (1, 3) and all(map(math.isfinite, values)):
        blue, green, red = values if len(values) == 3 else values * 3
        mean = (blue, green, red)
    if given.mean_file:
        notes.append(
            f"The {kind} subtracts the mean image {text(given.mean_file)!r}, another file."
        )
    if given.HasField("scale") and given.scale != 1:
        notes.append(
            f"The {kind} multiplies by {_decimal(given.scale)} after the mean is taken off."
        )
    return mean, given.crop_size if 0 < given.crop_size <= LARGEST_SIDE else None, tuple(notes)


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
        if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] and _is_side(shape[2]):
            yield shape[2]


def net_layers(net: Any) -> list[GraphLayer]:
    """Return the layers of a prototxt, of either generation."""
    return [graph_layer(settings) for settings in (*net.layers, *net.layer)]


def _is_side(size: int) -> bool:
    return 0 < size <= LARGEST_SIDE


def _kernels(settings: Any) -> set[int]:
    return _sides(settings, "kernel_size", "kernel_h", "kernel_w", 0)


def _strides(settings: Any) -> set[int]:
    return _sides(settings, "stride", "stride_h", "stride_w", 1)


def _pads(settings: Any) -> set[int]:
    return _sides(settings, "pad", "pad_h", "pad_w", 0)


def _sides(settings: Any, both: str, rows: str, columns: str, default: int) -> set[int]:
    """Return the distinct values of a setting that may be given for both sides or for each."""
    if settings.HasField(rows) or settings.HasField(columns):
        values: Iterable[int] = (getattr(settings, rows), getattr(settings, columns))
    else:
        given = getattr(settings, both)
        values = [given] if isinstance(given, int) else list(given)
    return {value or default for value in values} or {default}


def _one(values: set[int]) -> int | None:
    return next(iter(values)) if len(values) == 1 else None


def _decimal(value: float) -> float:
    """Return the shortest decimal that stands for the same single-precision number."""
    return float(str(np.float32(value)))
