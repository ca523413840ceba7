"""Which dialect a weights file speaks, and which of its arrays is which of our parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from googlenet.architecture.dialect import MODULE_UNITS, STEM
from googlenet.architecture.dialects import DIALECTS, Dialect
from googlenet.errors import ModelError
from googlenet.weights.classifiers import find_classifiers
from googlenet.weights.formats.contents import WeightsFile

# Wrappers put their own name before every layer's; it is found at these.
_LANDMARKS = ("conv1", "inception3a.branch1", "inception4e.branch2.1", "inception5b.branch4.1")

# What every GoogLeNet has; the heads are for training and may be gone.
MAIN_UNITS = (*STEM, *MODULE_UNITS)

# An honest file has one or two: the network's, and that of its average.
_MOST_PREFIXES = 4

_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Match:
    """Hold a file's arrays under our names, in the file's own layout.

    Attributes:
        dialect: Whose names they were.
        arrays: Our parameter to the array.
        names: Our parameter to the file's name of it.
        prefix: What stood before every name.
        surplus: Names of arrays that are none of ours.
        renamed: Our classifier to the layer's name in the file, where it is not the dialect's.
        by_order: Whether the names said nothing and the order and the shapes decided.
    """

    dialect: Dialect
    arrays: Mapping[str, NDArray[Any]]
    names: Mapping[str, str]
    prefix: str = ""
    surplus: tuple[str, ...] = ()
    renamed: Mapping[str, str]
    by_order: bool = False


def match_names(file: WeightsFile, classifier: str | None = None) -> Match:
    """Find the dialect that explains the most names, then the arrays by our names.

    Args:
        file: What a reader gave.
        classifier: The file's layer that gives the logits, where the user says so.

    Raises:
        ModelError: The file is of another network, arrays are missing, or it does not tell which
            layer is the classifier.
    """
    best: tuple[int, Dialect, dict[str, str], str] | None = None
    for dialect in DIALECTS.values():
        for prefix in sorted(_prefixes(file.arrays, dialect)):
            named = {
                ours: prefix + theirs
                for theirs, ours in dialect.parameters.items()
                if prefix + theirs in file.arrays
            }
            # Of dialects that explain the same names, the first in the table is meant.
            if best is None or len(named) > best[0]:
                best = (len(named), dialect, named, prefix)
    assert best is not None
    _, dialect, named, prefix = best
    found = sum(f"{unit}.conv.weight" in named for unit in MAIN_UNITS)
    if found < len(MAIN_UNITS) // 2:
        return _match_order(file, classifier)
    missing = [unit for unit in MAIN_UNITS if f"{unit}.conv.weight" not in named]
    if missing:
        names = [prefix + dialect.parameter(unit, "conv.weight") for unit in missing]
        raise _missing(names, file.path)
    renamed = find_classifiers(file, dialect, named, prefix, classifier)
    for ours, layer in renamed.items():
        for leaf, pattern in dialect.linear.items():
            named.pop(f"{ours}.{leaf}", None)
            if pattern.format(layer) in file.arrays:
                named[f"{ours}.{leaf}"] = pattern.format(layer)
    taken = set(named.values())
    surplus = [name for name in file.arrays if name not in taken]
    return Match(
        dialect=dialect,
        arrays={ours: file.arrays[theirs] for ours, theirs in named.items()},
        names=named,
        prefix=prefix,
        surplus=tuple(surplus),
        renamed=renamed,
    )


def _prefixes(names: Iterable[str], dialect: Dialect) -> set[str]:
    """Find what may stand before every name: nothing, or what stands before the landmarks'."""
    ends = tuple(dialect.parameter(unit, "conv.weight") for unit in _LANDMARKS)
    found = Counter(
        name.removesuffix(end)
        for name in names
        if name.endswith(ends)
        for end in ends
        if name.endswith(end)
    )
    return {"", *(prefix for prefix, _ in found.most_common(_MOST_PREFIXES))}


def _match_order(file: WeightsFile, classifier: str | None) -> Match:
    """Take the arrays in the file's order, where that and the shapes fit and no name helps."""
    weights = [name for name, array in file.arrays.items() if array.ndim >= 2]
    kernels = [name for name in weights if file.arrays[name].ndim == 4][: len(MAIN_UNITS)]
    if len(kernels) < len(MAIN_UNITS) or not _is_stem(file.arrays[kernels[0]].shape):
        raise _another_network(file)
    dialect = DIALECTS["torchvision"]
    named = {f"{unit}.conv.weight": name for unit, name in zip(MAIN_UNITS, kernels, strict=True)}
    last = [
        name
        for name in weights
        if name not in kernels and classifier in (None, name, name.rpartition(".")[0])
    ]
    if len(last) != 1:
        raise _another_network(file)
    named["fc.weight"] = last[0]
    order = list(file.arrays)
    for ours, weight in list(named.items()):
        follower = order[order.index(weight) + 1 : order.index(weight) + 2]
        if follower and file.arrays[follower[0]].ndim == 1:
            leaf = "bias" if ours == "fc.weight" else "conv.bias"
            named[f"{ours.removesuffix('.weight').removesuffix('.conv')}.{leaf}"] = follower[0]
    taken = set(named.values())
    surplus = tuple(name for name in file.arrays if name not in taken)
    return Match(
        dialect=dialect,
        arrays={ours: file.arrays[theirs] for ours, theirs in named.items()},
        names=named,
        surplus=surplus,
        renamed={},
        by_order=True,
    )


def _is_stem(shape: tuple[int, ...]) -> bool:
    return shape[1:] == (3, 7, 7) or shape[:3] == (7, 7, 3)


def _missing(names: list[str], path: Path) -> ModelError:
    rest = len(names) - _NAMED
    return ModelError(
        f"weights file lacks {', '.join(names[:_NAMED])}{f' and {rest} more' if rest > 0 else ''}",
        path,
        "Give the whole file; a GoogLeNet has 57 convolutions on its main path.",
    )


def _another_network(file: WeightsFile) -> ModelError:
    first = ", ".join(
        f"{name} {tuple(array.shape)}" for name, array in list(file.arrays.items())[:_NAMED]
    )
    return ModelError(
        f"weights file is not of a GoogLeNet: its arrays begin with {first}"
        if first
        else "weights file is not of a GoogLeNet: it has no arrays",
        file.path,
        "Give the weights of a GoogLeNet (Inception v1).",
    )
