"""What a user sees of a run: a live bar on a terminal, a line an epoch elsewhere, and a journal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from googlenet.names import visible

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
        started: When this session began, on the monotonic clock; the journal counts from there.
    """

    def __init__(
        self, run: Path, console: Console, total_steps: int, start_step: int, started: float
    ) -> None:
        self._journal = run / "events.ndjson"
        self._console = console
        self._total = total_steps
        self._started = started
        self._training_since = self._step_at = time.monotonic()
        self._losses: tuple[float, ...] = ()
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
            file.write(json.dumps(record) + "\n")

    def say(self, text: str) -> None:
        """Print a sentence above the bar; file and class names neither act nor are markup."""
        self._console.print(visible(text), markup=False, highlight=False)

    def step(self, step: int, losses: Sequence[float], rate: float, images: int) -> None:
        """Show one step: images a second and each classifier's loss, smoothed; rate; time left."""
        now = time.monotonic()
        speed = images / max(now - self._step_at, 1e-9)
        self._step_at = now
        self._images += images
        self._speed = _smooth(self._speed, speed)
        before = self._losses or [None] * len(losses)
        self._losses = tuple(map(_smooth, before, losses))
        shown = _joined(self._losses)
        detail = f"{self._speed:.0f} images/s  loss {shown}  rate {rate:.2g}"
        self._bar.update(self._task, completed=step + 1, detail=detail)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print one line about an epoch and journal it."""
        now = time.monotonic()
        speed = self._images / max(now - self._training_since, 1e-9)
        losses = [row[f"train_loss_{name}"] for name in ("main", "aux2", "aux1")]
        shown = _joined([loss for loss in losses if loss is not None])
        self.say(
            f"epoch {row['epoch']:>3}  step {row['step']}/{self._total}  loss {shown}  "
            f"train {row['train_accuracy_main']:.1%}  validation {row['val_accuracy']:.1%}  "
            f"rate {row['learning_rate']:.2g}  {speed:.0f} images/s  {now - self._started:.0f} s"
        )
        self.event("epoch", epoch=row["epoch"], step=row["step"], images_per_second=round(speed, 1))
        self._step_at = time.monotonic()

    def saved(self, step: int) -> None:
        """Journal a checkpoint."""
        self.event("save", step=step)

    def unreadable(self, name: str, reason: str, part: str = "train") -> None:
        """Name an image that was skipped."""
        self.say(f"skipped: {name}: {reason}")
        self.event("unreadable", file=name, reason=reason, split=part)


def _joined(losses: Sequence[float]) -> str:
    return "/".join(f"{loss:.3f}" for loss in losses)


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
