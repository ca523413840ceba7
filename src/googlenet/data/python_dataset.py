"""Map-style Python data sets: torchvision's, torch's subsets of them, or a user's own."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.listing import Listing
from googlenet.errors import DataError, ImageError, UsageError
from googlenet.images.decode import to_pixels


def list_datasets(datasets: Sequence[Any], classes: Sequence[str] | None = None) -> Listing:
    """List Python data sets.

    Args:
        datasets: One, to be split; or train and validation; or train, validation and test.
        classes: Names of the classes, by integer label; None takes the names that the training
            set has as its ``classes``, or else the labels themselves.

    Raises:
        DataError: Labels are missing or have no name.
        UsageError: There are more than three, or one is no map-style data set.
    """
    if not 1 <= len(datasets) <= 3:
        raise UsageError(
            f"{len(datasets)} data sets were given", None, "Give train, validation and test."
        )
    if len(datasets) == 1:
        prefixes: tuple[str, ...] = ("image",)
    else:
        prefixes = ("train", "validation", "test")[: len(datasets)]
    labels: list[Any] = []
    names: list[str] = []
    parts: list[str] = []
    adopted: tuple[str, ...] | None = None
    for prefix, dataset in zip(prefixes, datasets, strict=False):
        found, own_classes = _labels(dataset)
        if not found:
            raise DataError(f"the {prefix} data set is empty", None, "Give one with images.")
        # Numbers mean what their own data set says; names are matched with the others'.
        labels += _named(found, classes or own_classes or adopted)
        names += [f"{prefix}/{index:05}" for index in range(len(found))]
        parts += [prefix] * len(found)
        adopted = adopted or own_classes
    classes = classes or adopted
    if classes is None:
        kinds = {type(label) for label in labels}
        if kinds == {int}:
            classes = tuple(map(str, range(max(labels) + 1)))
            labels = list(map(str, labels))
        else:
            labels = list(map(str, labels))
            classes = tuple(sorted(set(labels)))
    index = {name: label for label, name in enumerate(classes)}
    unknown = next((label for label in labels if label not in index), None)
    if unknown is not None:
        raise DataError(
            f"the label {unknown!r} is none of the classes",
            names[labels.index(unknown)],
            "Name all classes.",
        )
    return Listing(
        name="dataset",
        classes=tuple(classes),
        names=tuple(names),
        labels=np.array([index[label] for label in labels], np.int64),
        reader=DatasetReader(datasets),
        parts=tuple(parts) if len(datasets) > 1 else None,
    )


def _named(labels: list[int] | list[str], classes: Sequence[str] | None) -> list[Any]:
    """Replace integer labels by the names of their classes, where there are names."""
    if classes is None or not labels or isinstance(labels[0], str):
        return list(labels)
    beyond = next((label for label in labels if int(label) >= len(classes)), None)
    if beyond is not None:
        raise DataError(
            f"the label {beyond} has no name: there are {len(classes)} classes",
            None,
            "Name all classes.",
        )
    return [classes[int(label)] for label in labels]


class DatasetReader:
    """Read images from map-style Python data sets, one after the other.

    Args:
        datasets: Each has ``__len__`` and ``__getitem__``, whose items begin with the image:
            anything that ``to_pixels`` takes, or a torch tensor (C, H, W) or (H, W), uint8 or
            float in [0, 1].
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = tuple(datasets)
        self.ends = tuple(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def pixels(self, place: int, name: str) -> NDArray[np.uint8]:
        """Ask the data set that holds the place."""
        which = bisect.bisect_right(self.ends, place)
        first = self.ends[which - 1] if which else 0
        try:
            image = self.datasets[which][place - first][0]
        except OSError as error:  # what Pillow and the file system raise inside a data set
            raise ImageError(
                f"the data set cannot read it: {error}",
                name,
                "Replace the image, or leave it out of the data set.",
                reason="unreadable",
            ) from error
        return to_pixels(_channels_last(image), name)

    def path(self, place: int) -> None:
        """Return None: there is no file."""
        return

    def fingerprint(self) -> bytes:
        """Tell the lengths; the items are the caller's own business."""
        return repr(self.ends).encode()


def _channels_last(image: Any) -> Any:
    """Turn a torch tensor (C, H, W) or (H, W) into an array; anything else is returned as it is."""
    if not hasattr(image, "detach"):  # told by what it can do, so that torch is not imported
        return image
    array = image.detach().cpu().numpy()
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def _labels(dataset: Any) -> tuple[list[int] | list[str], tuple[str, ...] | None]:
    """Return the label of each item of a Python data set, and the classes where it names them.

    Labels come from ``targets`` where the data set has them, as torchvision's do; else each item
    is read once.

    Raises:
        DataError: A label is neither an integer nor text.
        UsageError: It is no map-style data set.
    """
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise UsageError(
            f"a {type(dataset).__name__} is no map-style data set",
            None,
            "Pass an object with __len__ and __getitem__ whose items are (image, label).",
        )
    inner, chosen = getattr(dataset, "dataset", None), getattr(dataset, "indices", None)
    if inner is not None and chosen is not None:  # torch's Subset, which random_split makes
        labels, classes = _labels(inner)
        picked: Any = [labels[int(index)] for index in chosen]
        return picked, classes
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        targets = [dataset[index][1] for index in range(len(dataset))]
    named = getattr(dataset, "classes", None)
    classes = tuple(map(str, named)) if named is not None else None
    return _plain_labels(targets), classes


def _plain_labels(targets: Iterable[Any]) -> list[int] | list[str]:
    plain = [target.item() if hasattr(target, "item") else target for target in targets]
    if all(isinstance(label, str) for label in plain):
        return plain
    if all(isinstance(label, int) and label >= 0 for label in plain):
        return [int(label) for label in plain]
    bad = next(label for label in plain if not isinstance(label, int) or label < 0)
    raise DataError(
        f"the data set has the label {bad!r}",
        None,
        "Labels are all integers from 0, or all names.",
    )
