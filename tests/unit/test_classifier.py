"""The classifier: the same image gives the same probabilities, whatever it comes as."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import googlenet
from googlenet.errors import ImageError, InputSizeError, UsageError
from googlenet.images.policy import prepare
from googlenet.nn.normalize import Normalize
from googlenet.prediction.classifier import Classifier, load, softmax
from googlenet.prediction.rows import Prediction, Unreadable
from tests.narrow import narrow_network, narrow_spec

CLASSES = ("cat", "dog", "eel")

# Kernels for other batch sizes add in another order.
ROUNDING = 1e-6


def pixels(seed: int, height: int = 90, width: int = 70) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(narrow_network(), CLASSES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("photographs")
    paths = [root / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        Image.fromarray(pixels(number, 60 + 9 * number, 64)).save(path)
    return paths


def test_probabilities_are_the_networks(classifier: Classifier) -> None:
    network = narrow_network()
    policy = network.spec.preprocessing
    image = prepare(pixels(1), policy)
    with torch.inference_mode():
        logits = network(Normalize(policy)(torch.from_numpy(image)[None]))
        expected = torch.softmax(logits.double(), 1).numpy()
    found = classifier.probabilities([pixels(1)])
    assert found.dtype == np.float32
    assert found.shape == (1, 3)
    assert np.abs(found - expected).max() < ROUNDING
    assert expected.max() - expected.min() > 0.05


def test_an_image_is_the_same_whatever_it_comes_as(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    image = Image.fromarray(pixels(2))
    image.save(path)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    forms = [path, str(path), path.read_bytes(), buffer.getvalue(), image, pixels(2)]
    singles = [classifier.predict(form) for form in forms]
    assert [row.name for row in singles[:3]] == [str(path), str(path), "image 0"]
    assert {(row.labels, row.probabilities) for row in singles} == {
        (singles[0].labels, singles[0].probabilities)
    }
    together = classifier.predict(forms)
    assert isinstance(together, list)
    for row in together:
        assert row.labels == singles[0].labels
        assert row.probabilities == pytest.approx(singles[0].probabilities, abs=ROUNDING)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_the_batch_size_changes_rounding_only(
    batch_size: int, classifier: Classifier, files: list[Path]
) -> None:
    expected = classifier.probabilities(files, batch_size=4)
    found = classifier.probabilities(files, batch_size)
    assert np.abs(found - expected).max() < ROUNDING
    rows = list(classifier.predict_files(files, 3, batch_size))
    for row, shares in zip(rows, expected, strict=True):
        assert isinstance(row, Prediction)
        assert row.probabilities == pytest.approx(np.sort(shares)[::-1], abs=ROUNDING)
        assert row.label == CLASSES[shares.argmax()]


def test_nothing_at_all_is_no_error(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert classifier.probabilities([]).shape == (0, 3)
    assert list(classifier.predict_files([])) == []


def test_top_k(classifier: Classifier) -> None:
    one = classifier.predict(pixels(3), top_k=1)
    every = classifier.predict(pixels(3), top_k=99)
    assert len(one.labels) == 1
    assert sorted(every.labels) == list(CLASSES)
    assert every.labels[0] == one.label
    assert sum(every.probabilities) == pytest.approx(1)
    assert list(every.probabilities) == sorted(every.probabilities, reverse=True)
    with pytest.raises(UsageError):
        classifier.predict(pixels(3), top_k=0)
    with pytest.raises(UsageError):
        classifier.predict(pixels(3), batch_size=0)


def test_an_unreadable_image_is_named(classifier: Classifier, files: list[Path]) -> None:
    bad = files[0].with_name("text.jpg")
    bad.write_text("no image")
    with pytest.raises(ImageError) as caught:
        classifier.predict([files[0], bad])
    assert caught.value.where == str(bad)


def test_one_bad_file_does_not_stop_the_rest(
    classifier: Classifier, files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes(files[1].read_bytes()[:-200])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    bad = [tmp_path / name for name in ("cut.png", "empty.png", "folder.png", "nowhere.png")]
    mixed = [files[0], bad[0], bad[1], files[1], bad[2], bad[3], *files[2:]]
    for batch_size in (1, 2, 32):
        rows = list(classifier.predict_files(mixed, batch_size=batch_size))
        assert [row.name for row in rows] == [str(path) for path in mixed]
        failed = {row.name: row.reason for row in rows if isinstance(row, Unreadable)}
        assert failed == {
            str(bad[0]): "truncated",
            str(bad[1]): "empty",
            str(bad[2]): "unreadable",
            str(bad[3]): "missing",
        }


def test_files_are_taken_as_they_are_wanted(classifier: Classifier, files: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for path in itertools.cycle(files):
            taken += 1
            yield path

    rows = classifier.predict_files(endless(), batch_size=2)
    assert taken == 0
    first = [next(rows) for _ in range(5)]
    assert [row.name for row in first] == [str(path) for path in files[:5]]
    assert taken <= 5 + 3 * 2
    rows.close()  # type: ignore[attr-defined]  # stops the threads


def test_somebody_elses_settings_change_nothing(classifier: Classifier) -> None:
    batch = prepare(pixels(4), classifier.preprocessing)[None]
    expected = classifier.logits(batch)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(classifier.logits(batch), expected)
    assert torch.is_grad_enabled()
    assert np.array_equal(classifier.logits(torch.from_numpy(batch)), expected)


def test_the_policy_is_the_models() -> None:
    policy = narrow_spec().preprocessing
    image = pixels(5)
    rgb = Classifier(narrow_network(), CLASSES)
    bgr = Classifier(
        narrow_network(), CLASSES, replace(policy, channel_order="bgr", mean=policy.mean[::-1])
    )
    assert not np.allclose(rgb.probabilities([image]), bgr.probabilities([image]))
    squash = Classifier(narrow_network(), CLASSES, replace(policy, resize_mode="squash"))
    assert not np.allclose(rgb.probabilities([image]), squash.probabilities([image]))


def test_saving_and_loading_gives_the_same_bits(
    classifier: Classifier, files: list[Path], tmp_path: Path
) -> None:
    classifier.save(tmp_path / "m")
    for again in (load(tmp_path / "m"), googlenet.load(tmp_path / "m")):
        assert again.classes == CLASSES
        assert again.preprocessing == classifier.preprocessing
        assert again.metadata == classifier.metadata
        assert np.array_equal(again.probabilities(files), classifier.probabilities(files))


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 3, 64, 64), np.uint8),
        np.zeros((1, 64, 64, 3), np.float32),
    ],
)
def test_a_batch_of_another_kind_is_refused(
    batch: NDArray[np.uint8], classifier: Classifier
) -> None:
    with pytest.raises(UsageError, match=r"\(N, H, W, 3\) uint8"):
        classifier.logits(batch)


def test_images_too_small_for_the_network_are_refused(classifier: Classifier) -> None:
    with pytest.raises(InputSizeError):
        classifier.logits(np.zeros((1, 4, 4, 3), np.uint8))


def test_classes_and_devices_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="2 class names for 3 logits"):
        Classifier(narrow_network(), ["a", "b"])
    with pytest.raises(UsageError, match="two classes are named 'a'"):
        Classifier(narrow_network(), ["a", "b", "a"])
    for device in ("abacus", "cuda:99"):
        with pytest.raises(UsageError, match="Use the device cpu"):
            Classifier(narrow_network(), CLASSES, device=device)


def test_softmax_of_extreme_logits() -> None:
    found = softmax(np.array([[1e4, -1e4, 0], [-1e30, -1e30, -1e30]], np.float32))
    assert found[0].tolist() == [1, 0, 0]
    assert found[1] == pytest.approx([1 / 3] * 3)
