"""Read what an evaluation left in a run: scores, confusion matrix, mistakes, unreadable files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from googlenet.report.reading import (
    Picture,
    finite,
    garbled,
    parsed,
    read_json,
    read_object,
    read_picture,
    read_table,
    share,
    share_or_none,
)

SCHEMA = "googlenet.evaluation/1"


@dataclass(frozen=True)
class ClassScore:
    """Hold one class's scores in [0, 1] and its number of measured images."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Mistake:
    """Hold one image that was called something else, with the probability given to that."""

    file: str
    truth: str
    prediction: str
    probability: float
    picture: Picture | None


@dataclass(frozen=True)
class Unreadable:
    """Hold one file that gave no pixels, where it was met, and why."""

    part: str
    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Hold the evaluation of one part of the data; every share is in [0, 1].

    Attributes:
        split: Part that was measured: ``test``, ``validation``, ...
        weights: ``averaged`` or ``raw``.
        count: Images that were measured.
        top1_interval: 95% interval of ``top1``.
        top5: None where there are too few classes for it to mean something.
        majority_share: Accuracy of always naming the commonest class, ``majority_class``.
        confusion: Counts; rows are the true classes, columns the named ones.
        notes: What the evaluation wants its reader to know.
    """

    split: str
    weights: str
    count: int
    loss: float | None
    top1: float
    top1_interval: tuple[float, float]
    top5: float | None
    balanced_accuracy: float | None
    macro_f1: float | None
    majority_share: float
    majority_class: str
    expected_calibration_error: float | None
    classes: tuple[str, ...]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def worst_first(self) -> list[ClassScore]:
        """The classes by rising F1; those without a measured image stand last."""
        return sorted(
            self.per_class,
            key=lambda score: (score.support == 0, -1.0 if score.f1 is None else score.f1),
        )


def read_measured(directory: Path) -> Measured:
    """Read ``evaluation.json`` and the files beside it.

    Raises:
        ModelError: A file is garbled, or was written by another version.
    """
    path = directory / "evaluation.json"
    document = read_object(path)
    if document.get("schema") != SCHEMA:
        raise garbled(path, f"schema {document.get('schema')!r} in place of {SCHEMA!r}")

    def parse(row: Mapping[str, Any]) -> Measured:
        classes = tuple(str(name) for name in row["classes"])
        confusion = tuple(tuple(int(cell) for cell in cells) for cells in row["confusion_matrix"])
        if {len(confusion), *map(len, confusion)} != {len(classes)}:
            raise ValueError(f"confusion_matrix is not {len(classes)} by {len(classes)}")
        if any(cell < 0 for cells in confusion for cell in cells):
            raise ValueError("confusion_matrix holds a count below 0")
        low, high = (share(bound) for bound in row["top1_interval"])
        split = str(row["split"])
        return Measured(
            split=split,
            weights=str(row["weights"]),
            count=int(row["count"]),
            loss=finite(row["loss"]),
            top1=share(row["top1"]),
            top1_interval=(low, high),
            top5=share_or_none(row["top5"]),
            balanced_accuracy=share_or_none(row["balanced_accuracy"]),
            macro_f1=share_or_none(row["macro_f1"]),
            majority_share=share(row["majority_share"]),
            majority_class=str(row["majority_class"]),
            expected_calibration_error=share_or_none(row["expected_calibration_error"]),
            classes=classes,
            per_class=tuple(_class_score(score) for score in row["per_class"]),
            confusion=confusion,
            notes=tuple(str(note) for note in row.get("notes", ())),
            mistakes=_mistakes(directory),
            unreadable=_unreadable(directory, split),
        )

    return parsed(path, parse, document)


def _class_score(row: Mapping[str, Any]) -> ClassScore:
    return ClassScore(
        name=str(row["class"]),
        precision=share_or_none(row["precision"]),
        recall=share_or_none(row["recall"]),
        f1=share_or_none(row["f1"]),
        support=int(row["support"]),
    )


def _mistakes(directory: Path) -> tuple[Mistake, ...]:
    path = directory / "mistakes.json"
    if not path.exists():
        return ()
    document = read_json(path)
    if not isinstance(document, list):
        raise garbled(path, f"{type(document).__name__} in place of a list")

    def parse(row: Mapping[str, Any]) -> Mistake:
        name = row.get("picture")
        return Mistake(
            file=str(row["file"]),
            truth=str(row["truth"]),
            prediction=str(row["prediction"]),
            probability=share(row["probability"]),
            picture=_picture_inside(directory, name) if isinstance(name, str) else None,
        )

    return tuple(parsed(path, parse, row) for row in document)


def _picture_inside(directory: Path, name: str) -> Picture | None:
    """Read a picture, but none from outside the run: the file may come from a stranger."""
    try:
        path = (directory / name).resolve()
    except (OSError, ValueError):  # a NUL byte, a loop of links
        return None
    return read_picture(path) if path.is_relative_to(directory.resolve()) else None


def _unreadable(directory: Path, part: str) -> tuple[Unreadable, ...]:
    path = directory / "unreadable.csv"
    if not path.exists():
        return ()

    def parse(row: Mapping[str, Any]) -> Unreadable:
        return Unreadable(part, _unquoted(row["file"]), _unquoted(row["reason"]))

    return tuple(parsed(path, parse, row) for row in read_table(path))


def _unquoted(cell: str) -> str:
    """Take off the apostrophe that keeps a spreadsheet from running a cell as a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell
