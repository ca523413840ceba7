"""A set of labelled images, read one by one when they are wanted."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import DataError, ImageError, UsageError
from googlenet.images.decode import read_image, to_pixels
from googlenet.images.modes import three_channels


class Reader(Protocol):
    """Read images by their place in a source. Readers travel to worker processes by pickling."""

    def pixels(self, place: int, name: str) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB.

        Raises:
            ImageError: The image cannot be read.
        """

    def path(self, place: int) -> Path | None:
        """Return the image's file, if it has one."""

    def fingerprint(self) -> bytes:
        """Return bytes that change when the images do, without decoding them."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Hold names and labels of images, and read their pixels on demand.

    Attributes:
        classes: Name of each class; a label is an index into it.
        names: What reports call each image: its path relative to the root of the data, or the
            part and number of an image that is no file.
        labels: (N,) int64.
        reader: Where pixels come from.
        places: (N,) int64, each image's place in the reader.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    reader: Reader
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Read an image as (H, W, 3) uint8 RGB in [0, 255].

        Raises:
            ImageError: It cannot be read or decoded; the error names it.
        """
        return self.reader.pixels(int(self.places[index]), self.names[index])

    def path(self, index: int) -> Path | None:
        """Return an image's file; None for one that is no file."""
        return self.reader.path(int(self.places[index]))

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> ImageSet:
        """Return the images at ``indices``, in that order."""
        chosen = np.asarray(indices, np.int64)
        return replace(
            self,
            names=tuple(self.names[index] for index in chosen),
            labels=self.labels[chosen],
            places=self.places[chosen],
        )

    def counts(self) -> NDArray[np.int64]:
        """Return the number of images of each class, (classes,) int64."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def with_classes(self, classes: Sequence[str]) -> ImageSet:
        """Return the same images with labels into other classes, matched by name.

        Raises:
            DataError: A class that has images is not among ``classes``.
        """
        if tuple(classes) == self.classes:
            return self
        index = {name: place for place, name in enumerate(classes)}
        counts = self.counts()
        unknown = [n for n, count in zip(self.classes, counts, strict=True) if count]
        unknown = [name for name in unknown if name not in index]
        if unknown:
            raise DataError(
                f"the model does not know the class {', '.join(map(repr, unknown))}",
                self.names[int(np.flatnonzero(self.labels == self.classes.index(unknown[0]))[0])],
                f"Use classes that the model knows: {_some(classes)}.",
            )
        translation = np.array([index.get(name, -1) for name in self.classes], np.int64)
        return replace(self, classes=tuple(classes), labels=translation[self.labels])


@dataclass(frozen=True, eq=False)
class FileReader:
    """Read image files.

    Attributes:
        root: Directory that the names are relative to.
        files: Path of each image; relative ones start at the root.
    """

    root: Path
    files: tuple[str, ...]

    def pixels(self, place: int, name: str) -> NDArray[np.uint8]:
        """Decode the file."""
        return read_image(self.path(place))

    def path(self, place: int) -> Path:
        """Return the file."""
        return self.root / self.files[place]

    def fingerprint(self) -> bytes:
        """Digest the sizes of all files."""
        sizes = hashlib.sha256()
        for place in range(len(self.files)):
            try:
                size = os.stat(self.path(place)).st_size
            except OSError:
                size = -1
            sizes.update(size.to_bytes(8, "little", signed=True))
        return sizes.digest()


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """Read images from arrays in memory.

    Attributes:
        images: (N, H, W) grey uint8.
    """

    images: NDArray[np.uint8]

    def pixels(self, place: int, name: str) -> NDArray[np.uint8]:
        """Give the grey values to all three channels."""
        return three_channels(self.images[place])

    def path(self, place: int) -> None:
        """Return None: there is no file."""
        return

    def fingerprint(self) -> bytes:
        """Digest all pixels."""
        return hashlib.sha256(self.images.tobytes()).digest()


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
        return to_pixels(channels_last(image), name)

    def path(self, place: int) -> None:
        """Return None: there is no file."""
        return

    def fingerprint(self) -> bytes:
        """Tell the lengths; the items are the caller's own business."""
        return repr(self.ends).encode()


def channels_last(image: Any) -> Any:
    """Turn a torch tensor (C, H, W) or (H, W) into an array; anything else is returned as it is."""
    if not hasattr(image, "detach"):  # told by what it can do, so that torch is not imported
        return image
    array = image.detach().cpu().numpy()
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def dataset_labels(dataset: Any) -> tuple[list[int] | list[str], tuple[str, ...] | None]:
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
        labels, classes = dataset_labels(inner)
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


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, … ({len(names)} in all)"
