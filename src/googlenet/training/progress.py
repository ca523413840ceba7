"""What a user sees of a run: a live bar on a terminal, a line an epoch elsewhere, and a journal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

# Weight of the newest step in the loss and the speed shown, which would flicker otherwise.
SMOOTHING = 0.1


class Progress:
    """Show a run and write its ``events.ndjson``, one JSON object a line.

    Times stand in the journal only, so that ``results.csv`` is the same for the same run.

    Args:
        run: The run directory.
        console: Where to show; usually standard error.
        total_steps: Steps of the whole run.
        start_step: Steps done before, in an interrupted run.
    """

    def __init__(self, run: Path, console: Console, total_steps: int, start_step: int) -> None:
        self._journal = run / "events.ndjson"
        self._console = console
        self._total = total_steps
        self._started = time.monotonic()
        self._step_at = self._started
        self._loss: float | None = None
        self._speed: float | None = None
        self._images = 0
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task(
            "training", total=total_steps, completed=start_step, detail=""
        )

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def event(self, kind: str, **values: Any) -> None:
        """Append one object to the journal."""
        record = {"event": kind, "seconds": round(time.monotonic() - self._started, 3), **values}
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def say(self, text: str) -> None:
        """Print a sentence above the bar; file and class names are never taken for markup."""
        self._console.print(text, markup=False, highlight=False)

    def step(self, step: int, loss: float, rate: float, images: int) -> None:
        """Show one step: smoothed loss and images a second, the learning rate, the time left."""
        now = time.monotonic()
        speed = images / max(now - self._step_at, 1e-9)
        self._step_at = now
        self._images += images
        self._loss = _smooth(self._loss, loss)
        self._speed = _smooth(self._speed, speed)
        detail = f"{self._speed:.0f} images/s  loss {self._loss:.3f}  rate {rate:.2g}"
        self._bar.update(self._task, completed=step + 1, detail=detail)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print one line about an epoch and journal it."""
        elapsed = time.monotonic() - self._started
        speed = self._images / max(elapsed, 1e-9)
        heads = [row["train_loss_aux2"], row["train_loss_aux1"]]
        losses = "/".join(f"{value:.3f}" for value in [row["train_loss_main"], *heads] if value)
        self.say(
            f"epoch {row['epoch']:>3}  step {row['step']}/{self._total}  loss {losses}  "
            f"train {row['train_accuracy_main']:.1%}  validation {row['val_accuracy']:.1%}  "
            f"rate {row['learning_rate']:.2g}  {speed:.0f} images/s  {elapsed:.0f} s"
        )
        self.event("epoch", epoch=row["epoch"], step=row["step"], images_per_second=round(speed, 1))
        self._step_at = time.monotonic()

    def saved(self, step: int) -> None:
        """Journal a checkpoint."""
        self.event("save", step=step)

    def unreadable(self, name: str, reason: str) -> None:
        """Name an image that was skipped."""
        self.say(f"skipped: {name}: {reason}")
        self.event("unreadable", file=name, reason=reason)


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
