"""``googlenet predict``: files, directories, patterns and standard input, in four formats."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from googlenet.cli.inputs import read_standard_input
from tests.cli.command import PROGRAM, assert_fails, environment, googlenet
from tests.conftest import CLASSES, photograph


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Three photographs, one of them in a directory below, beside what is no photograph."""
    root = tmp_path / "inbox"
    photograph(root / "b.png", "leaf", seed=1)
    photograph(root / "a.JPG", "sky", seed=2)
    photograph(root / "below" / "c.webp", "sky", seed=3)
    photograph(root / ".hidden" / "d.png", "sky", seed=4)
    (root / "notes.txt").write_text("no picture")
    return root


def predictions(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Any:
    """The rows of a run in which every file was read."""
    done = googlenet("predict", *arguments, "--json", stdin=stdin, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["schema"] == "googlenet.predict/1"
    assert document["unreadable"] == 0
    return document["predictions"]


def test_a_directory_is_searched_for_images_at_any_depth(model: Path, inbox: Path) -> None:
    rows = predictions(model, "inbox", cwd=inbox.parent)
    assert [row["file"] for row in rows] == ["inbox/a.JPG", "inbox/b.png", "inbox/below/c.webp"]
    assert all({each["label"] for each in row["top"]} == set(CLASSES) for row in rows)


def test_files_patterns_and_directories_keep_their_order(model: Path, inbox: Path) -> None:
    rows = predictions(
        model, inbox / "b.png", f"{inbox}/*.JPG", inbox / "below", "--batch-size", "2"
    )
    assert [Path(row["file"]).name for row in rows] == ["b.png", "a.JPG", "c.webp"]
    deep = predictions(model, f"{inbox}/**/*.webp")
    assert [Path(row["file"]).name for row in deep] == ["c.webp"]


def test_a_file_whose_name_looks_like_a_pattern(model: Path, tmp_path: Path) -> None:
    photograph(tmp_path / "[1]*.png", "sky", seed=1)
    assert predictions(model, tmp_path / "[1]*.png")[0]["file"] == str(tmp_path / "[1]*.png")


def test_the_command_and_python_agree(model: Path, inbox: Path) -> None:
    import googlenet as package

    rows = predictions(model, inbox / "a.JPG")
    prediction = package.load(model).predict(inbox / "a.JPG")
    assert rows[0]["label"] == prediction.label
    assert rows[0]["probability"] == pytest.approx(prediction.probability, abs=1e-6)


def test_standard_input_is_a_list_of_paths(model: Path, inbox: Path) -> None:
    stdin = f"{inbox}/b.png\r\n\n{inbox}/below/c.webp".encode()
    rows = predictions(model, "-", stdin=stdin)
    assert [row["file"] for row in rows] == [f"{inbox}/b.png", f"{inbox}/below/c.webp"]
    assert predictions(model, "-", stdin=b"") == []


def test_standard_input_is_one_image(model: Path, inbox: Path) -> None:
    rows = predictions(model, "-", stdin=(inbox / "a.JPG").read_bytes())
    assert [row["file"] for row in rows] == ["-"]
    assert rows[0]["top"] == predictions(model, inbox / "a.JPG")[0]["top"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tiff", "ppm"])
def test_images_are_told_from_lists_by_their_first_bytes(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"picture.{suffix}"
    photograph(path, "leaf", seed=5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert read_standard_input(10**6) == path.read_bytes()
    # One byte above the limit is read, so that decoding can see that there are too many.
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert read_standard_input(100) == path.read_bytes()[:101]


@pytest.mark.parametrize(
    "name", ["BM.png", "P5.ppm", "P1 front.jpg", "RIFF/a.webp", "II.tiff", "GIF8.gif", "a b"]
)
def test_names_that_begin_like_images_are_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{name}\n".encode() * 9)))
    paths = read_standard_input(10**6)
    assert not isinstance(paths, bytes)
    assert list(paths) == [name] * 9


def test_rows_of_a_list_come_before_the_list_ends(model: Path, inbox: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "predict", model, "-", "--format", "ndjson", "--batch-size", "1"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{inbox}/a.JPG\n{inbox}/b.png\n".encode())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["file"] == f"{inbox}/a.JPG"
    process.stdin.close()
    assert json.loads(process.stdout.readline())["file"] == f"{inbox}/b.png"
    process.stdout.close()
    assert process.wait(timeout=60) == 0


def test_a_bad_file_does_not_stop_the_rest(model: Path, inbox: Path) -> None:
    (inbox / "broken.jpg").write_text("no picture")
    done = googlenet(
        "predict", model, inbox / "missing.png", inbox, "--format", "ndjson", "--top-k", "1"
    )
    assert (done.returncode, done.stderr) == (1, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    reasons = {Path(row["file"]).name: row.get("error", {}).get("reason") for row in rows}
    assert reasons == {
        "missing.png": "missing",
        "a.JPG": None,
        "b.png": None,
        "broken.jpg": "not-an-image",
        "c.webp": None,
    }


def test_a_damaged_image_on_standard_input(model: Path, inbox: Path) -> None:
    half = (inbox / "a.JPG").read_bytes()[:400]
    done = googlenet("predict", model, "-", "--json", stdin=half)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["unreadable"] == 1
    assert document["predictions"][0]["file"] == "-"


def test_csv_and_table(model: Path, inbox: Path) -> None:
    shutil.move(inbox / "b.png", inbox / "=b.png")
    done = googlenet("predict", model, "=b.png", "a.JPG", "--format", "csv", cwd=inbox)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["file"] for row in rows] == ["'=b.png", "a.JPG"]
    assert {rows[0]["label"], rows[0]["label_2"]} == set(CLASSES)
    done = googlenet("predict", model, "a.JPG", cwd=inbox)
    assert done.returncode == 0
    assert "a.JPG" in done.stdout
    assert "%" in done.stdout


def test_top_k_above_the_number_of_classes_gives_all(model: Path, inbox: Path) -> None:
    assert len(predictions(model, inbox / "a.JPG", "--top-k", "9")[0]["top"]) == 2
    assert len(predictions(model, inbox / "a.JPG", "--top-k", "1")[0]["top"]) == 1


def test_faults(model: Path, tmp_path: Path) -> None:
    command = "googlenet predict"
    assert_fails(
        googlenet("predict", model),
        2,
        "there is nothing to classify",
        command,
        "Give images, a directory, or -.",
    )
    assert_fails(
        googlenet("predict", model, "-", "a.png"),
        2,
        "standard input comes alone",
        "- a.png",
        "Put the files into the list, or leave out the -.",
    )
    check = "Check the path, and the suffixes of the files."
    (tmp_path / "empty").mkdir()
    assert_fails(
        googlenet("predict", model, tmp_path / "empty"),
        3,
        "directory holds no image",
        str(tmp_path / "empty"),
        check,
    )
    pattern = f"{tmp_path}/*.jpg"
    assert_fails(googlenet("predict", model, pattern), 3, "nothing matches", pattern, check)
    for flag in ("--top-k", "--batch-size"):
        done = googlenet("predict", model, "a.png", flag, "0")
        assert_fails(done, 2, f"{flag[2:]} cannot be 0", flag, "Give 1 or more.")
    done = googlenet("predict", tmp_path, "a.png")
    assert done.returncode == 3
    assert done.stderr.startswith("error: model directory lacks config.json")
    done = googlenet("predict", model, "--topk", "1", "a.png")
    assert done.returncode == 2
    assert done.stderr.startswith("error: Unknown option: --topk. Did you mean --top-k?")
    done = googlenet("predict", model, "a.png", "--device", "abacus")
    assert done.returncode == 2


def test_faults_are_told_before_torch_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from googlenet.cli.main import main;"
        "code = main(sys.argv[1:]); sys.exit(99 if 'torch' in sys.modules else code)"
    )
    for verb in (["predict", "nothing", "a.png"], ["evaluate", "nothing", "photos"]):
        done = subprocess.run(
            [PROGRAM[0], "-c", code, *verb],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 3
