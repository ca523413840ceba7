"""``googlenet train`` and ``googlenet evaluate``: a run from photographs to measures."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command import PROGRAM, environment, googlenet

QUICK = ("--epochs", "1", "--input-size", "64", "--batch-size", "8", "--workers", "0")


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one epoch; not to be written to."""
    path = tmp_path_factory.mktemp("runs") / "quick"
    done = googlenet("train", folder, *QUICK, "--out", path, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "googlenet.train/1"
    assert document["run"] == str(path)
    assert document["model"] == str(path / "best")
    assert document["report"] == str(path / "report.html")
    assert document["evaluation"]["split"] == "test"
    assert "epoch   1" in done.stderr
    assert "\x1b" not in done.stderr
    return path


def test_a_run_leaves_models_measures_and_a_report(run: Path) -> None:
    for name in (
        *("args.json", "env.json", "results.csv", "events.ndjson", "split.csv", "report.html"),
        *("best/model.safetensors", "last/model.safetensors"),
        *("test/evaluation.json", "test/predictions.csv"),
    ):
        assert (run / name).exists(), name


def test_flags_reach_the_settings(run: Path) -> None:
    settings = json.loads((run / "args.json").read_text())["settings"]
    assert settings["epochs"] == 1
    assert settings["input_size"] == 64
    assert settings["batch_size"] == 8
    assert settings["workers"] == 0
    assert settings["variant"] == "bn"


def test_evaluate_measures_what_train_measured(run: Path, folder: Path, tmp_path: Path) -> None:
    first = json.loads((run / "test" / "evaluation.json").read_text())
    out = tmp_path / "measured"
    done = googlenet("evaluate", run / "best", folder, "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "googlenet.evaluation/1" == first["schema"]
    assert document["classes"] == ["leaf", "sky"]
    assert document == json.loads((out / "evaluation.json").read_text())
    assert done.stderr.endswith(f"predictions, confusion matrix and mistakes are in {out}\n")


def test_evaluate_as_text_and_csv(run: Path, folder: Path) -> None:
    done = googlenet("evaluate", run / "best", folder)
    assert (done.returncode, done.stderr) == (0, "")
    for measure in (
        "top-1 accuracy",
        "95% interval",
        "majority class",
        "macro-F1",
        "averaged weights",
    ):
        assert measure in done.stdout
    assert "truth \\ prediction" in done.stdout
    done = googlenet("evaluate", run / "best", folder, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["class"] for row in rows] == ["leaf", "sky"]
    assert list(rows[0]) == ["class", "precision", "recall", "f1", "support"]


def test_the_trained_model_predicts(run: Path, folder: Path) -> None:
    done = googlenet("predict", run / "best", folder / "sky", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 12


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_saved_and_resumed(
    folder: Path, tmp_path: Path, number: int, code: int
) -> None:
    path = tmp_path / "run"
    process = subprocess.Popen(
        [*PROGRAM, "train", folder, "--epochs", "200", *QUICK[2:], "--out", path],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    results = path / "results.csv"
    deadline = time.monotonic() + 120
    while not (results.exists() and process.poll() is None) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert err.splitlines()[-3].startswith(f"error: stopped by {signal.Signals(number).name} after")
    assert err.splitlines()[-1] == f"  Continue with: googlenet train --resume {path}"
    assert (path / "last" / "model.safetensors").exists()

    done = googlenet("train", "--resume", path, "--epochs", "3")
    assert done.returncode == 2
    assert "epochs was 200 and is now 3" in done.stderr
