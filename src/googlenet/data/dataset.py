"""A set of labelled images, read one by one when they are wanted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import DataError
from googlenet.images.decode import read_image
from googlenet.images.modes import array_to_rgb


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
    """Read images from an array in memory.

    Attributes:
        images: (N, H, W) grey or (N, H, W, 3) RGB, uint8.
    """

    images: NDArray[np.uint8]

    def pixels(self, place: int, name: str) -> NDArray[np.uint8]:
        """Return a copy, with three channels."""
        return array_to_rgb(self.images[place])

    def path(self, place: int) -> None:
        """Return None: there is no file."""
        return

    def fingerprint(self) -> bytes:
        """Digest all pixels."""
        return hashlib.sha256(np.ascontiguousarray(self.images).data).digest()


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, … ({len(names)} in all)"
