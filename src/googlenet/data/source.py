"""From anything that holds labelled images to training, validation and test parts."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from googlenet.data.dataset import ImageSet
from googlenet.data.folder import list_folder
from googlenet.data.listing import TEST_SEED, TEST_SHARE, VALIDATION_SHARE, Listing
from googlenet.data.named import NAMES, is_named, list_named
from googlenet.data.python_dataset import list_datasets
from googlenet.data.split import PARTS
from googlenet.data.table import list_csv
from googlenet.errors import DataError, UsageError
from googlenet.images.augmentation import Flip

Part = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSplits:
    """Hold the parts of a data set.

    Attributes:
        name: What the data is called.
        classes: Name of each class, in the order of the labels.
        train: Images to train on.
        validation: Images that choose the best weights.
        test: Images that measure them, once; None where the source has none.
        notes: What was done to arrive at the parts, for the user to read.
        flip: Which mirror images look as likely: ``none``, ``horizontal`` or ``all``.
        min_area: Smallest share of an image that still shows its class; None if not known.
        root: Directory of the data, if it is files.
        fingerprint: SHA-256 over classes, names, labels, parts and sizes of files; hexadecimal.
    """

    name: str
    classes: tuple[str, ...]
    train: ImageSet
    validation: ImageSet
    test: ImageSet | None
    notes: tuple[str, ...] = ()
    flip: Flip = "horizontal"
    min_area: float | None = None
    root: Path | None = None
    fingerprint: str = ""


def open_data(
    data: Any,
    *,
    seed: int = 0,
    validation_share: float | None = None,
    test_share: float | None = None,
    classes: Sequence[str] | None = None,
) -> DataSplits:
    """Open labelled images for training.

    Parts that the source names are used as they are. Otherwise a test part is carved, the same
    for every seed, and then validation from the rest, by the seed; both keep the classes in
    proportion. A source that names training images but no test part has none.

    Args:
        data: A directory with ``train/`` and any of ``val``, ``valid``, ``validation`` and
            ``test``, or with a directory for each class; a CSV file ``path,label[,split]``; a name
            (``elpv``, ``fashion-mnist``, ``fashion-mnist:FOLDER``, ``digits``); a map-style Python
            data set, or a tuple of them for train, validation and test; or what this returned.
        seed: Decides which images are carved for validation.
        validation_share: Share of the images to carve, of all where a test part is carved too;
            None for the source's own, which is 0.15 unless it is a named one.
        test_share: Share of all images; None as above.
        classes: Names and order of the classes; None for the names in the source, sorted.

    Raises:
        DataError: Images or labels cannot be found, or do not fit together.
        UsageError: The source is of another type.
        MissingExtraError: A named data set needs a package that is not installed.
    """
    if isinstance(data, DataSplits):
        return data
    for what, share in (("validation", validation_share), ("test", test_share)):
        if share is not None and not 0 < share < 1:
            raise UsageError(f"a {what} share of {share} is none", None, "Choose 0 < share < 1.")
    listing = _list(data, classes)
    _check_classes(listing, data)
    notes = list(listing.notes)
    places = np.arange(len(listing.names), dtype=np.int64)
    # Carved in this order, so that the test images do not depend on the seed.
    if listing.parts is None:
        tested = test_share or TEST_SHARE
        rest, test = listing.carve(places, tested, TEST_SEED)
        validation = places[:0]
    else:
        tested = 0.0
        rest, validation, test = map(listing.places, PARTS)
    if not len(validation):
        share = validation_share or listing.validation_share or VALIDATION_SHARE
        rest, validation = listing.carve(rest, share / (1 - tested), seed)
        carved = f"{len(validation)} images are carved from training for validation by seed {seed}"
        notes.append(carved)
        if tested:
            notes[-1] = (
                f"split by seed {seed} into {len(rest)} training, {len(validation)} validation "
                f"and {len(test)} test images; the test images are the same for every seed"
            )
    if not len(validation) or (tested and not len(test)):
        raise DataError(
            "there are too few images to carve a part for validation",
            _where(data),
            "Add images: two classes of two at the very least.",
        )
    train = listing.images(rest)
    _check_every_class(train, data)
    parts = (
        train,
        listing.images(validation),
        listing.images(test) if len(test) else None,
    )
    return DataSplits(
        name=listing.name,
        classes=listing.classes,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        notes=tuple(notes),
        flip=listing.flip,
        min_area=listing.min_area,
        root=listing.root,
        fingerprint=_fingerprint(listing, parts),
    )


def open_evaluation_set(
    data: Any,
    *,
    classes: Sequence[str],
    split: Part | None = None,
    seed: int = 0,
    metadata: Mapping[str, Any] | None = None,
) -> tuple[ImageSet, Part, tuple[str, ...]]:
    """Open labelled images to measure a model on, with its own labels.

    Args:
        data: As for ``open_data``, but one class is enough, and so are parts without ``train/``.
        classes: Names of the model's classes; labels are matched by name.
        split: The part to take. ``all`` takes every image. None takes the test part, or else the
            validation part, of a source that names its parts, and every image of one that does not;
            but of the data that the model was trained on, the part it was tested on.
        seed: Of the run whose validation part was carved from the training part.
        metadata: Of the model; names the data that it was trained on.

    Returns:
        The images, which part they are, and what was made of the source, for the user to read.

    Raises:
        DataError: The images cannot be found, or are of a class that the model does not know, or
            the source has no such part.
        UsageError: There is no split of that name, or the source is of another type.
    """
    if split not in (None, "all", *PARTS):
        raise UsageError(
            f"there is no split {split!r}", None, f"Choose one of: {', '.join(PARTS)}, all."
        )
    if isinstance(data, DataSplits):
        images, part, _ = _part(data, split)
        notes: tuple[str, ...] = ()  # whoever opened them has those
    else:
        images, part, notes = _listed_part(data, split, seed, metadata or {})
    if not len(images):
        raise DataError("there is no image to measure on", _where(data), "Give labelled images.")
    return images.with_classes(classes), part, notes


def _listed_part(
    data: Any, split: Part | None, seed: int, metadata: Mapping[str, Any]
) -> tuple[ImageSet, Part, tuple[str, ...]]:
    listing = _list(data, None)
    named = set(listing.parts or ())
    if split is None and not named and "data_fingerprint" in metadata:
        # To measure on the images of the training would flatter the model.
        with contextlib.suppress(DataError):  # too few images for a run, so there was none
            splits = open_data(data, seed=metadata.get("seed", 0))
            if splits.fingerprint == metadata["data_fingerprint"]:
                images, part, notes = _part(splits, None)
                own = f"the model was trained on this data: its {part} part alone is measured"
                return images, part, (*notes, own)
    if split == "all" or (split is None and not named):
        notes = listing.notes
        if listing.name == metadata.get("data"):
            notes += ("the model was trained on data of this name: mind that none of it is here",)
        return listing.images(), "all", notes
    part = split or ("test" if "test" in named else "validation")
    if part == "test" and named and "test" not in named:
        raise _no_part(part, _where(data))
    if part in named and (part != "train" or "validation" in named):
        return listing.images(listing.places(part)), part, listing.notes
    # What a run carves is carved again.
    return _part(open_data(data, seed=seed), part)


def _part(splits: DataSplits, split: Part | None) -> tuple[ImageSet, Part, tuple[str, ...]]:
    part: Part = split or ("validation" if splits.test is None else "test")
    images: ImageSet | None = getattr(splits, part, None)
    if images is None:
        raise _no_part(part, splits.name)
    return images, part, splits.notes


def _list(data: Any, classes: Sequence[str] | None) -> Listing:
    if not isinstance(data, str | os.PathLike):
        return list_datasets(tuple(data) if isinstance(data, tuple | list) else (data,), classes)
    path = Path(data)
    if isinstance(data, str) and is_named(data):
        listing = list_named(data)
        if path.exists():
            note = f"{data} is the data set of that name; write ./{data} for what is here"
            listing = replace(listing, notes=(*listing.notes, note))
    elif path.suffix.lower() == ".csv" and not path.is_dir():
        listing = list_csv(path)
    elif path.is_dir():
        listing = list_folder(path)
    elif path.exists():
        raise DataError(
            "this is a file, and no CSV file", path, "Give a directory, or a CSV file of labels."
        )
    else:
        raise DataError(
            "there is no such directory, file or data set",
            path,
            f"Check the path, or name a data set: {', '.join(NAMES)}.",
        )
    return listing if classes is None else listing.in_classes(classes)


def _check_classes(listing: Listing, data: Any) -> None:
    if not listing.names:
        raise DataError(
            "; ".join(("there is no image", *listing.notes)),
            _where(data),
            "Check the path, and the suffixes of the files.",
        )
    if listing.parts is not None and "train" not in listing.parts:
        raise DataError(
            "there is no training image", listing.root, "Put the training images into train/."
        )
    if len(listing.classes) < 2:
        raise DataError(
            f"there is one class only, {listing.classes[0]!r}",
            listing.root,
            "Add a directory of images for each further class; a classifier needs two.",
        )


def _check_every_class(train: ImageSet, data: Any) -> None:
    empty = [n for n, count in zip(train.classes, train.counts(), strict=True) if not count]
    if empty:
        raise DataError(
            f"the class {', '.join(map(repr, empty))} has no training image",
            _where(data),
            "Add images of it, or remove its directory.",
        )


def _fingerprint(listing: Listing, parts: Sequence[ImageSet | None]) -> str:
    digest = hashlib.sha256()
    for name in listing.classes:
        digest.update(f"{name}\0".encode("utf-8", "surrogatepass"))
    for part, images in zip(PARTS, parts, strict=True):
        if images is not None:
            for name, label in zip(images.names, images.labels.tolist(), strict=True):
                row = f"{part}\0{label}\0{name}\0"
                digest.update(row.encode("utf-8", "surrogatepass"))
    digest.update(listing.reader.fingerprint())
    return digest.hexdigest()


def _where(data: object) -> str | None:
    return os.fspath(data) if isinstance(data, str | os.PathLike) else None


def _no_part(part: str, where: str | None) -> DataError:
    return DataError(f"the data has no {part} part", where, "Choose another --split.")
