"""Every promise about bad input, at the door: three lines, the exit code, no half-written model."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from googlenet.cli.main import main
from tests.conftest import photograph, photographs

Refusal = Callable[..., str]
QUICK = (
    "--epochs",
    "1",
    "--input-size",
    "64",
    "--batch-size",
    "4",
    "--workers",
    "0",
    "--threads",
    "1",
)


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Run the command in this process, expect three lines on standard error, and return them.

    Lines before the error, such as notes on the data, are allowed where training had begun.
    """

    def run(code: int, *arguments: str | Path, notes: bool = False) -> str:
        assert main([str(argument) for argument in arguments]) == code
        streams = capsys.readouterr()
        assert streams.out == ""
        lines = streams.err.splitlines()
        assert lines[-3].startswith("error: ")
        assert all(line.startswith("  ") and line.strip() for line in lines[-2:])
        assert notes or len(lines) == 3
        return "\n".join(lines[-3:])

    return run


def assert_no_model(run: Path) -> None:
    assert not list(run.rglob("*.safetensors"))


def bomb(path: Path, width: int, height: int) -> None:
    """Write a PNG of two kilobytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


def test_missing_directory(refusal: Refusal, tmp_path: Path) -> None:
    said = refusal(3, "train", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert str(tmp_path / "nowhere") in said
    assert not (tmp_path / "run").exists()


def test_empty_directory(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    said = refusal(3, "train", tmp_path / "photos", "--out", tmp_path / "run")
    assert str(tmp_path / "photos") in said
    assert not (tmp_path / "run").exists()


def test_a_class_with_no_image(refusal: Refusal, tmp_path: Path) -> None:
    (photographs(tmp_path / "photos") / "soil").mkdir()
    said = refusal(3, "train", tmp_path / "photos", "--out", tmp_path / "run")
    assert "soil" in said
    assert not (tmp_path / "run").exists()


def test_one_class_only(refusal: Refusal, tmp_path: Path) -> None:
    shutil.rmtree(photographs(tmp_path / "photos") / "sky")
    said = refusal(3, "train", tmp_path / "photos", "--out", tmp_path / "run")
    assert "class" in said
    assert not (tmp_path / "run").exists()


def test_a_validation_class_that_training_lacks(refusal: Refusal, tmp_path: Path) -> None:
    photographs(tmp_path / "data" / "train")
    photograph(photographs(tmp_path / "data" / "val") / "soil" / "1.png", "leaf", seed=1)
    said = refusal(3, "train", tmp_path / "data", "--out", tmp_path / "run")
    assert "soil" in said
    assert not (tmp_path / "run").exists()


def test_evaluation_with_a_class_that_the_model_lacks(
    refusal: Refusal, model: Path, tmp_path: Path
) -> None:
    photograph(photographs(tmp_path / "photos") / "soil" / "1.png", "leaf", seed=1)
    said = refusal(3, "evaluate", model, tmp_path / "photos")
    assert "soil" in said


def test_a_csv_with_a_missing_file(refusal: Refusal, tmp_path: Path) -> None:
    photographs(tmp_path / "photos", count=3)
    rows = [
        f"photos/{name}/0{number}.jpg,{name}" for name in ("leaf", "sky") for number in range(3)
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label", *rows, "photos/sky/gone.jpg,sky"]) + "\n")
    said = refusal(3, "train", table, "--out", tmp_path / "run")
    assert "gone.jpg" in said
    assert "8" in said  # its line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["text", "truncated", "empty", "bomb"])
def test_too_many_unreadable_images_stop_the_run(
    refusal: Refusal, tmp_path: Path, kind: str
) -> None:
    root = photographs(tmp_path / "photos", count=16)
    for path in sorted(root.rglob("*.jpg"))[::2]:
        if kind == "text":
            path.write_text("no picture")
        elif kind == "truncated":
            path.write_bytes(path.read_bytes()[:300])
        elif kind == "empty":
            path.write_bytes(b"")
        else:
            bomb(path, 20_000, 10_000)
    run = tmp_path / "run"
    said = refusal(1, "train", root, *QUICK, "--out", run, notes=True)
    assert ".jpg" in said
    assert_no_model(run)


def test_a_few_unreadable_images_are_named_skipped_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photographs(tmp_path / "photos", count=10)
    photographs(tmp_path / "data" / "test", count=2)
    shutil.copytree(root, tmp_path / "data" / "train")
    shutil.copytree(root, tmp_path / "data" / "val")
    (tmp_path / "data" / "train" / "sky" / "03.jpg").write_text("no picture")
    run = tmp_path / "run"
    code = main(
        ["train", str(tmp_path / "data"), *QUICK, "--max-unreadable", "0.1", "--out", str(run)]
    )
    streams = capsys.readouterr()
    assert code == 0, streams.err
    assert "train/sky/03.jpg" in streams.err
    events = [json.loads(line) for line in (run / "events.ndjson").read_text().splitlines()]
    named = [event["file"] for event in events if event["event"] == "unreadable"]
    assert named == ["train/sky/03.jpg"]


@pytest.mark.parametrize(("spoilt", "code"), [(1, 0), (9, 1)])
def test_unreadable_validation_images_are_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoilt: int, code: int
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    for part in ("train", "val", "test"):
        photographs(data / part, count=10)
    paths = sorted((data / "val" / "sky").iterdir())[:spoilt]
    for path in paths:
        path.write_bytes(path.read_bytes()[:200])
    words = ["train", str(data), *QUICK, "--max-unreadable", "0.1", "--out", str(run)]
    assert main(words) == code
    said = capsys.readouterr().err
    if code:
        assert "9 of 20 validation images cannot be read, more than the allowed 10%" in said
        assert "val/sky/00.jpg (truncated)" in said
        assert not run.exists()
        return
    assert "skipped: val/sky/00.jpg: truncated" in said
    events = [json.loads(line) for line in (run / "events.ndjson").read_text().splitlines()]
    named = [(event["file"], event["split"]) for event in events if event["event"] == "unreadable"]
    assert named == [("val/sky/00.jpg", "validation")]
    assert "val/sky/00.jpg" in (run / "report.html").read_text()


def test_too_many_unreadable_test_images_leave_the_model_and_a_report(
    refusal: Refusal, tmp_path: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    for part in ("train", "val", "test"):
        photographs(data / part, count=8)
    for path in (data / "test" / "sky").iterdir():
        path.write_text("no picture")
    said = refusal(1, "train", data, *QUICK, "--out", run, notes=True)
    assert "test/sky/00.jpg" in said
    assert (run / "best" / "model.safetensors").exists()
    assert "images cannot be read" in (run / "report.html").read_text()


def test_a_folder_without_one_picture_says_what_it_holds(refusal: Refusal, tmp_path: Path) -> None:
    for name in ("leaf", "sky"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.heic").write_text("")
    said = refusal(3, "train", tmp_path / "photos", "--out", tmp_path / "run")
    assert "2 files without an image's suffix" in said


def test_an_output_directory_that_is_not_empty(
    refusal: Refusal, folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "letter.txt").write_text("precious")
    said = refusal(2, "train", folder, *QUICK, "--out", run)
    assert str(run) in said
    # --overwrite replaces a run, and nothing else.
    refusal(2, "train", folder, *QUICK, "--out", run, "--overwrite")
    assert (run / "letter.txt").read_text() == "precious"
    assert [path.name for path in run.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("fault", ["missing", "foreign"])
def test_a_model_with_a_missing_or_foreign_file(
    refusal: Refusal, model: Path, tmp_path: Path, folder: Path, name: str, fault: str
) -> None:
    broken = shutil.copytree(model, tmp_path / "model")
    if fault == "missing":
        (broken / name).unlink()
    else:
        (broken / name).write_bytes(b'{"model_type": "resnet"}')
    for verb in (
        ("predict", broken, folder),
        ("evaluate", broken, folder),
        ("train", folder, *QUICK, "--weights", broken, "--out", tmp_path / "run"),
    ):
        said = refusal(3, *verb, notes=verb[0] == "train")
        assert str(broken) in said
    assert_no_model(tmp_path / "run")


def test_resuming_what_is_no_run(refusal: Refusal, tmp_path: Path) -> None:
    said = refusal(3, "train", "--resume", tmp_path)
    assert "args.json" in said


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--input-size", "20"), "20x20"),
        (("--epochs", "0"), "--epochs"),
        (("--epochs", "1", "--minutes", "1"), "--minutes"),
        (("--batch-size", "1"), "--batch-size"),
        (("--lr", "-1"), "--lr"),
        (("--lr", "nan"), "--lr"),
        (("--minutes", "inf"), "--minutes"),
        (("--tune", "head"), "--tune head"),
        (("--variant", "vgg"), "vgg"),
        (("--recipe", "soup"), "soup"),
        (("--device", "abacus"), "abacus"),
        (("--max-unreadable", "2"), "--max-unreadable"),
        (("--variant", "paper", "--input-size", "64"), "--aux-weight 0"),
    ],
)
def test_settings_that_cannot_be_carried_out(
    refusal: Refusal, folder: Path, tmp_path: Path, flags: tuple[str, ...], named: str
) -> None:
    run = tmp_path / "run"
    said = refusal(2, "train", folder, *flags, "--out", run, notes=True)
    assert named in said
    assert_no_model(run)


def test_nothing_to_train_on(refusal: Refusal) -> None:
    assert "nothing to train on" in refusal(2, "train")
