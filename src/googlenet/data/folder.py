"""Directories: ``train/CLASS/…`` with other parts beside it, or ``CLASS/…`` alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from googlenet.data.dataset import FileReader
from googlenet.data.listing import PART_NAMES, Listing
from googlenet.data.table import list_csv
from googlenet.errors import DataError
from googlenet.images.decode import IMAGE_SUFFIXES

_LAYOUT = "Give a directory with one folder of images for each class, or with train/ and test/."


def list_folder(root: Path) -> Listing:
    """List a directory of images.

    With ``train/``, or nothing but directories named as parts, these are the parts, each with a
    directory for each class. Otherwise each directory is a class; a ``split.csv`` among them, as a
    run leaves it, says which image is in which part. Classes are looked through at every depth,
    links are followed, hidden entries and files without an image's suffix are left out.

    Raises:
        DataError: There is no such directory, it cannot be listed, or it holds no class.
    """
    if not root.is_dir():
        raise DataError("there is no such directory", root, _LAYOUT)
    folders = _subfolders(root)
    if not folders:
        raise DataError("the directory holds no folder of images", root, _LAYOUT)
    parts = [name for name in folders if name in PART_NAMES]
    train_has_classes = "train" in parts and bool(_subfolders(root / "train"))
    if parts and (train_has_classes or len(parts) == len(folders)):
        return _list_parts(root, folders)
    recorded = root / "split.csv"
    if recorded.is_file():
        return list_csv(recorded)

    classes = tuple(folders)
    names, labels, skipped = _list_classes(root, "", classes, dict.fromkeys(classes))
    return Listing(
        name=_name(root),
        classes=classes,
        names=tuple(names),
        labels=np.array(labels, np.int64),
        reader=FileReader(root, tuple(names)),
        root=root,
        notes=_skipped_note(skipped),
    )


def _list_parts(root: Path, folders: list[str]) -> Listing:
    notes = []
    chosen: dict[str, str] = {}
    for folder, part in PART_NAMES.items():
        if folder not in folders:
            continue
        if part in chosen:
            raise DataError(
                f"the directories {chosen[part]} and {folder} are both the {part} part",
                root,
                "Keep one of the two.",
            )
        chosen[part] = folder
        if folder != part:
            notes.append(f"{folder}/ is the {part} part")
    others = [folder for folder in folders if folder not in PART_NAMES]
    if others:
        notes.append(f"not used, since train/ is there: {', '.join(f'{o}/' for o in others)}")

    found = {part: _subfolders(root / folder) for part, folder in chosen.items()}
    trained = found.get("train")
    classes = tuple(trained or sorted({name for names in found.values() for name in names}))
    names: list[str] = []
    labels: list[int] = []
    parts: list[str] = []
    skipped = 0
    for part, folder in chosen.items():
        if not found[part]:
            raise DataError(f"{folder}/ holds no folder of images", root / folder, _LAYOUT)
        part_names, part_labels, part_skipped = _list_classes(
            root, f"{folder}/", found[part], dict.fromkeys(classes)
        )
        names += part_names
        labels += part_labels
        parts += [part] * len(part_names)
        skipped += part_skipped
    return Listing(
        name=_name(root),
        classes=classes,
        names=tuple(names),
        labels=np.array(labels, np.int64),
        reader=FileReader(root, tuple(names)),
        parts=tuple(parts),
        root=root,
        notes=(*notes, *_skipped_note(skipped)),
    )


def _list_classes(
    root: Path, prefix: str, folders: tuple[str, ...] | list[str], classes: dict[str, None]
) -> tuple[list[str], list[int], int]:
    """Return names relative to the root, labels, and how many files were left out."""
    index = {name: label for label, name in enumerate(classes)}
    names: list[str] = []
    labels: list[int] = []
    skipped = 0
    for folder in folders:
        files, others = image_files(root / prefix / folder)
        skipped += others
        if not files:
            continue
        if folder not in index:
            raise DataError(
                f"the class {folder!r} is not in train/",
                root / prefix / folder,
                "Add images of it to train/, or remove it here.",
            )
        names += [f"{prefix}{folder}/{file}" for file in files]
        labels += [index[folder]] * len(files)
    return names, labels, skipped


def _subfolders(directory: Path) -> list[str]:
    return [entry.name for entry in _entries(directory) if _is_directory(entry)]


def image_files(directory: Path) -> tuple[list[str], int]:
    """Return the images below a directory, relative to it and sorted, and how many other files.

    Links are followed; hidden entries and files without an image's suffix are left out.

    Raises:
        DataError: A directory cannot be listed.
    """
    found: list[str] = []
    others = 0
    # A link to a directory above would be followed for ever.
    visited: set[tuple[int, int]] = set()
    waiting = [(directory, "")]
    while waiting:
        current, prefix = waiting.pop()
        try:
            status = os.stat(current)
        except OSError:  # gone since it was listed
            continue
        if (status.st_dev, status.st_ino) in visited and status.st_ino:
            continue
        visited.add((status.st_dev, status.st_ino))
        for entry in _entries(current):
            if _is_directory(entry):
                waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                found.append(prefix + entry.name)
            else:
                others += 1
    return sorted(found), others


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """List what is not hidden, by name: the file system's own order is nobody's promise."""
    try:
        with os.scandir(directory) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(
            f"the directory cannot be listed: {error.strerror}", directory, "Check its permissions."
        ) from error
    return sorted(shown, key=lambda entry: entry.name)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _name(root: Path) -> str:
    return root.resolve().name or "images"


def _skipped_note(count: int) -> tuple[str, ...]:
    return (f"{count} files without an image's suffix are left out",) if count else ()
