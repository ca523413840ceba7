"""CSV files: ``path,label`` with or without ``split``, a row an image."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from googlenet.data.dataset import FileReader
from googlenet.data.listing import PART_NAMES, Listing
from googlenet.data.split import plain_cell
from googlenet.errors import DataError

_FORM = "Give it a header with path,label or path,label,split, and a row for each image."


class _Row(NamedTuple):
    line: int
    path: str
    label: str
    part: str | None


def list_csv(file: Path) -> Listing:
    """List the images that a CSV file names.

    The header names the columns ``path`` (or ``name``), ``label`` and, if the parts are given,
    ``split``; others are ignored. Paths are relative to the file's directory. Values of ``split``
    are train, val, valid, validation and test.

    Raises:
        DataError: The file cannot be read, a row is incomplete or contradicts another, or the
            file that it names is missing; the error says which line.
    """
    rows = _read(file)
    if not rows:
        raise DataError("the CSV file names no image", file, _FORM)
    seen: dict[str, int] = {}
    for row in rows:
        where = _line(file, row.line)
        if row.path in seen:
            raise DataError(
                f"{row.path!r} is named twice, first on line {seen[row.path]}",
                where,
                "Keep one of the two rows.",
            )
        seen[row.path] = row.line
        if not os.path.exists(file.parent / row.path):
            raise DataError(
                f"there is no file {row.path!r}",
                where,
                f"Correct the path, which is relative to {os.fspath(file.parent)}.",
            )
    in_train = {row.label for row in rows if row.part in (None, "train")}
    for row in rows:
        if in_train and row.label not in in_train:
            raise DataError(
                f"the class {row.label!r} has no training image",
                _line(file, row.line),
                "Add training images of it, or remove its rows.",
            )
    classes = tuple(sorted({row.label for row in rows}))
    index = {name: label for label, name in enumerate(classes)}
    names = tuple(row.path for row in rows)
    parts = tuple(row.part for row in rows if row.part is not None)
    return Listing(
        name=file.stem if file.name != "split.csv" else file.resolve().parent.name,
        classes=classes,
        names=names,
        labels=np.array([index[row.label] for row in rows], np.int64),
        reader=FileReader(file.parent, names),
        parts=parts or None,
        root=file.parent,
    )


def _read(file: Path) -> list[_Row]:
    try:
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except FileNotFoundError as error:
        raise DataError("there is no such CSV file", file, "Check the path.") from error
    except OSError as error:
        raise DataError(
            f"the CSV file cannot be read: {error.strerror}", file, "Check its permissions."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        path_column = next((header.index(n) for n in ("path", "name") if n in header), None)
        if path_column is None or "label" not in header:
            raise DataError("the CSV file has no header with path and label", file, _FORM)
        label_column = header.index("label")
        split_column = header.index("split") if "split" in header else None
        line = reader.line_num + 1
        for cells in reader:
            if any(cells):
                rows.append(_row(file, line, cells, path_column, label_column, split_column))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"the file is not a CSV file: {error}", _line(file, reader.line_num), _FORM
        ) from error
    return rows


def _row(file: Path, line: int, cells: list[str], path: int, label: int, split: int | None) -> _Row:
    if len(cells) <= max(path, label, split or 0) or not cells[path] or not cells[label].strip():
        raise DataError("the row lacks a path, a label or a split", _line(file, line), _FORM)
    part = None
    if split is not None:
        part = PART_NAMES.get(cells[split].strip().lower())
        if part is None:
            raise DataError(
                f"there is no split {cells[split]!r}",
                _line(file, line),
                f"Choose one of: {', '.join(PART_NAMES)}.",
            )
    return _Row(line, plain_cell(cells[path]), plain_cell(cells[label].strip()), part)


def _line(file: Path, line: int) -> str:
    return f"{os.fspath(file)}, line {line}"
