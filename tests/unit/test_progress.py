"""What a user sees of a run: a bar on a terminal, lines elsewhere, a journal always."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from googlenet.training.progress import Progress

ROW: dict[str, Any] = {
    "epoch": 1,
    "step": 2,
    "learning_rate": 5e-4,
    "train_loss_main": 0.5,
    "train_loss_aux2": 0.625,
    "train_loss_aux1": 0.0,
    "train_accuracy_main": 0.75,
    "val_accuracy": 0.5,
}


def shown(run: Path, *, terminal: bool, row: dict[str, Any] = ROW) -> str:
    """Take two steps and end an epoch; return all that was written."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        force_terminal=terminal,
        width=120,
        color_system=None,
        _environ={"TERM": "xterm"},
    )
    with Progress(run, console, 4, 0, time.monotonic() - 100) as progress:
        progress.event("start")
        progress.step(0, (1.0, 2.0, 3.0), 1e-3, 32)
        progress._bar.refresh()
        progress.step(1, (0.0, 1.0, 2.0), 5e-4, 32)
        progress._bar.refresh()
        progress.epoch(row)
        progress.unreadable("odd\x1b[2J\udce9.jpg", "truncated")
    return stream.getvalue()


def test_the_bar_shows_speed_three_losses_rate_and_time_left(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True)
    assert "0/4 steps" in text and "2/4 steps" in text
    assert "images/s  loss 1.000/2.000/3.000  rate 0.001" in text
    assert "images/s  loss 0.900/1.900/2.900  rate 0.0005" in text  # smoothed
    assert re.search(r"rate 0\.0005\s+(-:--:--|0:00:\d\d)", text)


def test_elsewhere_there_is_a_line_an_epoch_and_nothing_more(tmp_path: Path) -> None:
    lines = shown(tmp_path, terminal=False).splitlines()
    assert len(lines) == 2
    assert "loss 0.500/0.625/0.000  train 75.0%  validation 50.0%  rate 0.0005" in lines[0]
    assert lines[1] == r"skipped: odd\x1b[2J\udce9.jpg: truncated"


def test_heads_that_are_not_trained_are_not_shown(tmp_path: Path) -> None:
    text = shown(
        tmp_path, terminal=False, row=ROW | {"train_loss_aux2": None, "train_loss_aux1": None}
    )
    assert "loss 0.500  train" in text


def test_the_journal_counts_from_the_start_of_the_session(tmp_path: Path) -> None:
    shown(tmp_path, terminal=False)
    events = [json.loads(line) for line in (tmp_path / "events.ndjson").read_text().splitlines()]
    assert [event["event"] for event in events] == ["start", "epoch", "unreadable"]
    assert events[0]["seconds"] == pytest.approx(100, abs=1)
    assert events[1]["images_per_second"] > 64  # which does not count what was before the training
    assert events[2]["file"] == "odd\x1b[2J\udce9.jpg"
