"""Directories of images: one directory a class, with or without parts above them."""

from __future__ import annotations

import os
from pathlib import Path

from googlenet.data.dataset import FileReader
from googlenet.data.listing import PART_OF_NAME, Listing
from googlenet.errors import DataError
from googlenet.images.decode import IMAGE_SUFFIXES


def read_folder(root: Path) -> Listing:
    """List the images of ``root/CLASS/…`` or ``root/{train,val,valid,validation,test}/CLASS/…``.

    Hidden entries and files that are no images by their name are passed over. Classes come in the
    order of their names' code points.

    Raises:
        DataError: The directory is missing, empty, unreadable, or two parts are the same one.
    """
    directories = _directories(root)
    parts = [name for name in directories if name in PART_OF_NAME]
    if "train" not in parts:
        parts = []
    names: list[str] = []
    labels: list[str] = []
    held: list[str | None] = []
    classes: set[str] = set()
    taken: dict[str, str] = {}
    for part in parts or [""]:
        kind = PART_OF_NAME.get(part)
        if kind in taken.values():
            twin = next(name for name, other in taken.items() if other == kind)
            raise DataError(
                f"the directories {twin} and {part} are both the {kind} part",
                root,
                "Keep one of the two.",
            )
        if kind:
            taken[part] = kind
        for label in _directories(root / part):
            classes.add(label)
            for file in _images(root / part / label):
                names.append(os.path.join(part, label, file))
                labels.append(label)
                held.append(kind)
    if not names:
        raise DataError(
            "there are no images in the directory",
            root,
            "Give a directory with one directory of images for each class.",
        )
    notes = tuple(f"{part}/ is the {kind} part" for part, kind in taken.items() if part != kind)
    return Listing(
        source=str(root),
        name=root.resolve().name or "images",
        reader=FileReader(root, tuple(names)),
        names=tuple(names),
        labels=tuple(labels),
        parts=tuple(held),
        classes=tuple(sorted(classes)),
        notes=notes,
        root=root,
    )


def _directories(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            found = [each.name for each in entries if each.is_dir() and each.name[0] != "."]
    except FileNotFoundError as error:
        raise DataError(
            "the directory does not exist", root, "Check the path, or name a data set."
        ) from error
    except OSError as error:
        raise DataError(
            f"the directory cannot be read: {error.strerror}", root, "Check its permissions."
        ) from error
    return sorted(found)


def _images(directory: Path) -> list[str]:
    """List image files below a class's directory, in nested directories too, sorted by path."""
    found = []
    for parent, below, files in os.walk(directory):
        below[:] = [name for name in below if name[0] != "."]
        for file in files:
            if file[0] != "." and os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES:
                found.append(os.path.relpath(os.path.join(parent, file), directory))
    return sorted(found)
