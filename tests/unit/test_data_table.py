"""CSV files as sources, and the record of a split."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from googlenet.data.dataset import ArrayReader, ImageSet
from googlenet.data.source import DataSplits, open_data
from googlenet.data.split import plain_cell, write_split
from googlenet.errors import DataError
from tests.conftest import photographs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos", count=6)


def rows(count: int = 6, split: str = "") -> list[str]:
    return [
        f"photos/{name}/{number:02}.jpg,{name}{split}"
        for name in ("leaf", "sky")
        for number in range(count)
    ]


def table(folder: Path, *lines: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return path


def refused(path: Path, said: str, line: int | None = None) -> None:
    with pytest.raises(DataError, match=said) as error:
        open_data(path)
    assert len(str(error.value).splitlines()) == 3
    assert error.value.where == (f"{path}, line {line}" if line else str(path))


def test_without_splits_it_is_split(photos: Path, tmp_path: Path) -> None:
    splits = open_data(table(tmp_path, "path,label", *rows()))
    assert (splits.name, splits.classes, splits.root) == ("labels", ("leaf", "sky"), tmp_path)
    assert [len(part or ()) for part in (splits.train, splits.validation, splits.test)] == [8, 2, 2]
    assert splits.train.pixels(0).shape == (48, 48, 3)


def test_with_splits_they_are_used(photos: Path, tmp_path: Path) -> None:
    parts = ["train", "train", "train", "val", " VALID ", "test"] * 2
    lines = [f"{row},{part}" for row, part in zip(rows(), parts, strict=True)]
    splits = open_data(table(tmp_path, "path,label,split", *lines))
    assert splits.test is not None
    assert splits.train.counts().tolist() == [3, 3]
    assert splits.validation.names == (
        "photos/leaf/03.jpg",
        "photos/leaf/04.jpg",
        "photos/sky/03.jpg",
        "photos/sky/04.jpg",
    )
    assert splits.test.names == ("photos/leaf/05.jpg", "photos/sky/05.jpg")
    carved = open_data(table(tmp_path, "path,label,split", *rows(split=",train")))
    assert (len(carved.train), len(carved.validation), carved.test) == (10, 2, None)


def test_spreadsheets_variations_are_read(photos: Path, tmp_path: Path) -> None:
    lines = [f'"{row.split(",")[0]}","{row.split(",")[1]}",ignored' for row in rows()]
    text = "\ufeffPath, Label ,comment\r\n" + "\r\n\r\n".join(lines) + "\r\n,,\r\n"
    (tmp_path / "labels.CSV").write_text(text, encoding="utf-8", newline="")
    assert open_data(tmp_path / "labels.CSV").classes == ("leaf", "sky")


def test_paths_may_be_absolute_and_odd(photos: Path, tmp_path: Path) -> None:
    (photos / "sky" / "05.jpg").rename(photos / "sky" / "a,b\ncaf\udce9.jpg")
    lines = [
        f"{tmp_path}/{row}" if number % 2 else row for number, row in enumerate(rows()[:-1])
    ] + ['"photos/sky/a,b\ncaf\udce9.jpg",sky']
    splits = open_data(table(tmp_path, "path,label", *lines))
    parts = (splits.train, splits.validation, splits.test)
    for images in parts:
        assert images is not None
        for index in range(len(images)):
            assert images.pixels(index).shape == (48, 48, 3)


def test_a_missing_file_is_named_with_its_line(photos: Path, tmp_path: Path) -> None:
    refused(table(tmp_path, "path,label", *rows(), "photos/sky/gone.jpg,sky"), "gone.jpg", 14)
    quoted = ['"photos/leaf/00.jpg","leaf"', '"photos/no\nwhere.jpg",leaf']
    refused(table(tmp_path, "path,label", *quoted), "where.jpg", 3)


def test_tables_that_cannot_be_used(photos: Path, tmp_path: Path) -> None:
    refused(tmp_path / "gone.csv", "no such CSV file")
    refused(table(tmp_path), "no header")
    refused(table(tmp_path, "path,label"), "names no image")
    refused(table(tmp_path, *rows()), "no header")
    refused(table(tmp_path, "path,class", *rows()), "no header")
    refused(table(tmp_path, "path,label", *rows(), "photos/sky/00.jpg"), "lacks", 14)
    refused(table(tmp_path, "path,label", *rows(), "photos/sky/00.jpg, "), "lacks", 14)
    refused(table(tmp_path, "path,label", *rows(), ",sky"), "lacks", 14)
    refused(table(tmp_path, "path,label", *rows(), rows()[2]), "twice, first on line 4", 14)
    refused(table(tmp_path, "path,label,split", *rows(split=",later")), "'later'", 2)
    refused(table(tmp_path, "path,label,split", *rows(split=",")), "''", 2)
    refused(table(tmp_path, "path,label", 'photos/"sky/00.jpg,"sky'), "not a CSV file|no file", 2)
    lines = [*rows(split=",train")[:6], *rows(split=",test")[6:]]
    refused(table(tmp_path, "path,label,split", *lines), "'sky' has no training image", 8)
    with pytest.raises(DataError, match="one class only"):
        open_data(table(tmp_path, "path,label", *rows()[:6]))
    with pytest.raises(DataError, match="no training image"):
        open_data(table(tmp_path, "path,label,split", *rows(split=",test")))
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError):
        open_data(tmp_path / "binary.csv")


def read_split(path: Path) -> list[list[str]]:
    """Read a recorded split, with no images at hand."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [[plain_cell(cell) for cell in row] for row in rows][1:]


def test_a_split_is_recorded_and_read_back(photos: Path, tmp_path: Path) -> None:
    splits = open_data(photos)
    write_split(tmp_path / "split.csv", splits)
    lines = (tmp_path / "split.csv").read_text().splitlines()
    assert lines[0] == "name,label,split"
    assert len(lines) == 13
    recorded = read_split(tmp_path / "split.csv")
    assert recorded[0] == [splits.train.names[0], "leaf", "train"]
    assert [part for _, _, part in recorded].count("validation") == len(splits.validation)


def test_a_recorded_split_in_the_folder_is_used_again(photos: Path, tmp_path: Path) -> None:
    splits = open_data(photos, seed=5)
    write_split(photos / "split.csv", splits)
    again = open_data(photos, seed=8)
    assert again.name == splits.name
    assert again.test is not None
    assert splits.test is not None
    assert sorted(again.train.names) == sorted(splits.train.names)
    assert sorted(again.validation.names) == sorted(splits.validation.names)
    assert sorted(again.test.names) == sorted(splits.test.names)
    (photos / "sky" / "00.jpg").unlink()
    with pytest.raises(DataError, match=r"sky/00\.jpg"):
        open_data(photos)


def test_hostile_names_survive_the_record(tmp_path: Path) -> None:
    names = (
        "=cmd()",
        "'=x",
        "'",
        "''y",
        "-1",
        "@a",
        "+b",
        "a,b",
        'q"q',
        "n\nn",
        "r\rr",
        "caf\udce9",
    )
    images = ImageSet(
        classes=("=A1", "plain"),
        names=names,
        labels=np.array([index % 2 for index in range(len(names))], np.int64),
        reader=ArrayReader(np.zeros((len(names), 2, 2), np.uint8)),
        places=np.arange(len(names), dtype=np.int64),
    )
    splits = DataSplits(
        name="x", classes=images.classes, train=images, validation=images.subset([0]), test=None
    )
    write_split(tmp_path / "split.csv", splits)
    recorded = read_split(tmp_path / "split.csv")
    assert tuple(name for name, _, _ in recorded) == (*names, "=cmd()")
    assert recorded[0][1] == "=A1"
    raw = (tmp_path / "split.csv").read_bytes()
    assert b"caf\xe9" in raw
    for line in raw.split(b"\n"):
        assert not line.lstrip(b'"').startswith((b"=", b"+", b"-", b"@"))
