"""What the description of a whole Keras model says of its network.

Layers of its own, such as a port's local response normalization, keep their constants in code that
is not in the file: so nothing is said of them, neither that they are there nor that they are not.

Source: keras-team/keras: keras/src/layers/reshaping/flatten.py, and the layers' ``get_config``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.formats.graph_walk import LARGEST_INPUT

_AVERAGES = ("AveragePooling2D", "GlobalAveragePooling2D")
_MAPS = ("Conv2D", "Convolution2D", "MaxPooling2D", "AveragePooling2D")
# What Keras 1 called the two layouts.
_LAYOUTS = {"channels_last": True, "channels_first": False, "tf": True, "th": False}

Fact = TypeVar("Fact")


def keras_facts(description: Any) -> GraphFacts:
    """Read what a description says.

    Args:
        description: JSON's values, as ``model_config`` has them; odd ones are passed over.

    Raises:
        ValueError: A constant is one that Keras does not take.
    """
    conflicts: list[str] = []
    layers = _layers(description)
    return GraphFacts(
        batch_norm_eps=_agreed(
            conflicts,
            "the eps of batch normalization",
            (
                _eps(layer.get("epsilon"))
                for kind, layer in layers
                if kind.startswith("BatchNormalization") and "epsilon" in layer
            ),
        ),
        dropout=_agreed(
            conflicts, "the dropout before the classifier", _main_dropouts(description)
        ),
        input_size=_agreed(
            conflicts, "the size of the image", (_input_size(layer) for _, layer in layers)
        ),
        channels_last=_channels_last(conflicts, layers),
        conflicts=tuple(conflicts),
    )


def _entries(description: Any) -> list[Mapping[str, Any]]:
    config = _mapping(description).get("config")
    entries = config.get("layers") if isinstance(config, dict) else config
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []


def _layers(description: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Give each layer's class and settings."""
    return [
        (str(each.get("class_name")), _mapping(each.get("config")))
        for each in _entries(description)
    ]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _agreed(conflicts: list[str], what: str, values: Iterable[Fact | None]) -> Fact | None:
    different = dict.fromkeys(value for value in values if value is not None)
    if len(different) > 1:
        conflicts.append(f"{what} is {' and '.join(map(str, list(different)[:4]))}")
    return next(iter(different)) if len(different) == 1 else None


def _eps(value: Any) -> float:
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"batch normalization has an eps of {str(value)[:40]}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _main_dropouts(description: Any) -> Iterable[float]:
    """Yield the rates of what follows an average pool; the heads' follow a linear layer."""
    entries = {str(each.get("name")): each for each in _entries(description)}
    for entry in entries.values():
        if entry.get("class_name") != "Dropout":
            continue
        below = _source(entry, entries)
        if below is not None and below.get("class_name") in ("Flatten", "Reshape"):
            below = _source(below, entries)
        if below is None or below.get("class_name") not in _AVERAGES:
            continue
        settings = _mapping(entry.get("config"))
        rate = settings.get("rate", settings.get("p"))
        if not _is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"dropout has a rate of {str(rate)[:40]}")
        yield float(rate)


def _source(
    entry: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Find the layer that one reads, as Keras until 2 writes it: [[[name, node, output, ...]]]."""
    place = entry.get("inbound_nodes")
    for _ in range(3):
        place = place[0] if isinstance(place, list) and place else None
    return entries.get(place) if isinstance(place, str) else None


def _input_size(layer: Mapping[str, Any]) -> int | None:
    shape = layer.get("batch_input_shape") or layer.get("batch_shape")
    if not isinstance(shape, list) or len(shape) != 4:
        return None
    plane = shape[2:] if shape[1] == 3 else shape[1:3]
    side = plane[0]
    is_side = type(side) is int and plane[1] == side and 0 < side <= LARGEST_INPUT
    return side if is_side else None


def _channels_last(
    conflicts: list[str], layers: Iterable[tuple[str, Mapping[str, Any]]]
) -> bool | None:
    def layouts(kinds: tuple[str, ...]) -> bool | None:
        given = (
            layer.get("data_format", layer.get("dim_ordering"))
            for kind, layer in layers
            if kind in kinds
        )
        return _agreed(
            conflicts,
            "that channels are last",
            (_LAYOUTS.get(each) if isinstance(each, str) else None for each in given),
        )

    maps, flattening = layouts(_MAPS), layouts(("Flatten",))
    if maps is None or flattening is None:
        return maps
    if maps and not flattening:
        conflicts.append("maps with their channels last are flattened as if they were first")
        return None
    # Flatten puts the channels last where it is told that they are first.
    return maps == flattening
