"""What an evaluation leaves in a directory: tables, and the worst mistakes with their pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.data.dataset import ImageSet
from googlenet.errors import ImageError
from googlenet.evaluation.metrics import Evaluation, ranks_of_truth
from googlenet.names import csv_cell, encodable
from googlenet.prediction.rows import digits

# All names that an evaluation may leave in its directory.
FILES = (
    "confusion_matrix.csv",
    "evaluation.json",
    "mistakes",
    "mistakes.json",
    "per_class.csv",
    "predictions.csv",
    "unreadable.csv",
)

MISTAKES = 24

# Large enough to see what is on it, small enough for two dozen in one page.
_PICTURE_SIDE = 320


@dataclass(frozen=True, eq=False)
class Answers:
    """Hold a classifier's answers to a set of images.

    Attributes:
        images: The set.
        indices: (N,) int64, the images that could be read.
        probabilities: (N, C) float32, of those.
        unreadable: Name and reason of the others.
    """

    images: ImageSet
    indices: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    unreadable: tuple[tuple[str, str], ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The true classes of the images that could be read, (N,) int64."""
        return self.images.labels[self.indices]

    @property
    def files(self) -> list[str]:
        """The names of the images that could be read, N of them."""
        return [self.images.names[index] for index in self.indices]


def evaluation_files(evaluation: Evaluation, answers: Answers) -> dict[str, bytes | str]:
    """Return the content of each file of an evaluation, by its path in the directory."""
    files: dict[str, bytes | str] = {
        "predictions.csv": _predictions_csv(evaluation.classes, answers),
        "per_class.csv": _per_class_csv(evaluation),
        "confusion_matrix.csv": _confusion_csv(evaluation),
        **_mistakes(evaluation.classes, answers),
        "evaluation.json": _json(evaluation.to_json()),
    }
    if answers.unreadable:
        files["unreadable.csv"] = unreadable_csv(answers.unreadable)
    return files


def unreadable_csv(unreadable: Sequence[tuple[str, str]]) -> str:
    """Return a table of the files that gave no pixels."""
    rows = ([csv_cell(name), csv_cell(reason)] for name, reason in unreadable)
    return _csv(("file", "reason"), rows)


def _predictions_csv(classes: Sequence[str], answers: Answers) -> str:
    named = answers.probabilities.argmax(1)
    shares = answers.probabilities.max(1)
    ranks = ranks_of_truth(answers.probabilities, answers.labels)
    rows = (
        (
            csv_cell(file),
            csv_cell(classes[truth]),
            csv_cell(classes[guess]),
            digits(share),
            rank,
            "true" if rank == 1 else "false",
        )
        for file, truth, guess, share, rank in zip(
            answers.files, answers.labels, named, shares, ranks, strict=True
        )
    )
    return _csv(("file", "truth", "prediction", "probability", "rank_of_truth", "correct"), rows)


def _per_class_csv(evaluation: Evaluation) -> str:
    rows = (
        [csv_cell(row.name), *map(_share, (row.precision, row.recall, row.f1)), row.support]
        for row in evaluation.per_class
    )
    return _csv(("class", "precision", "recall", "f1", "support"), rows)


def _confusion_csv(evaluation: Evaluation) -> str:
    names = [csv_cell(name) for name in evaluation.classes]
    matrix = zip(names, evaluation.confusion_matrix, strict=True)
    return _csv(("truth", *names), ([name, *counts] for name, counts in matrix))


def _mistakes(classes: Sequence[str], answers: Answers) -> dict[str, bytes | str]:
    """Return the list of the most confident mistakes, and their pictures."""
    named = answers.probabilities.argmax(1)
    shares = answers.probabilities.max(1)
    labels, names = answers.labels, answers.files
    wrong = np.flatnonzero(named != labels)
    worst = wrong[np.argsort(-shares[wrong], kind="stable")][:MISTAKES]
    files: dict[str, bytes | str] = {}
    rows = []
    for number, place in enumerate(worst, start=1):
        picture = _picture(answers.images, int(answers.indices[place]))
        path = f"mistakes/{number:02d}.jpg"
        if picture is not None:
            files[path] = picture
        rows.append(
            {
                "file": encodable(names[place]),
                "truth": encodable(classes[labels[place]]),
                "prediction": encodable(classes[named[place]]),
                "probability": digits(shares[place]),
                "probability_of_truth": digits(answers.probabilities[place, labels[place]]),
                "picture": None if picture is None else path,
            }
        )
    return {**files, "mistakes.json": _json(rows)}


def _picture(images: ImageSet, index: int) -> bytes | None:
    """Return a small JPEG of an image; None if its file is gone since it was measured."""
    try:
        image = Image.fromarray(images.pixels(index))
    except ImageError:
        return None
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return stream.getvalue()


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _share(value: float | None) -> float | str:
    return "" if value is None else value
