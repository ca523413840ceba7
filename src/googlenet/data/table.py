"""CSV files of labelled images: ``path,label`` and, if wanted, ``split``."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from googlenet.data.dataset import FileReader
from googlenet.data.listing import PART_OF_NAME, Listing
from googlenet.errors import DataError


def read_table(path: Path) -> Listing:
    """List the images of a CSV file whose header has ``path``, ``label`` and perhaps ``split``.

    Paths are relative to the file's directory, or absolute.

    Raises:
        DataError: The file is missing or garbled, or a row names a part that is none, has no label,
            or names an image that is not there; the error says which line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise DataError("the CSV file does not exist", path, "Check the path.") from error
    except OSError as error:
        raise DataError(
            f"the CSV file cannot be read: {error.strerror}", path, "Check its permissions."
        ) from error
    except csv.Error as error:
        raise DataError(
            f"this is no CSV file: {error}", path, "Save it as comma-separated text."
        ) from error
    if not {"path", "label"} <= set(header):
        raise DataError(
            f"the CSV file has the columns {', '.join(header) or 'none'}",
            path,
            "Begin it with the line path,label or path,label,split.",
        )
    names, labels, parts = [], [], []
    for line, row in rows:
        where = f"{path}, line {line}"
        name, label = (row["path"] or "").strip(), (row["label"] or "").strip()
        split = (row.get("split") or "").strip()
        if not name or not label:
            raise DataError("a row lacks its path or its label", where, "Complete or remove it.")
        if "split" in header and split not in PART_OF_NAME:
            raise DataError(
                f"{split!r} is no part of a split", where, f"Use one of: {', '.join(PART_OF_NAME)}."
            )
        if not os.path.exists(path.parent / name):
            raise DataError(
                f"the image {name} does not exist",
                where,
                "Correct the path, which is relative to the CSV file, or remove the row.",
            )
        names.append(name)
        labels.append(label)
        parts.append(PART_OF_NAME[split] if "split" in header else None)
    if not names:
        raise DataError("the CSV file lists no image", path, "Add a row for each image.")
    return Listing(
        source=str(path),
        name=path.stem,
        reader=FileReader(path.parent, tuple(names)),
        names=tuple(names),
        labels=tuple(labels),
        parts=tuple(parts),
        classes=tuple(sorted(set(labels))),
        root=path.parent,
    )
