"""Measuring a model on a folder: what is counted, what is written, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import googlenet
from googlenet.data.source import open_data
from googlenet.errors import DataError, ModelError, ResultError, UsageError
from googlenet.evaluation.evaluate import evaluate
from googlenet.prediction.classifier import Classifier, load
from googlenet.weights.model_directory import save_model
from tests.image_files import photograph_like, png
from tests.narrow import narrow_network, narrow_spec

CLASSES = ("cat", "dog", "eel")

# Kernels for other batch sizes add in another order.
ROUNDING = 1e-6


def photograph(path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    colour = generator.integers(0, 256, 3)
    noise = generator.integers(-60, 61, (int(generator.integers(50, 120)), 70, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes with ten photographs each; not to be written to."""
    root = tmp_path_factory.mktemp("data") / "animals"
    for label, name in enumerate(CLASSES):
        for number in range(10):
            suffix = ("jpg", "png", "bmp")[number % 3]
            photograph(root / name / f"{number:02}.{suffix}", 100 * label + number)
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory; not to be written to."""
    path = tmp_path_factory.mktemp("models") / "model"
    save_model(path, narrow_network(), classes=CLASSES, metadata={"weights": "averaged"})
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_files_agree_with_the_evaluation(animals: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = evaluate(trained, animals, out=out)
    assert (found.count, found.split, found.data, found.variant) == (30, "all", "animals", "bn")
    assert found.weights == "averaged"
    assert found.model == str(trained)
    assert 0 < found.top1 < 1

    document = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(found.to_json()))

    rows = table(out / "predictions.csv")
    names = sorted(path.relative_to(animals).as_posix() for path in animals.rglob("*.*"))
    assert sorted(row["file"] for row in rows) == names
    assert all(row["truth"] == row["file"].split("/")[0] for row in rows)
    assert np.mean([row["correct"] == "true" for row in rows]) == pytest.approx(found.top1)
    assert all((row["rank_of_truth"] == "1") == (row["correct"] == "true") for row in rows)
    assert all((row["truth"] == row["prediction"]) == (row["correct"] == "true") for row in rows)

    per_class = table(out / "per_class.csv")
    assert [row["class"] for row in per_class] == list(CLASSES)
    assert [row["support"] for row in per_class] == ["10"] * 3

    matrix = table(out / "confusion_matrix.csv")
    for row, counts in zip(matrix, found.confusion_matrix, strict=True):
        assert [int(row[name]) for name in CLASSES] == list(counts)

    mistakes = json.loads((out / "mistakes.json").read_text(encoding="utf-8"))
    wrong = [row for row in rows if row["correct"] == "false"]
    wrong.sort(key=lambda row: -float(row["probability"]))
    assert [each["file"] for each in mistakes] == [row["file"] for row in wrong[:24]]
    for number, each in enumerate(mistakes, start=1):
        assert each["picture"] == f"mistakes/{number:02}.jpg"
        with Image.open(out / each["picture"]) as picture, Image.open(animals / each["file"]) as it:
            assert picture.format == "JPEG"
            assert picture.size == it.size  # small enough to stay as it is
    assert not (out / "unreadable.csv").exists()


def test_evaluate_predict_and_python_give_the_same_probabilities(
    animals: Path, trained: Path, tmp_path: Path
) -> None:
    evaluate(trained, animals, out=tmp_path / "out", batch_size=7)
    rows = table(tmp_path / "out" / "predictions.csv")
    measured = {row["file"]: float(row["probability"]) for row in rows}
    files = [animals / name for name in measured]

    done = subprocess.run(
        [sys.executable, "-m", "googlenet", "predict", str(trained), *map(str, files), "--json"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    predictions = json.loads(done.stdout)["predictions"]
    assert len(predictions) == len(files)
    predicted = {row["file"]: row for row in predictions}
    classifier = googlenet.load(trained)
    for name, probability in measured.items():
        python = classifier.predict(animals / name)
        command = predicted[str(animals / name)]
        assert python.probability == pytest.approx(probability, abs=ROUNDING)
        assert command["probability"] == pytest.approx(probability, abs=ROUNDING)
        assert command["label"] == python.label


def test_they_agree_on_every_way_to_store_a_picture(
    animals: Path, trained: Path, tmp_path: Path
) -> None:
    pixels = photograph_like(40, 70)
    folder = tmp_path / "odd" / sorted(path.name for path in animals.iterdir())[0]
    folder.mkdir(parents=True)
    picture = Image.fromarray(pixels)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        picture.save(folder / f"turned-{orientation}.jpg", exif=exif)
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.convert("P").save(folder / "palette.gif")
    picture.convert("L").save(folder / "grey.webp")
    alpha = np.dstack([pixels, np.linspace(0, 255, pixels[..., 0].size).reshape(40, 70)])
    Image.fromarray(alpha.astype(np.uint8)).save(folder / "alpha.png")
    (folder / "deep.png").write_bytes(png(pixels.astype(np.uint16) * 257, 2, 16))
    picture.save(folder / "lzw.tiff", compression="tiff_lzw")
    picture.save(folder / "plain.bmp")

    evaluate(trained, tmp_path / "odd", out=tmp_path / "out")
    rows = table(tmp_path / "out" / "predictions.csv")
    measured = {Path(row["file"]).name: float(row["probability"]) for row in rows}
    assert len(measured) == 15
    done = subprocess.run(
        [sys.executable, "-m", "googlenet", "predict", str(trained), str(folder), "--json"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    predictions = json.loads(done.stdout)["predictions"]
    predicted = {Path(row["file"]).name: row["probability"] for row in predictions}
    classifier = googlenet.load(trained)
    for name, probability in measured.items():
        python = classifier.predict(folder / name).probability
        assert python == pytest.approx(probability, abs=ROUNDING), name
        assert predicted[name] == pytest.approx(probability, abs=ROUNDING), name
    # They are pictures of their own to the network, so that to agree means something.
    turned = {round(measured[f"turned-{orientation}.jpg"], 7) for orientation in range(1, 9)}
    assert len(turned) > 4


def test_workers_and_batches_change_nothing(animals: Path, trained: Path) -> None:
    expected = evaluate(trained, animals)
    seen: list[tuple[int, int]] = []
    found = evaluate(
        trained, animals, workers=1, batch_size=8, progress=lambda n, of: seen.append((n, of))
    )
    assert found.confusion_matrix == expected.confusion_matrix
    assert found.loss == pytest.approx(expected.loss, abs=1e-5)
    assert seen == [(8, 30), (16, 30), (24, 30), (30, 30)]


def test_a_classifier_and_the_parts_of_data(animals: Path, trained: Path) -> None:
    classifier = load(trained)
    splits = open_data(animals, seed=3)
    whole = evaluate(classifier, splits)
    assert (whole.split, whole.model, whole.data) == ("test", "in memory", "animals")
    assert splits.test is not None
    direct = evaluate(classifier, splits.test, split="test")
    assert direct.confusion_matrix == whole.confusion_matrix
    assert evaluate(classifier, splits, split="validation").count == len(splits.validation)


def test_labels_are_matched_by_name(animals: Path, tmp_path: Path) -> None:
    network = narrow_network()
    network.fc.weight.data = network.fc.weight.data[[2, 0, 1]]
    network.fc.bias.data = network.fc.bias.data[[2, 0, 1]]
    turned = evaluate(Classifier(network, ["eel", "cat", "dog"]), animals)
    plain = evaluate(Classifier(narrow_network(), CLASSES), animals)
    assert turned.top1 == plain.top1
    assert turned.classes == ("eel", "cat", "dog")
    matrix = np.array(plain.confusion_matrix)[[2, 0, 1]][:, [2, 0, 1]]
    assert np.array_equal(np.array(turned.confusion_matrix), matrix)


def test_a_class_that_is_absent_is_fine_and_an_unknown_one_is_not(
    animals: Path, trained: Path, tmp_path: Path
) -> None:
    root = tmp_path / "two"
    for name in ("cat", "dog"):
        shutil.copytree(animals / name, root / name)
    found = evaluate(trained, root)
    assert found.count == 20
    assert found.per_class[2].support == 0
    assert found.per_class[2].recall is None
    shutil.copytree(animals / "cat", root / "yak")
    with pytest.raises(DataError, match="yak"):
        evaluate(trained, root)


def test_unreadable_images_are_named_skipped_and_counted(
    animals: Path, trained: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(animals, tmp_path / "animals"))
    expected = evaluate(trained, root)
    (root / "dog" / "text.jpg").write_text("no image")
    (root / "cat" / "=cut.png").write_bytes((root / "cat" / "01.png").read_bytes()[:-500])
    found = evaluate(trained, root, out=tmp_path / "out", max_unreadable=0.1)
    assert (found.count, found.unreadable) == (30, 2)
    assert found.confusion_matrix == expected.confusion_matrix
    rows = table(tmp_path / "out" / "unreadable.csv")
    assert [row["file"] for row in rows] == ["cat/=cut.png", "dog/text.jpg"]
    assert rows[0]["reason"] == "truncated"
    assert len(table(tmp_path / "out" / "predictions.csv")) == 30


def test_too_many_unreadable_images_stop_it(animals: Path, trained: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(animals, tmp_path / "animals"))
    for number in range(5):
        (root / "dog" / f"bad {number}.jpg").write_text("no image")
    with pytest.raises(ResultError) as caught:
        evaluate(trained, root, out=tmp_path / "out", batch_size=1, workers=1)
    error = caught.value
    assert error.exit_code == 1
    assert "2 of 35 images cannot be read" in error.what
    assert error.where is not None
    assert "dog/bad 0.jpg" in error.where
    assert error.fix is not None
    assert "--max-unreadable" in error.fix
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["unreadable.csv"]
    assert evaluate(trained, root, max_unreadable=0.2).unreadable == 5


def test_no_readable_image_at_all(trained: Path, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.jpg").write_text("no image")
    with pytest.raises(DataError, match="no image to measure"):
        evaluate(trained, tmp_path / "data", max_unreadable=1.0)


def test_an_output_directory_with_other_files_is_refused_before_the_work(
    animals: Path, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        evaluate(tmp_path / "no model", animals, out=tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError):
        evaluate(trained, animals, out=tmp_path / "file")


def test_an_earlier_evaluation_is_replaced_whole(
    animals: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    evaluate(trained, animals, out=out)
    (out / "unreadable.csv").write_text("file,reason\n")
    (out / "mistakes" / "99.jpg").write_bytes(b"")
    evaluate(trained, animals, out=out)
    assert not (out / "unreadable.csv").exists()
    assert not (out / "mistakes" / "99.jpg").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_place_that_cannot_be_written(animals: Path, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="could not be written"):
        evaluate(trained, animals, out=tmp_path / "file" / "out")


def test_hostile_names_are_data(trained: Path, tmp_path: Path) -> None:
    network = narrow_network(narrow_spec(2))
    names = ("=cmd|'/c calc'!A1", '<b>"x",\ny')
    root = tmp_path / "data"
    for label, name in enumerate(["a", "b"]):
        for number in range(4):
            photograph(root / name / f"-{number}\n.png", 10 * label + number)
    rows = ["path,label"]
    rows += [f'"a/-{n}\n.png","{names[0]}"' for n in range(4)]
    rows += [f'"b/-{n}\n.png","{names[1].replace(chr(34), chr(34) * 2)}"' for n in range(4)]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "out"
    evaluate(Classifier(network, names), root / "labels.csv", split="all", out=out)
    found = table(out / "predictions.csv")
    assert {row["truth"] for row in found} == {f"'{names[0]}", names[1]}
    assert {row["file"] for row in found} == {f"{c}/-{n}\n.png" for c in "ab" for n in range(4)}
    document = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert document["classes"] == list(names)


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"workers": -1}, {"max_unreadable": 1.5}, {"max_unreadable": -1}]
)
def test_settings_that_cannot_be_carried_out(
    wrong: dict[str, float], animals: Path, trained: Path
) -> None:
    with pytest.raises(UsageError):
        evaluate(trained, animals, **wrong)  # type: ignore[arg-type]


def test_a_missing_model_and_missing_data(animals: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        evaluate(tmp_path / "nowhere", animals)
    with pytest.raises(DataError):
        evaluate(trained, tmp_path / "nowhere")
