"""What the logits of converted weights stand for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from googlenet.errors import ModelError
from googlenet.weights import imagenet, places

Named = tuple[tuple[str, ...], Mapping[str, str], str]

CLASSES_ARE_IMAGENETS = "Classes are ImageNet's"

_ORDERS: Mapping[int, str] = {1000: "ILSVRC 2012's", 1001: "TF-slim's", 1008: "Inception 5h's"}
# Of a list without synsets, so many lines must be words of the class in their place.
_AGREEING = 0.9


def name_classes(
    count: int,
    labels: str | os.PathLike[str] | None,
    known: Sequence[str] | None,
    path: Path,
) -> Named:
    """Name the logits: by a file, by what is published, by the count of a list, or by number.

    Args:
        count: Number of logits.
        labels: A file with a name for each, or None.
        known: The names that published weights have, or None.
        path: The weights file, for errors.

    Returns:
        The class of each logit, words for those that are codes, and what was guessed, or nothing.

    Raises:
        ModelError: The names are not as many as the logits, or one is there twice.
    """
    if labels is not None:
        from googlenet.weights.formats.labels import read_labels

        return _given(_counted(read_labels(Path(labels)), count, labels), labels)
    if known is not None:
        return _counted(known, count, path), imagenet.names(), ""
    thousand = _imagenet(count)
    if thousand is not None:
        order = f"{CLASSES_ARE_IMAGENETS} in {_ORDERS[count]} order, since there are {count}."
        return thousand, imagenet.names(), order
    if count == len(places.scenes()):
        return places.scenes(), {}, f"Classes are Places365's, since there are {count}."
    numbered = tuple(f"class_{index}" for index in range(count))
    return numbered, {}, "Classes are numbered; give their names with --labels."


def _imagenet(count: int) -> tuple[str, ...] | None:
    orders: tuple[Literal[1000, 1001, 1008], ...] = (1000, 1001, 1008)
    return next((imagenet.synsets(each) for each in orders if each == count), None)


def _counted(named: Sequence[str], count: int, where: str | os.PathLike[str]) -> tuple[str, ...]:
    if len(named) != count:
        raise ModelError(
            f"label file names {len(named)} classes, the weights have {count}",
            where,
            "Give one line for each logit, in their order.",
        )
    return tuple(named)


def _given(named: tuple[str, ...], labels: str | os.PathLike[str]) -> Named:
    """Take lines such as ``n01440764 tench, Tinca tinca`` apart; others are names as they stand."""
    known = imagenet.names()
    classes, titles = [], {}
    for line in named:
        synset, _, words = line.replace("\t", " ").partition(" ")
        if synset in known:
            titles[synset] = words.strip() or known[synset]
        classes.append(synset if synset in known else line)
    thousand = _imagenet(len(named))
    if not titles and thousand is not None and _agree(named, thousand):
        # A list of words, of which two classes may share one.
        return thousand, dict(zip(thousand, named, strict=True)), ""
    twice = next((name for name in classes if classes.count(name) > 1), None)
    if twice is not None:
        raise ModelError(
            f"label file has the name {twice!r} twice",
            labels,
            f"Tell the two apart, for example as '{twice} (1)' and '{twice} (2)'.",
        )
    return tuple(classes), titles, ""


def _agree(named: Sequence[str], synsets: Sequence[str]) -> bool:
    """Tell whether a list of words is ImageNet's, in this order."""
    known = imagenet.names()
    same = sum(
        line.partition(",")[0].strip().lower() in known.get(synset, synset).lower()
        for line, synset in zip(named, synsets, strict=True)
    )
    return same >= _AGREEING * len(synsets)
