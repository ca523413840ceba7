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


def measured_files(directory: Path) -> list[str]:
    with (directory / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return [row["file"] for row in csv.DictReader(file)]


def test_the_report_of_a_real_run(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    result = json.loads((run / "test" / "evaluation.json").read_text())
    for shown in (
        f"{result['top1']:.1%}",
        "held-out test images",
        "Loss (cross-entropy, nats)",
        "Learning rate",
        *("leaf", "sky", "aux1", "aux2"),
        "data:image/png;base64,",
    ):
        assert shown in page, shown
    assert 'src="http' not in page and "<script" not in page


def test_held_out_names_photographs_that_training_never_saw(run: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "held_out.py"
    done = subprocess.run(
        [PROGRAM[0], script, run, "3"], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert len(paths) == 3 and all(path.is_file() for path in paths)
    tested = measured_files(run / "test")
    assert all("/".join(path.parts[-2:]) in tested for path in paths)


def test_a_time_budget_becomes_steps_that_are_kept(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    done = googlenet("train", folder, "--minutes", "0.5", *QUICK[2:], "--out", path)
    assert done.returncode == 0, done.stderr
    steps = json.loads((path / "args.json").read_text())["plan"]["total_steps"]
    assert f"{steps} steps (" in done.stderr
    with (path / "results.csv").open(newline="") as file:
        assert int(list(csv.DictReader(file))[-1]["step"]) == steps
    # A finished run has nothing left to do, and plans nothing anew.
    done = googlenet("train", "--resume", path)
    assert done.returncode == 0, done.stderr
    assert json.loads((path / "args.json").read_text())["plan"]["total_steps"] == steps


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
    # The folder is the one of the training: its test part alone is fit to measure on.
    done = googlenet("evaluate", run / "best", folder, "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "googlenet.evaluation/1" == first["schema"]
    for name in ("split", "count", "top1", "confusion_matrix", "per_class"):
        assert document[name] == first[name], name
    assert document["loss"] == pytest.approx(first["loss"], abs=1e-5)
    assert measured_files(out) == measured_files(run / "test")
    whole = googlenet("evaluate", run / "best", folder, "--json", "--split", "all")
    assert json.loads(whole.stdout)["count"] == 24
    assert "the model was trained on this data" in document["notes"][-1]
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
        [*PROGRAM, "train", folder, "--epochs", "30", *QUICK[2:], "--out", path],
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
    assert "epochs was 30 and is now 3" in done.stderr
    assert f"steps ({signal.Signals(number).name})" in (path / "report.html").read_text()

    done = googlenet("train", "--resume", path)
    assert done.returncode == 0, done.stderr
    with results.open(newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, 31))
    assert (path / "test" / "evaluation.json").exists()
