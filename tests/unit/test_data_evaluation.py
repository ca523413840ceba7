"""Data to measure a model on: which part, and labels matched to the model's classes by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from googlenet.data.source import open_data, open_evaluation_set
from googlenet.errors import DataError, UsageError
from tests.conftest import photograph, photographs
from tests.unit.test_data_python import pictures

CLASSES = ("leaf", "sky")


def measured(
    data: Any, split: Any = None, classes: tuple[str, ...] = CLASSES, seed: int = 0
) -> Any:
    images, part, _ = open_evaluation_set(data, classes=classes, split=split, seed=seed)
    assert images.classes == classes
    return part, images.names


def test_a_flat_folder_is_measured_whole(tmp_path: Path) -> None:
    root = photographs(tmp_path, count=20)
    part, names = measured(root)
    assert (part, len(names)) == ("all", 40)
    assert measured(root, "all") == (part, names)


def test_the_parts_of_a_flat_folder_are_those_of_the_run(tmp_path: Path) -> None:
    root = photographs(tmp_path, count=20)
    splits = open_data(root, seed=7)
    assert splits.test is not None
    assert measured(root, "test") == ("test", splits.test.names)
    assert measured(root, "validation", seed=7) == ("validation", splits.validation.names)
    assert measured(root, "train", seed=7) == ("train", splits.train.names)


def test_of_the_data_of_the_training_the_test_part_is_measured(tmp_path: Path) -> None:
    root = photographs(tmp_path, count=20)
    splits = open_data(root, seed=7)
    assert splits.test is not None

    metadata = {"data": root.name, "data_fingerprint": splits.fingerprint, "seed": 7}

    def found(**settings: Any) -> tuple[str, tuple[str, ...], str]:
        images, part, notes = open_evaluation_set(
            root, classes=CLASSES, metadata=metadata, **settings
        )
        return part, images.names, " ".join(notes)

    for seed in (7, 1):  # the model's own counts
        part, names, notes = found(seed=seed)
        assert (part, names) == ("test", splits.test.names)
        assert "trained on this data" in notes
    assert found(split="all")[0] == "all"
    photograph(root / "sky" / "new.jpg", "sky", 99)
    part, _, notes = found()  # it is other data now, but for the name
    assert part == "all" and "trained on data of this name" in notes


def test_named_parts(tmp_path: Path) -> None:
    photographs(tmp_path / "train", count=20)
    carved = open_data(tmp_path, seed=3)
    assert measured(tmp_path, seed=3) == ("validation", carved.validation.names)
    assert measured(tmp_path, "train", seed=3) == ("train", carved.train.names)
    assert len(measured(tmp_path, "all")[1]) == 40
    with pytest.raises(DataError, match="no test part"):
        measured(tmp_path, "test")
    photographs(tmp_path / "valid", count=2)
    assert measured(tmp_path)[0] == "validation"
    assert len(measured(tmp_path, "train")[1]) == 40
    photographs(tmp_path / "test", count=1)
    assert measured(tmp_path) == ("test", ("test/leaf/00.jpg", "test/sky/00.jpg"))


def test_a_test_part_alone(tmp_path: Path) -> None:
    photographs(tmp_path / "test", count=2)
    assert measured(tmp_path)[0] == "test"
    assert len(measured(tmp_path)[1]) == 4


def test_labels_are_matched_by_name(tmp_path: Path) -> None:
    photograph(tmp_path / "sky" / "1.png", "sky", 1)
    images, _, _ = open_evaluation_set(tmp_path, classes=("soil", "sky", "leaf"))
    assert images.labels.tolist() == [1]
    (tmp_path / "unused").mkdir()  # unknown, but there is nothing of it to measure
    images, _, _ = open_evaluation_set(tmp_path, classes=("sky", "leaf"))
    assert images.labels.tolist() == [0]


def test_a_class_that_the_model_does_not_know_is_named(tmp_path: Path) -> None:
    root = photographs(tmp_path)
    photograph(root / "soil" / "1.png", "leaf", 1)
    with pytest.raises(DataError, match="'soil'") as error:
        measured(root)
    assert error.value.where == "soil/1.png"
    assert len(str(error.value).splitlines()) == 3


def test_splits_and_python_data_sets(tmp_path: Path) -> None:
    splits = open_data(photographs(tmp_path, count=20))
    assert splits.test is not None
    assert measured(splits) == ("test", splits.test.names)
    assert measured(splits, "train") == ("train", splits.train.names)
    classes = ("0", "1")
    assert measured(pictures(6), classes=classes)[0] == "all"
    assert measured((pictures(6), pictures(4)), classes=classes)[0] == "validation"
    alone = open_data((pictures(6), pictures(4)))
    assert measured(alone, classes=classes)[0] == "validation"
    with pytest.raises(DataError, match="no test part"):
        measured(alone, "test", classes=classes)


def test_what_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'holdout'"):
        measured(photographs(tmp_path / "photos"), "holdout")
    (tmp_path / "empty" / "leaf").mkdir(parents=True)
    with pytest.raises(DataError, match="no image to measure"):
        measured(tmp_path / "empty")
    with pytest.raises(DataError, match="no such directory"):
        measured(tmp_path / "nowhere")


def test_a_csv_is_measured(tmp_path: Path) -> None:
    photographs(tmp_path, count=2)
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nleaf/00.jpg,leaf\nsky/01.jpg,sky\n")
    assert measured(table) == ("all", ("leaf/00.jpg", "sky/01.jpg"))
    table.write_text("path,label,split\nleaf/00.jpg,leaf,test\n")
    assert measured(table) == ("test", ("leaf/00.jpg",))
