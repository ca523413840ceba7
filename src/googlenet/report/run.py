"""Read a run directory, whole or broken off, into one dataclass."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from googlenet.errors import ModelError
from googlenet.report.measured import Measured, Unreadable, read_measured
from googlenet.report.reading import (
    Picture,
    finite,
    parsed,
    read_lines,
    read_object,
    read_picture,
    read_table,
)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Hold one row of ``results.csv``; None where the cell is empty or not finite."""

    epoch: int
    step: int
    learning_rate: float | None
    train_loss: float | None
    train_loss_main: float | None
    train_loss_aux2: float | None
    train_loss_aux1: float | None
    train_accuracy_main: float | None
    train_accuracy_aux2: float | None
    train_accuracy_aux1: float | None
    val_loss: float | None
    val_accuracy: float | None
    val_balanced_accuracy: float | None


MEASUREMENTS = tuple(field.name for field in fields(Epoch))[2:]


@dataclass(frozen=True)
class Timeline:
    """Hold what ``events.ndjson`` tells.

    Attributes:
        ended: Whether the run was carried through.
        stopped: Why it was stopped before that, empty where the run does not say; None where it
            was not stopped.
        seconds: Time that all sessions of the run took together.
        images_per_second: Training speed over the last session, validation included.
        sessions: How often training was started; more than one means that it was resumed.
        unreadable: Files that training or validation could not read, each once.
        lost_lines: Lines that a kill left half written.
    """

    ended: bool
    stopped: str | None
    seconds: float | None
    images_per_second: float | None
    sessions: int
    unreadable: tuple[Unreadable, ...]
    lost_lines: int


@dataclass(frozen=True)
class FirstBatch:
    """Hold the contact sheet of the first training batch, as the network saw it.

    Attributes:
        sheet: The images, row by row.
        columns: Images in a row of the sheet; 0 where it is not known.
        labels: The label of each image; empty where they are not known.
    """

    sheet: Picture
    columns: int = 0
    labels: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the sheet."""
        return -(-len(self.labels) // self.columns) if self.columns else 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """Hold a run directory.

    Attributes:
        directory: The directory, as the caller named it.
        settings: ``args.json``.
        environment: ``env.json``; empty where it was not written.
        epochs: Rows of ``results.csv``, oldest first.
        measured: The evaluation of the test part, else of the validation part, else None.
        batch: The first training batch; None where it was not drawn.
    """

    directory: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    epochs: tuple[Epoch, ...]
    timeline: Timeline
    measured: Measured | None
    batch: FirstBatch | None

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights are kept: the last of those with the highest accuracy."""
        known = [epoch for epoch in reversed(self.epochs) if epoch.val_accuracy is not None]
        return max(known, key=lambda epoch: epoch.val_accuracy or 0.0, default=None)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The number of images of each class in each part of the data; parts of none left out."""
        classes, counts = self.settings.get("classes"), self.settings.get("counts")
        if not isinstance(classes, list) or not isinstance(counts, Mapping):
            return {}
        return {
            str(part): dict(zip(map(str, classes), numbers, strict=True))
            for part, numbers in counts.items()
            if isinstance(numbers, list)
            and len(numbers) == len(classes)
            and all(isinstance(number, int) for number in numbers)
            and sum(numbers)
        }

    def setting(self, name: str) -> Any:
        """Return a setting by its name: as the plan settled it, else as it was asked for."""
        for place in (("plan",), ("plan", "recipe"), (), ("settings",)):
            values: Any = self.settings
            for key in place:
                values = values.get(key) if isinstance(values, Mapping) else None
            if isinstance(values, Mapping) and values.get(name) is not None:
                return values[name]
        return None

    @property
    def finished(self) -> bool:
        """Whether training came to its last step."""
        total = self.setting("total_steps")
        if self.epochs and isinstance(total, int):
            return self.epochs[-1].step >= total
        return self.timeline.ended

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Every file that gave no pixels, in training and in the evaluation."""
        return self.timeline.unreadable + (self.measured.unreadable if self.measured else ())


