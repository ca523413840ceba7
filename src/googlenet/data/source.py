"""Open labelled images, whatever they are, as a training, a validation and a test part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from googlenet.data.dataset import DatasetReader, ImageSet, dataset_labels
from googlenet.data.folder import read_folder
from googlenet.data.listing import Listing
from googlenet.data.named import NAMES, is_named, read_named
from googlenet.data.split import stratified_split
from googlenet.data.table import read_table
from googlenet.errors import DataError, UsageError
from googlenet.images.augmentation import Flip

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.15

Part = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True, eq=False, kw_only=True)
class DataSplits:
    """Hold the parts of a data set.

    Attributes:
        name: What reports call the data.
        classes: Name of each class, in the order of the labels.
        train: To learn from.
        validation: To choose the model by.
        test: To measure the chosen model once; None where the source has none.
        notes: What was done that a user may want to know.
        flip: How images may be mirrored: ``none``, ``horizontal`` or ``all``.
        root: Directory that the names are relative to, if there is one.
        fingerprint: Changes when classes, names, labels, parts or files change.
    """

    name: str
    classes: tuple[str, ...]
    train: ImageSet
    validation: ImageSet
    test: ImageSet | None
    notes: tuple[str, ...] = ()
    flip: Flip = "horizontal"
    root: Path | None = None
    fingerprint: str = ""


def open_data(
    data: Any,
    *,
    seed: int = 0,
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
) -> DataSplits:
    """Open data for training; a missing validation part is carved from the training part.

    Args:
        data: A directory, a CSV file, the name of a data set, a map-style Python data set, a tuple
            of two or three of them (train, validation, test), or ``DataSplits``, returned as is.
        seed: Decides which images are carved.
        validation_share: Share of all images for validation, where the source does not say.
        test_share: Share of all images for the test, where the source has no parts at all.

    Raises:
        DataError: The images or labels cannot be read or do not fit together.
        MissingExtraError: A named data set needs a package that is not installed.
        UsageError: It is nothing that can be opened.
    """
    if isinstance(data, DataSplits):
        return data
    listing = _listing(data)
    validation_share, test_share = listing.shares or (validation_share, test_share)
    return _split(listing, seed, validation_share, test_share)


def open_evaluation_set(
    data: Any, *, classes: Sequence[str], split: Part | None = None, seed: int = 0
) -> tuple[ImageSet, Part]:
    """Open data for measuring a model; labels are matched to its classes by name.

    Args:
        data: As in ``open_data``.
        classes: The model's classes.
        split: The part to measure; None for the test part where there is one, else the validation
            part, else all images.
        seed: Of the run whose validation part was carved from the training part.

    Returns:
        The images, and which part they are.

    Raises:
        DataError: The part is missing, or has images of a class that the model does not know.
    """
    if isinstance(data, DataSplits):
        parts = {"train": data.train, "validation": data.validation, "test": data.test}
        asked: Part = split or ("test" if data.test is not None else "validation")
        chosen = parts.get(asked)
        if chosen is None:
            raise _no_part(asked, data.name)
        return chosen.with_classes(classes), asked
    listing = _listing(data)
    present = set(listing.parts)
    if split == "all" or (split is None and present == {None}):
        return _image_set(listing).with_classes(classes), "all"
    part: Part = split or ("test" if "test" in present else "validation")
    if part not in present or part == "train":  # what a run carves is carved again
        splits = open_data(data, seed=seed)
        if part == "test" and splits.test is None:
            raise _no_part(part, listing.source)
        return open_evaluation_set(splits, classes=classes, split=part)
    places = [index for index, each in enumerate(listing.parts) if each == part]
    return _image_set(listing).subset(places).with_classes(classes), part


def _listing(data: Any) -> Listing:
    if isinstance(data, str) and is_named(data) and not Path(data).exists():
        return read_named(data)
    if isinstance(data, str | Path):
        path = Path(data)
        if path.suffix.lower() == ".csv" and not path.is_dir():
            return read_table(path)
        if path.is_file():
            raise DataError(
                "this is a file, and no CSV file",
                path,
                f"Give a directory, a CSV file, or one of: {', '.join(NAMES)}.",
            )
        return read_folder(path)
    return _python_listing(data)


def _python_listing(data: Any) -> Listing:
    """List one, two or three Python data sets: train, validation, test."""
    datasets = data if isinstance(data, tuple | list) else (data,)
    if not 1 <= len(datasets) <= 3:
        raise UsageError(
            f"{len(datasets)} data sets are no training, validation and test part",
            None,
            "Pass one to three of them.",
        )
    kinds: tuple[str | None, ...] = ("train", "validation", "test")
    if len(datasets) == 1:
        kinds = (None,)
    names: list[str] = []
    labels: list[str] = []
    parts: list[str | None] = []
    declared: tuple[str, ...] | None = None
    for dataset, kind in zip(datasets, kinds, strict=False):
        own, classes = dataset_labels(dataset)
        if own and isinstance(own[0], int):
            width = len(str(max(own)))
            known = classes or tuple(f"{value:0{width}d}" for value in range(int(max(own)) + 1))
            if max(own) >= len(known):
                raise DataError(
                    f"the label {max(own)} has no name among {len(known)} classes",
                    kind,
                    "Give the data set a name for each label in `classes`.",
                )
            own = [known[int(label)] for label in own]
        declared = declared or classes
        prefix = f"{kind}/" if kind else ""
        names += [f"{prefix}{index:05d}" for index in range(len(own))]
        labels += [str(label) for label in own]
        parts += [kind] * len(own)
    found = sorted(set(labels))
    return Listing(
        source="the Python data set",
        name="dataset",
        reader=DatasetReader(datasets),
        names=tuple(names),
        labels=tuple(labels),
        parts=tuple(parts),
        classes=tuple(declared) if declared and set(found) <= set(declared) else tuple(found),
    )


def _image_set(listing: Listing) -> ImageSet:
    index = {name: place for place, name in enumerate(listing.classes)}
    return ImageSet(
        classes=listing.classes,
        names=listing.names,
        labels=np.array([index[label] for label in listing.labels], np.int64),
        reader=listing.reader,
        places=np.arange(len(listing.names), dtype=np.int64),
    )


def _split(listing: Listing, seed: int, validation_share: float, test_share: float) -> DataSplits:
    everything = _image_set(listing)
    places: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    undecided: list[int] = []
    for index, part in enumerate(listing.parts):
        (undecided if part is None else places[part]).append(index)
    notes = list(listing.notes)
    strata = listing.strata or listing.labels
    if undecided:
        places["train"], places["test"] = _carve(undecided, strata, test_share, seed)
        # The share is one of all images, and the test part is gone from them.
        validation_share /= 1 - test_share
    _check_classes(listing, everything, places)
    if not places["validation"]:
        places["train"], places["validation"] = _carve(
            places["train"], strata, validation_share, seed
        )
        if undecided:
            notes.append(
                f"split by seed {seed}: {len(places['train'])} images to train, "
                f"{len(places['validation'])} to validate, {len(places['test'])} to test"
            )
        else:
            notes.append(
                f"{len(places['validation'])} training images carved for validation by seed {seed}"
            )
    return DataSplits(
        name=listing.name,
        classes=listing.classes,
        train=everything.subset(places["train"]),
        validation=everything.subset(places["validation"]),
        test=everything.subset(places["test"]) if places["test"] else None,
        notes=tuple(notes),
        flip=listing.flip,
        root=listing.root,
        fingerprint=_fingerprint(listing, places),
    )


def _carve(
    places: list[int], strata: Sequence[Any], share: float, seed: int
) -> tuple[list[int], list[int]]:
    kept, carved = stratified_split([strata[place] for place in places], share, seed)
    return [places[index] for index in kept], [places[index] for index in carved]


def _check_classes(listing: Listing, images: ImageSet, places: dict[str, list[int]]) -> None:
    """Refuse what cannot be learned.

    Raises:
        DataError: There are fewer than two classes, or one has no training image.
    """
    if len(listing.classes) < 2:
        raise DataError(
            f"there is one class only: {listing.classes[0]}",
            listing.source,
            "Give images of at least two classes, one directory each.",
        )
    trained = set(images.labels[places["train"]].tolist())
    for part in ("validation", "test"):
        for place in places[part]:
            label = int(images.labels[place])
            if label not in trained:
                raise DataError(
                    f"the {part} part has a class that training lacks: {listing.classes[label]}",
                    listing.names[place],
                    "Add training images of it, or remove it.",
                )
    for label, name in enumerate(listing.classes):
        if label not in trained:
            raise DataError(
                f"a class with no image to train on: {name}",
                listing.source,
                "Add images of it, or remove its directory.",
            )


def _fingerprint(listing: Listing, places: dict[str, list[int]]) -> str:
    digest = hashlib.sha256()
    for text in (*listing.classes, *listing.names, *listing.labels):
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    for part, indices in places.items():
        digest.update(part.encode() + np.array(indices, "<i8").tobytes())
    digest.update(listing.reader.fingerprint())
    return digest.hexdigest()


def _no_part(part: str, where: str) -> DataError:
    return DataError(f"there is no {part} part", where, "Choose another --split.")
