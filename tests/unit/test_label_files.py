"""Reading class names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from googlenet.errors import ModelError
from googlenet.weights.formats.labels import read_labels

NAMES = ("n01440764 tench, Tinca tinca", "n01443537 goldfish", "Spießkäfer")


def write(folder: Path, data: bytes | str | object, name: str = "labels.txt") -> Path:
    path = folder / name
    if not isinstance(data, bytes):
        data = (data if isinstance(data, str) else json.dumps(data)).encode()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(NAMES),
        "\n".join(NAMES) + "\n\n \n",
        "\r\n".join(NAMES) + "\r\n",
        "\ufeff" + "\n".join(NAMES),
    ],
    ids=["plain", "blank at the end", "from Windows", "with a mark"],
)
def test_a_line_is_a_name(data: str, tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, data)) == NAMES


@pytest.mark.parametrize(
    "data",
    [
        list(NAMES),
        {str(number): name for number, name in enumerate(NAMES)},
        {"2": NAMES[2], "0": NAMES[0], "1": NAMES[1]},
        {"id2label": {str(number): name for number, name in enumerate(NAMES)}, "other": 1},
    ],
    ids=["list", "object", "unordered", "configuration"],
)
def test_json_is_read(data: object, tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, data, "labels.json")) == NAMES


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        ("", "a.txt", "no name in line 1"),
        ("\n\n", "a.txt", "no name in line 1"),
        ("tench\n\ngoldfish", "a.txt", "no name in line 2"),
        (b"tench\xff", "a.txt", "no UTF-8 text at byte 5"),
        ("a\n" * (2 * 2**20 + 1), "a.txt", "bytes"),
        ("tench", "a.json", "no JSON"),
        ("[" * 100_000, "a.json", "no JSON"),
        ([], "a.json", "holds no names"),
        ({}, "a.json", "holds no names"),
        (3, "a.json", "neither a list"),
        ("null", "a.json", "neither a list"),
        (["tench", 3], "a.json", "neither a list"),
        (["tench", " "], "a.json", "no name in entry 2"),
        ({"1": "tench"}, "a.json", "does not number"),
        ({"0": "tench", "00": "goldfish"}, "a.json", "does not number"),
        ({"0": 1}, "a.json", "neither a list"),
        ({"id2label": ["tench"]}, "a.json", "no object of names"),
        (["\ud800"], "a.json", "half a character"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_labels_are_refused(data: object, name: str, says: str, tmp_path: Path) -> None:
    path = write(tmp_path, data, name)
    with pytest.raises(ModelError) as caught:
        read_labels(path)
    assert says in caught.value.what
    assert caught.value.where == str(path) and caught.value.fix


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        read_labels(tmp_path / "none.txt")