def read_run(directory: str | os.PathLike[str]) -> Run:
    """Read a run directory; only ``args.json`` must be there.

    Raises:
        ModelError: It is no run directory, or holds a file that is garbled.
    """
    root = Path(directory)
    if not root.is_dir():
        raise ModelError(
            "run directory does not exist", root, "Name the directory that 'googlenet train' wrote."
        )
    if not (root / "args.json").is_file():
        raise ModelError(
            "directory holds no run: args.json is missing",
            root,
            "Name the directory that 'googlenet train' wrote, not one inside it.",
        )
    return Run(
        directory=root,
        settings=read_object(root / "args.json"),
        environment=read_object(root / "env.json") if (root / "env.json").exists() else {},
        epochs=_epochs(root / "results.csv"),
        timeline=_timeline(root / "events.ndjson"),
        measured=_measured(root),
        batch=_batch(root),
    )


def _measured(root: Path) -> Measured | None:
    for part in ("test", "validation"):
        if (root / part / "evaluation.json").exists():
            return read_measured(root / part)
    return None


def _epochs(path: Path) -> tuple[Epoch, ...]:
    if not path.exists():
        return ()

    def parse(row: Mapping[str, Any]) -> Epoch:
        measurements = {name: finite(row[name]) for name in MEASUREMENTS}
        return Epoch(epoch=int(row["epoch"]), step=int(row["step"]), **measurements)

    return tuple(parsed(path, parse, row) for row in read_table(path))


def _batch(root: Path) -> FirstBatch | None:
    sheet, path = read_picture(root / "batch.png"), root / "batch.json"
    if sheet is None or not path.exists():
        return None if sheet is None else FirstBatch(sheet)

    def parse(document: Mapping[str, Any]) -> FirstBatch:
        labels = tuple(str(label) for label in document["labels"])
        return FirstBatch(sheet, int(document["columns"]), labels)

    return parsed(path, parse, read_object(path))


def _timeline(path: Path) -> Timeline:
    events, lost_lines = read_lines(path) if path.exists() else ([], 0)
    sessions = _sessions(events)
    last = sessions[-1] if sessions else []
    stop = next((event for event in reversed(last) if event.get("event") == "stop"), None)
    speeds = [
        speed
        for event in events
        if event.get("event") == "epoch" and (speed := _number(event, "images_per_second"))
    ]
    times = [time for session in sessions if (time := _elapsed(session)) is not None]
    return Timeline(
        ended=stop is None and any(event.get("event") == "end" for event in last),
        stopped=None if stop is None else str(stop.get("reason", "")),
        seconds=sum(times) if times else None,
        images_per_second=speeds[-1] if speeds else None,
        sessions=len(sessions),
        unreadable=_unreadable(events),
        lost_lines=lost_lines,
    )


def _sessions(events: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Cut the events where training was started or resumed."""
    sessions: list[list[dict[str, Any]]] = []
    for event in events:
        if event.get("event") == "start" or not sessions:
            sessions.append([])
        sessions[-1].append(event)
    return sessions


def _elapsed(session: Sequence[Mapping[str, Any]]) -> float | None:
    """The seconds of one session: its events count them from its start."""
    return max(
        (seconds for event in session if (seconds := _number(event, "seconds")) is not None),
        default=None,
    )


def _unreadable(events: Sequence[Mapping[str, Any]]) -> tuple[Unreadable, ...]:
    # A file that cannot be read is met again in every epoch; one row is enough.
    found = {
        str(event.get("file")): Unreadable(
            str(event.get("split", "train")), str(event.get("file")), str(event.get("reason", ""))
        )
        for event in events
        if event.get("event") == "unreadable"
    }
    return tuple(found.values())


def _number(event: Mapping[str, Any], key: str) -> float | None:
    try:
        return finite(event.get(key))
    except (TypeError, ValueError):
        return None
