"""Read class names from a file, in the order of the logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import read_bytes

# The names of ImageNet's 1000 classes, synsets included, have 31 kB.
LARGEST_FILE = 4 * 2**20


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a name for each class.

    Args:
        path: UTF-8 text with a name a line, kept whole, such as ``n01440764 tench, Tinca tinca``;
            or ``.json`` with a list of names, or with an object of names by number, alone or as
            the ``id2label`` of a configuration.

    Raises:
        ModelError: The file cannot be read, or a name is missing or empty.
    """
    data = read_bytes(path)
    if len(data) > LARGEST_FILE:
        raise _bad(path, f"has {len(data):,} bytes; class names need no {LARGEST_FILE:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(path, f"is no UTF-8 text at byte {error.start:,}") from error
    if path.suffix.lower() == ".json":
        names, unit = _from_json(text, path), "entry"
    else:
        names, unit = [line.strip() for line in text.rstrip().split("\n")], "line"
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise _bad(path, f"has no name in {unit} {number:,}")
    return tuple(names)


def _from_json(text: str, path: Path) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(path, "is no JSON") from error
    if isinstance(found, dict):
        found = _by_number(found.get("id2label", found), path)
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise _bad(path, "holds neither a list of names nor an object of names by number")
    if not found:
        raise _bad(path, "holds no names")
    if any("\ud800" <= character <= "\udfff" for name in found for character in name):
        raise _bad(path, "has half a character (a lone surrogate) in a name")
    return found


def _by_number(found: Any, path: Path) -> list[Any]:
    if not isinstance(found, Mapping):
        raise _bad(path, "holds an id2label that is no object of names by number")
    numbers = [str(number) for number in range(len(found))]
    if set(found) != set(numbers):
        raise _bad(path, f"does not number its {len(found):,} names from 0 on")
    return [found[number] for number in numbers]


def _bad(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"label file {problem}", path, "Give one name a line, or a JSON list of names."
    )
