"""Which layers of a file give the logits, where fine-tuning has renamed or replaced them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from googlenet.architecture.dialect import BRANCH_ENDS, CLASSIFIERS, Dialect
from googlenet.errors import ModelError
from googlenet.weights.formats.contents import WeightsFile

MAIN = "fc"


def find_classifiers(
    file: WeightsFile,
    dialect: Dialect,
    named: Mapping[str, str],
    prefix: str,
    chosen: str | None,
) -> dict[str, str]:
    """Find classifiers under names that are not the dialect's, by what they read.

    Args:
        file: What was read.
        dialect: The dialect that it speaks.
        named: Our parameter to the file's name, as far as the dialect explains it.
        prefix: What stands before every name of the file.
        chosen: The layer that the user says is the main classifier, or None.

    Returns:
        Our classifier to the file's layer, for those that the dialect does not explain.

    Raises:
        ModelError: Several layers could be the main classifier, it has several layers itself, or
            there is no such layer as was chosen.
    """
    layers = _linear_layers(file.arrays, dialect, set(named.values()))
    found: dict[str, str] = {}
    for place in CLASSIFIERS[:-1]:
        head = place.partition(".")[0]
        if f"{place}.weight" in named or f"{head}.fc1.weight" not in named:
            continue
        usual = prefix + dialect.layers.get(place, place)
        alike = [layer for layer in layers if layer.startswith(usual)]
        if alike:
            found[place] = alike[0]
            del layers[alike[0]]
    if chosen is not None:
        return found | _choice(file, dialect, named, layers, chosen)
    own = f"{MAIN}.weight" in named
    reading = [layer for layer, sizes in layers.items() if _features(file, named) in sizes]
    usual = prefix + dialect.layers[MAIN]
    alike = [layer for layer in reading if layer.startswith(usual)]
    if own and not alike:
        _check_alone(file, named[f"{MAIN}.weight"], usual, layers, reading)
        return found
    candidates = [*([usual] if own else []), *(alike or reading)]
    if chain := _chained(layers, candidates):
        raise _several_layers(file, chain)
    if len(candidates) > 1:
        raise _ambiguous(file, candidates)
    return found | {MAIN: candidates[0]} if candidates else found


def _check_alone(
    file: WeightsFile,
    weight: str,
    usual: str,
    layers: Mapping[str, Sequence[int]],
    reading: Sequence[str],
) -> None:
    """Refuse a classifier that another layer reads, or that another stands beside."""
    # A copy of the whole network, such as an average, has a classifier of the same name.
    others = [layer for layer in layers if not layer.endswith(usual)]
    logits = set(file.arrays[weight].shape) - {1}
    after = [layer for layer in others if set(layers[layer]) & logits and layer not in reading]
    if after:
        raise _several_layers(file, [usual, after[0]])
    beside = [layer for layer in reading if layer in others]
    if beside:
        raise _ambiguous(file, [usual, *beside])


def _choice(
    file: WeightsFile,
    dialect: Dialect,
    named: Mapping[str, str],
    layers: Mapping[str, Sequence[int]],
    chosen: str,
) -> dict[str, str]:
    own = named.get(f"{MAIN}.weight")
    if own == dialect.linear["weight"].format(chosen):
        return {}
    if chosen not in layers:
        raise ModelError(
            f"weights file has no layer {chosen} that could be a classifier",
            file.path,
            f"Choose one of: {', '.join(list(layers)[:_NAMED]) or 'none'}.",
        )
    return {MAIN: chosen}


_NAMED = 5


def _linear_layers(
    arrays: Mapping[str, NDArray[Any]], dialect: Dialect, taken: set[str]
) -> dict[str, tuple[int, ...]]:
    """List the linear layers that are none of the dialect's, with the sizes of their weights."""
    before, _, after = dialect.linear["weight"].partition("{}")
    return {
        name.removeprefix(before).removesuffix(after): array.shape
        for name, array in arrays.items()
        if name not in taken
        and name.startswith(before)
        and name.endswith(after)
        and array.ndim in (2, 4)
        and sum(size > 1 for size in array.shape) <= 2
    }


def _features(file: WeightsFile, named: Mapping[str, str]) -> int:
    """Return how many values the main classifier reads."""
    axis = 3 if keeps_channels_last(file.arrays[named["conv1.conv.weight"]]) else 0
    ends = (file.arrays[named[f"inception5b.{branch}.conv.weight"]].shape for branch in BRANCH_ENDS)
    return sum(int(shape[axis]) for shape in ends if len(shape) == 4)


def keeps_channels_last(stem: NDArray[Any]) -> bool:
    """Tell by the first kernel whether kernels are (rows, columns, in, out)."""
    return stem.ndim == 4 and stem.shape[2] == 3 and stem.shape[0] == stem.shape[1]


def _chained(layers: Mapping[str, Sequence[int]], candidates: Sequence[str]) -> list[str]:
    """Find a layer that reads what a candidate gives: then the candidate gives no logits."""
    for first in (each for each in candidates if each in layers):
        for second, sizes in layers.items():
            if second not in candidates and set(sizes) & set(layers[first]) - {1}:
                return [first, second]
    return []


def _several_layers(file: WeightsFile, chain: Sequence[str]) -> ModelError:
    return ModelError(
        f"the classifier has several layers, {' and '.join(chain)}; a GoogLeNet has one",
        file.path,
        "Convert the network it was tuned from, and train on with googlenet train --weights.",
    )


def _ambiguous(file: WeightsFile, candidates: Sequence[str]) -> ModelError:
    return ModelError(
        f"several layers could be the classifier: {', '.join(candidates[:_NAMED])}",
        file.path,
        f"Say which: --classifier {candidates[-1]}",
    )
