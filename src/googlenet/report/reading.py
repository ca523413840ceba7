"""Read one file of a run directory, or say which file is garbled and what to do."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from googlenet.errors import ImageError, ModelError
from googlenet.images.decode import decode

Value = TypeVar("Value")

# What browsers show, by the first bytes of the file.
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}

# A picture beyond this is shown smaller, so that the page stays light enough to send by mail.
_LARGEST_PICTURE = 2_000_000
_SMALLER_SIDE = 1600


@dataclass(frozen=True)
class Picture:
    """Hold a PNG or JPEG file to embed, with its size in pixels."""

    mime: str
    data: bytes
    width: int
    height: int

    @property
    def source(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode('ascii')}"


def garbled(path: Path, problem: object) -> ModelError:
    """Return the error for a file that is there and cannot be understood."""
    return ModelError(
        f"run directory holds a file that cannot be read: {problem}",
        path,
        "Restore the file from a copy of the run, or train again into a new directory.",
    )


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ModelError: The file cannot be opened or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise garbled(path, error) from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ModelError: The file cannot be opened, is not JSON, or holds something else.
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise garbled(path, f"{type(document).__name__} in place of an object")
    return document


def read_table(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file by the names in its first line.

    Raises:
        ModelError: The file cannot be opened, is not UTF-8, or a row has other columns.
    """
    try:
        # newline="" keeps a line break inside a quoted file name.
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            rows: list[dict[str, str]] = []
            for row in reader:
                if "" in row or None in row.values():
                    raise garbled(path, f"line {reader.line_num} has another number of columns")
                rows.append(row)
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise garbled(path, error) from error


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Read a file of one JSON object a line, and count the lines that are not.

    A kill may leave a line half written, and the next run appends after it, so a bad line is no
    reason to refuse a run.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise garbled(path, error) from error
    found: list[dict[str, Any]] = []
    bad = 0
    for line in filter(str.strip, lines):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            found.append(document)
        else:
            bad += 1
    return found, bad


def read_picture(path: Path) -> Picture | None:
    """Read a picture that the run wrote; none if it is missing, damaged or of a foreign format."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    mime = next((mime for start, mime in _SIGNATURES.items() if data.startswith(start)), None)
    if mime is None:
        return None
    try:
        pixels = decode(data, path.name)
    except ImageError:
        return None
    height, width = pixels.shape[:2]
    if len(data) <= _LARGEST_PICTURE:
        return Picture(mime, data, width, height)
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((_SMALLER_SIDE, _SMALLER_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return Picture("image/jpeg", buffer.getvalue(), *image.size)


def finite(value: object) -> float | None:
    """Return a number as a float; none where it is absent, empty, or not finite.

    Raises:
        TypeError, ValueError: The value is no number.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f"{value!r} is not a number")
    number = float(value)
    return number if math.isfinite(number) else None


def share(value: object) -> float:
    """Return a number in [0, 1].

    Raises:
        TypeError, ValueError: It is no number, or lies outside.
    """
    number = None if isinstance(value, str) else finite(value)
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not a share from 0 to 1")
    return number


def share_or_none(value: object) -> float | None:
    """Return a number in [0, 1]; none where it is absent.

    Raises:
        TypeError, ValueError: It is no number, or lies outside.
    """
    return None if value is None else share(value)


def parsed(
    path: Path, parse: Callable[[Mapping[str, Any]], Value], row: Mapping[str, Any]
) -> Value:
    """Return ``parse(row)``, with whatever the row lacks or garbles told as a fault of ``path``."""
    try:
        return parse(row)
    except KeyError as error:
        raise garbled(path, f"{error} is missing") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise garbled(path, error) from error
