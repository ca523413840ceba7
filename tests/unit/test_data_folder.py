"""Directories and CSV files as sources: what is found, what is said, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from googlenet.data.source import DataSplits, open_data
from googlenet.errors import DataError, ImageError, UsageError
from tests.conftest import photograph, photographs


def labels_by_name(splits: DataSplits) -> dict[str, str]:
    return {
        name: images.classes[label]
        for images in (splits.train, splits.validation, splits.test)
        if images is not None
        for name, label in zip(images.names, images.labels.tolist(), strict=True)
    }


def refused(data: object, said: str) -> DataError:
    with pytest.raises(DataError, match=said) as error:
        open_data(data)
    assert len(str(error.value).splitlines()) == 3
    assert error.value.exit_code == 3
    return error.value


def test_a_flat_folder_is_split_70_15_15(tmp_path: Path) -> None:
    splits = open_data(photographs(tmp_path / "photos", count=20), seed=3)
    assert (splits.name, splits.classes, splits.flip) == ("photos", ("leaf", "sky"), "horizontal")
    assert splits.root == tmp_path / "photos"
    assert splits.test is not None
    parts = (splits.train, splits.validation, splits.test)
    assert [part.counts().tolist() for part in parts] == [[14, 14], [3, 3], [3, 3]]
    found = labels_by_name(splits)
    assert len(found) == 40
    assert all(name.split("/")[0] == label for name, label in found.items())
    assert any("28 training, 6 validation and 6 test" in note for note in splits.notes)
    for index in range(3):
        path = splits.train.path(index)
        assert path == tmp_path / "photos" / splits.train.names[index]
        assert splits.train.pixels(index).shape == (48, 48, 3)


def test_the_split_is_seeded_and_the_test_part_is_the_same_for_every_seed(tmp_path: Path) -> None:
    root = photographs(tmp_path, count=20)
    one, same, other = (open_data(root, seed=seed) for seed in (1, 1, 2))
    assert one.train.names == same.train.names
    assert one.fingerprint == same.fingerprint
    assert one.validation.names != other.validation.names
    assert one.test is not None
    assert other.test is not None
    assert one.test.names == other.test.names


def test_shares_can_be_chosen(tmp_path: Path) -> None:
    root = photographs(tmp_path, count=20)
    splits = open_data(root, validation_share=0.25, test_share=0.5)
    assert [len(part or ()) for part in (splits.train, splits.validation, splits.test)] == [
        10,
        10,
        20,
    ]
    for share in (0.0, 1.0, -1.0):
        with pytest.raises(UsageError):
            open_data(root, validation_share=share)


@pytest.mark.parametrize("folder", ["val", "valid", "validation"])
def test_parts_that_are_there_are_used(tmp_path: Path, folder: str) -> None:
    photographs(tmp_path / "train", count=4)
    photographs(tmp_path / folder, count=3)
    photographs(tmp_path / "test", count=2)
    splits = open_data(tmp_path, seed=9)
    assert splits.test is not None
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 6, 4]
    assert splits.validation.names[0] == f"{folder}/leaf/00.jpg"
    if folder != "validation":
        assert f"{folder}/ is the validation part" in splits.notes


def test_a_missing_validation_part_is_carved_from_training(tmp_path: Path) -> None:
    photographs(tmp_path / "train", count=20)
    alone = open_data(tmp_path)
    assert (len(alone.train), len(alone.validation), alone.test) == (34, 6, None)
    assert any("carved" in note for note in alone.notes)
    photographs(tmp_path / "test", count=2)
    tested = open_data(tmp_path)
    assert tested.test is not None
    assert (len(tested.train), len(tested.validation), len(tested.test)) == (34, 6, 4)
    assert tested.train.names == alone.train.names


def test_labels_are_matched_by_name_between_parts(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        photograph(tmp_path / "train" / name / "1.png", "leaf", 1)
        photograph(tmp_path / "train" / name / "2.png", "leaf", 2)
    photograph(tmp_path / "val" / "c" / "1.png", "leaf", 3)  # alone, so first by position
    (tmp_path / "val" / "a").mkdir()
    splits = open_data(tmp_path)
    assert splits.classes == ("a", "b", "c")
    assert splits.validation.labels.tolist() == [2]


def test_classes_are_sorted_by_code_point_and_images_found_at_any_depth(tmp_path: Path) -> None:
    for name in ("b", "B", "a10", "a9", "é"):
        photograph(tmp_path / name / "deep" / "er" / "1.png", "leaf", 1)
        photograph(tmp_path / name / "2.PNG", "leaf", 2)
    splits = open_data(tmp_path, test_share=0.2, validation_share=0.2)
    assert splits.classes == ("B", "a10", "a9", "b", "é")
    assert "a9/deep/er/1.png" in labels_by_name(splits)


def test_what_is_hidden_or_no_image_by_its_name_is_left_out(tmp_path: Path) -> None:
    photographs(tmp_path, count=3)
    photograph(tmp_path / ".ipynb_checkpoints" / "1.png", "leaf", 1)
    photograph(tmp_path / "leaf" / ".thumbnails" / "1.png", "leaf", 1)
    photograph(tmp_path / "leaf" / "._1.png", "leaf", 1)
    (tmp_path / "leaf" / "notes.txt").write_text("a note")
    (tmp_path / "README.md").write_text("a folder")
    splits = open_data(tmp_path)
    assert len(labels_by_name(splits)) == 6
    assert "1 files without an image's suffix are left out" in splits.notes


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    store = photographs(tmp_path / "store", count=3)
    root = tmp_path / "photos"
    (root / "leaf").mkdir(parents=True)
    (root / "sky").symlink_to(store / "sky")
    (root / "leaf" / "linked").symlink_to(store / "leaf")
    (root / "leaf" / "around").symlink_to(root / "leaf")
    assert len(labels_by_name(open_data(root))) == 6


def test_odd_entries_cost_only_themselves(tmp_path: Path) -> None:
    photographs(tmp_path, count=3)
    (tmp_path / "sky" / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "sky" / "pipe.jpg")
    (tmp_path / "sky" / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "sky" / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "sky" / "empty.jpg").touch()
    with open(bytes(tmp_path) + b"/sky/caf\xe9\n.jpg", "wb") as file:
        file.write((tmp_path / "sky" / "00.jpg").read_bytes())
    splits = open_data(tmp_path)
    reasons = {}
    for images in (splits.train, splits.validation, splits.test):
        assert images is not None
        for index, name in enumerate(images.names):
            try:
                images.pixels(index)
            except ImageError as error:
                reasons[os.path.basename(name)] = error.reason
    assert reasons == {
        "pipe.jpg": "unreadable",
        "loop.jpg": "unreadable",
        "gone.jpg": "missing",
        "empty.jpg": "empty",
    }


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "plane", "bus"):
        for number in range(4):
            photograph(tmp_path / name / f"{number}.png", "leaf", number)
    assert open_data(tmp_path).classes == ("bus", "plane", "train")


def test_other_directories_beside_train_are_said_to_be_unused(tmp_path: Path) -> None:
    photographs(tmp_path / "train", count=3)
    photographs(tmp_path / "originals", count=3)
    assert any("originals/" in note for note in open_data(tmp_path).notes)


def test_directories_that_cannot_be_used(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no such directory")
    refused("elvp", "no such directory")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no folder of images")
    photograph(tmp_path / "loose" / "1.jpg", "leaf", 1)
    refused(tmp_path / "loose", "no folder of images")
    (tmp_path / "file.bin").write_bytes(b"0")
    refused(tmp_path / "file.bin", "no CSV file")
    photographs(tmp_path / "tested" / "test")
    refused(tmp_path / "tested", "no training image")
    photographs(tmp_path / "twice" / "train")
    photographs(tmp_path / "twice" / "val")
    photographs(tmp_path / "twice" / "valid")
    refused(tmp_path / "twice", "val and valid are both")


def test_a_class_with_no_image_is_named(tmp_path: Path) -> None:
    photographs(tmp_path / "flat")
    (tmp_path / "flat" / "soil").mkdir()
    refused(tmp_path / "flat", "'soil' has no training image")
    photographs(tmp_path / "parts" / "train")
    (tmp_path / "parts" / "train" / "soil").mkdir()
    photographs(tmp_path / "parts" / "val")
    refused(tmp_path / "parts", "'soil' has no training image")


def test_a_class_that_only_another_part_has_is_named(tmp_path: Path) -> None:
    for part in ("val", "test"):
        root = tmp_path / part
        photographs(root / "train")
        photographs(root / part)
        photograph(root / part / "soil" / "1.png", "leaf", 1)
        refused(root, "'soil' is not in train/")


def test_one_class_only(tmp_path: Path) -> None:
    photograph(tmp_path / "leaf" / "1.png", "leaf", 1)
    refused(tmp_path, "one class only, 'leaf'")


def test_too_few_images_to_split(tmp_path: Path) -> None:
    photograph(tmp_path / "leaf" / "1.png", "leaf", 1)
    photograph(tmp_path / "sky" / "1.png", "sky", 1)
    refused(tmp_path, "too few images")
    photograph(tmp_path / "sky" / "2.png", "sky", 2)
    refused(tmp_path, "too few images")
    photograph(tmp_path / "leaf" / "2.png", "leaf", 2)
    splits = open_data(tmp_path)
    assert [len(part or ()) for part in (splits.train, splits.validation, splits.test)] == [2, 1, 1]


def test_classes_can_be_given(tmp_path: Path) -> None:
    root = photographs(tmp_path)
    splits = open_data(root, classes=("sky", "leaf"))
    assert splits.classes == ("sky", "leaf")
    assert all((n[0] == "s") == (lab == "sky") for n, lab in labels_by_name(splits).items())
    with pytest.raises(DataError, match="'sky'"):
        open_data(root, classes=("leaf", "soil"))


def test_the_fingerprint_changes_with_what_a_run_depends_on(tmp_path: Path) -> None:
    root = photographs(tmp_path)
    prints = [open_data(root).fingerprint, open_data(root, seed=1).fingerprint]
    image = root / "leaf" / "03.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    prints.append(open_data(root).fingerprint)
    image.rename(root / "sky" / "99.jpg")
    prints.append(open_data(root).fingerprint)
    (root / "sky").rename(root / "soil")
    prints.append(open_data(root).fingerprint)
    assert len(set(prints)) == 5
    assert all(len(fingerprint) == 64 for fingerprint in prints)


def test_a_vanished_file_is_missing_not_fatal(tmp_path: Path) -> None:
    splits = open_data(photographs(tmp_path))
    path = splits.train.path(0)
    assert path is not None
    path.unlink()
    with pytest.raises(ImageError) as gone:
        splits.train.pixels(0)
    assert (gone.value.reason, gone.value.where) == ("missing", str(path))


def test_subsets_keep_their_pixels(tmp_path: Path) -> None:
    train = open_data(photographs(tmp_path)).train
    part = train.subset([5, 2])
    assert part.names == (train.names[5], train.names[2])
    assert part.labels.tolist() == train.labels[[5, 2]].tolist()
    assert np.array_equal(part.pixels(1), train.pixels(2))
    assert part.subset([1]).path(0) == train.path(2)
