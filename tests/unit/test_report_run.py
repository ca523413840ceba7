"""Reading a run directory: whole, resumed, half written, garbled."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from googlenet.errors import ModelError
from googlenet.evaluation.metrics import Evaluation, measure
from googlenet.report import write_report
from googlenet.report.run import read_run
from tests.report_runs import write_json, write_run


def fault(run: Path) -> ModelError:
    """Return the error that the run's report ends in; it has three lines and an exit code."""
    with pytest.raises(ModelError) as caught:
        write_report(run)
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) == 3
    assert not (run / "report.html").exists()
    return caught.value


def test_missing_directory(tmp_path: Path) -> None:
    assert fault(tmp_path / "nowhere").where == str(tmp_path / "nowhere")


def test_directory_that_is_no_run(tmp_path: Path) -> None:
    assert "args.json is missing" in fault(tmp_path).what


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("args.json", b"{"),
        ("args.json", b"[]"),
        ("args.json", b"\xff\xfe"),
        ("args.json", b"[" * 100_000),
        ("env.json", b"not json"),
        ("results.csv", b"epoch,step\n1,2\n"),
        ("results.csv", b"epoch,step\n1,2,3\n"),
        ("results.csv", b"\xff\xfe\x00"),
        ("batch.json", b'{"columns": 8}'),
        ("batch.json", b'{"columns": "many", "labels": []}'),
        ("test/evaluation.json", b"{}"),
        ("test/evaluation.json", b'{"schema": "googlenet.evaluation/9"}'),
        ("test/mistakes.json", b'{"file": "a.png"}'),
        ("test/mistakes.json", b'[{"file": "a.png"}]'),
        ("test/mistakes.json", b"[3]"),
        ("test/unreadable.csv", b"name\nx\n"),
    ],
)
def test_garbled_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    run = write_run(tmp_path / "run")
    (run / name).write_bytes(content)
    assert fault(run).where == str(run / name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("top1", float("nan")),
        ("top1", "0.9"),
        ("top1_interval", [0.1]),
        ("majority_share", 1.2),
        ("confusion_matrix", [[1, 2]]),
        ("confusion_matrix", [[1, 2], [3, -4]]),
        ("per_class", [{"class": "functional"}]),
        ("classes", 7),
        ("balanced_accuracy", True),
    ],
)
def test_garbled_evaluation_is_named(tmp_path: Path, key: str, value: Any) -> None:
    run = write_run(tmp_path / "run")
    path = run / "test" / "evaluation.json"
    write_json(path, {**json.loads(path.read_text()), key: value})
    assert fault(run).where == str(path)


def test_cells_that_are_empty_or_not_finite_are_unknown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=2, heads=False)
    path = run / "results.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[10], cells[11] = "nan", "inf"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    first, second = read_run(run).epochs
    assert first.val_loss is None and first.val_accuracy is None
    assert first.train_loss_aux1 is None and first.train_loss_main is not None
    assert second.val_loss is not None
    write_report(run)


def test_of_equally_good_epochs_the_last_was_kept(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=3)
    path = run / "results.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for row, accuracy in zip(rows[1:], ("0.9", "0.9", "0.8"), strict=True):
        row[11] = accuracy
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    best = read_run(run).best
    assert best is not None and best.epoch == 2


def test_times_of_all_sessions_are_added(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=20)
    events = [
        {"event": "start", "seconds": 0},
        {"event": "epoch", "seconds": 40, "images_per_second": 100},
        {"event": "start", "seconds": 0},
        {"event": "epoch", "seconds": 30, "images_per_second": 120},
        {"event": "end", "seconds": 35},
    ]
    (run / "events.ndjson").write_text("\n".join(map(json.dumps, events)))
    timeline = read_run(run).timeline
    assert timeline.seconds == 75
    assert timeline.sessions == 2
    assert timeline.images_per_second == 120
    assert timeline.ended
    assert "in 2 sessions" in write_report(run).read_text(encoding="utf-8")


def test_half_written_events_are_passed_over_and_counted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with (run / "events.ndjson").open("a") as file:
        file.write('{"event": "epo{"event": "save"}\n[1]\n{"event": "unreadable", "file": "a"}')
    timeline = read_run(run).timeline
    assert timeline.lost_lines == 2
    assert [unreadable.file for unreadable in timeline.unreadable] == ["a"]
    page = write_report(run).read_text(encoding="utf-8")
    assert "2 lines of events.ndjson could not be read" in page


def test_apostrophes_against_formulas_are_taken_off(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", unreadable=[("'=cmd()", "truncated"), ("'quoted", "empty")])
    measured = read_run(run).measured
    assert measured is not None
    assert [unreadable.file for unreadable in measured.unreadable] == ["=cmd()", "'quoted"]


@pytest.mark.parametrize("outside", ["../../secret.jpg", "/etc/passwd", "a\0b", "mistakes"])
def test_picture_from_outside_the_run_is_not_shown(tmp_path: Path, outside: str) -> None:
    run = write_run(tmp_path / "run", mistake_files=["a.png"])
    (run / "test" / "mistakes" / "00.jpg").rename(tmp_path / "secret.jpg")
    path = run / "test" / "mistakes.json"
    mistakes = json.loads(path.read_text())
    write_json(path, [{**mistakes[0], "picture": outside}])
    measured = read_run(run).measured
    assert measured is not None and measured.mistakes[0].picture is None
    assert "no picture" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\nbroken"])
def test_batch_picture_that_is_damaged_is_left_out(tmp_path: Path, content: bytes) -> None:
    run = write_run(tmp_path / "run")
    (run / "batch.png").write_bytes(content)
    assert read_run(run).batch is None
    write_report(run)


def test_batch_picture_without_labels_is_shown_whole(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "batch.json").unlink()
    page = write_report(run).read_text(encoding="utf-8")
    assert 'class="sheet" src="data:image/png;base64,' in page


def test_report_reads_what_an_evaluation_writes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", classes=("cat", "dog", "never seen"))
    random = np.random.default_rng(0)
    probabilities = random.dirichlet((2.0, 1.0, 0.2), size=80).astype(np.float32)
    labels = random.integers(0, 2, size=80)
    measures = measure(probabilities, labels, ("cat", "dog", "never seen"))
    values = {field.name: getattr(measures, field.name) for field in fields(measures)}
    evaluation = Evaluation(
        **values,
        model="runs/train/pets/best",
        variant="bn",
        weights="averaged",
        data="pets",
        split="test",
        unreadable=0,
        notes=("measured at 224 pixels",),
    )
    write_json(run / "test" / "evaluation.json", evaluation.to_json())
    measured = read_run(run).measured
    assert measured is not None
    assert measured.top1_interval == evaluation.top1_interval
    assert measured.confusion == evaluation.confusion_matrix
    assert [score.f1 for score in measured.per_class] == [row.f1 for row in evaluation.per_class]
    assert measured.worst_first[-1].name == "never seen"
    assert "measured at 224 pixels" in write_report(run).read_text(encoding="utf-8")
