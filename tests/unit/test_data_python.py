"""Python data sets as sources: torchvision's, torch's subsets, a user's own."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, TensorDataset, random_split
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms import v2

from googlenet.data.source import open_data
from googlenet.errors import DataError, ImageError, UsageError
from tests.conftest import photographs
from tests.image_files import encoded, noise


class Pictures(Dataset[tuple[Any, Any]]):
    """Images of any kind with labels of any kind."""

    def __init__(self, images: Sequence[Any], labels: Sequence[Any], **attributes: Any) -> None:
        self.images, self.labels = images, labels
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.images[index], self.labels[index]


def pictures(count: int, labels: Sequence[Any] = (0, 1), **attributes: Any) -> Pictures:
    cycle = [labels[index % len(labels)] for index in range(count)]
    return Pictures([noise(6, 5, seed=index) for index in range(count)], cycle, **attributes)


def test_one_data_set_is_split() -> None:
    splits = open_data(pictures(40))
    assert splits.test is not None
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (28, 6, 6)
    assert (splits.name, splits.classes) == ("dataset", ("0", "1"))
    name = splits.train.names[0]
    index = int(name.removeprefix("image/"))
    assert np.array_equal(splits.train.pixels(0), noise(6, 5, seed=index))
    assert splits.train.path(0) is None


def test_two_and_three_data_sets_are_parts() -> None:
    two = open_data((pictures(10), pictures(4)))
    assert (len(two.train), len(two.validation), two.test) == (10, 4, None)
    assert two.validation.names[3] == "validation/00003"
    assert np.array_equal(two.validation.pixels(3), noise(6, 5, seed=3))
    three = open_data((pictures(10), pictures(4), pictures(6)))
    assert three.test is not None
    assert np.array_equal(three.test.pixels(5), noise(6, 5, seed=5))
    assert open_data([pictures(10), pictures(4)]).fingerprint == two.fingerprint
    assert three.fingerprint != two.fingerprint
    with pytest.raises(UsageError, match="4 data sets"):
        open_data((pictures(2),) * 4)


def test_labels_are_matched_by_name() -> None:
    named = open_data((pictures(4, ("cat", "dog")), pictures(3, ("dog",))))
    assert named.classes == ("cat", "dog")
    assert named.validation.labels.tolist() == [1, 1, 1]
    # The integers of two data sets mean what each of them says.
    one = pictures(4, (0, 1), classes=["cat", "dog"])
    other = pictures(4, (0, 1), classes=["dog", "cat"])
    assert open_data((one, other)).validation.labels.tolist() == [1, 0, 1, 0]


def test_classes_can_be_named() -> None:
    assert open_data(pictures(20), classes=("no", "yes")).classes == ("no", "yes")
    assert open_data(pictures(20, classes=["no", "yes"])).classes == ("no", "yes")
    assert open_data(pictures(20, ("b", "a"))).classes == ("a", "b")
    assert open_data(pictures(240, range(12))).classes == tuple(map(str, range(12)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pictures(20, (0, 2)), "'1' has no training image"),
        (pictures(20, (0,)), "one class only"),
        (pictures(20, (0, 1), classes=["only", "two", "three"]), "'three'"),
        (pictures(20, (0, 5), classes=["a", "b"]), "5 has no name"),
        (pictures(20, (0, -1)), "label -1"),
        (pictures(20, (0, 1.5)), "label 1.5"),
        (pictures(20, (0, "a")), "label 'a'"),
        (pictures(0), "empty"),
        ((pictures(4), pictures(4, (0, 1, 2))), "'2' has no training image"),
        ((pictures(4, ("a", "b")), pictures(4, ("a", "c"))), "'c' has no training image"),
    ],
)
def test_labels_that_cannot_be_used(data: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_data(data)


def test_what_is_no_data_set() -> None:
    for thing in (None, 7, iter([1]), (7,), object()):
        with pytest.raises(UsageError, match="map-style"):
            open_data(thing)


def test_every_kind_of_image() -> None:
    pixels = noise(6, 5)
    chw = torch.from_numpy(pixels).permute(2, 0, 1)
    kinds = [
        pixels,
        Image.fromarray(pixels),
        encoded(Image.fromarray(pixels), "PNG"),
        chw,
        chw.float() / 255,
        chw.double() / 255,
        v2.functional.to_image(pixels),
    ]
    splits = open_data(
        (Pictures(kinds, [0, 1, 0, 1, 0, 1, 0]), Pictures([chw[0], chw[:1]], torch.tensor([1, 0])))  # type: ignore[arg-type]
    )
    for index in range(len(kinds)):
        assert np.array_equal(splits.train.pixels(index), pixels)
    for index in range(2):
        grey = splits.validation.pixels(index)
        assert np.array_equal(grey, np.repeat(pixels[:, :, :1], 3, axis=2))


def test_images_that_are_none_are_named() -> None:
    class Unreadable(Pictures):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            if index == 1:
                raise OSError("cannot identify image file")
            return super().__getitem__(index)

    normalized = torch.full((3, 6, 5), -1.5)
    images = Unreadable([normalized] * 4, [0, 1] * 2, targets=[0, 1] * 2)
    train = open_data((images, pictures(2))).train
    with pytest.raises(ImageError, match=r"\[0, 1\]") as normal:
        train.pixels(0)
    assert normal.value.where == "train/00000"
    with pytest.raises(ImageError, match="cannot identify") as unreadable:
        train.pixels(1)
    assert (unreadable.value.where, unreadable.value.reason) == ("train/00001", "unreadable")


def test_errors_in_a_data_set_are_not_taken_for_bad_images() -> None:
    class Broken(Pictures):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            raise KeyError("a mistake in the program")

    with pytest.raises(KeyError):
        open_data((Broken([], [0, 1], targets=[0, 1]), pictures(2))).train.pixels(0)


def test_torchvision_data_sets_and_subsets(tmp_path: Path) -> None:
    folder = ImageFolder(str(photographs(tmp_path, count=6)))
    splits = open_data(folder)
    assert splits.classes == ("leaf", "sky")
    assert len(splits.train) + len(splits.validation) + len(splits.test or ()) == 12
    train, validation = random_split(folder, [8, 4], torch.Generator().manual_seed(0))
    parts = open_data((train, validation))
    assert parts.classes == ("leaf", "sky")
    assert parts.train.labels.tolist() == [folder.targets[index] for index in train.indices]
    nested = Subset(Subset(folder, list(range(10))), [9, 0])
    again = open_data((folder, nested)).validation
    assert again.labels.tolist() == [1, 0]
    assert np.array_equal(again.pixels(0), splits_pixels(folder, 9))
    tensors = TensorDataset(torch.zeros(8, 3, 4, 4), torch.arange(8) % 2)
    assert open_data(tensors).train.labels.max() == 1
    assert open_data(FakeData(30, (3, 8, 8), 2)).classes == ("0", "1")
    flipped = ImageFolder(str(tmp_path), target_transform=lambda label: 1 - label)
    assert open_data((flipped, flipped)).train.labels.tolist() == [1] * 6 + [0] * 6


def splits_pixels(folder: ImageFolder, index: int) -> Any:
    return np.asarray(folder[index][0])


def test_sets_travel_to_other_processes() -> None:
    train = open_data((pictures(4), pictures(2))).train
    assert np.array_equal(pickle.loads(pickle.dumps(train)).pixels(2), train.pixels(2))
