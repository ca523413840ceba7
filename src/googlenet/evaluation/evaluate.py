"""Measure a model on labelled images, and leave every file's answer behind."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.data.dataset import ImageSet
from googlenet.data.loader import evaluation_loader
from googlenet.data.source import DataSplits, Part, open_evaluation_set
from googlenet.errors import DataError, ResultError, UsageError
from googlenet.evaluation.metrics import Evaluation, measure, ranks_of_truth
from googlenet.files import write_atomic, write_json
from googlenet.names import csv_cell, encodable
from googlenet.prediction.classifier import BATCH_SIZE, Classifier, load, softmax

PICTURED_MISTAKES = 24
# Longest side, in pixels, of a pictured mistake.
PICTURE_SIDE = 240


@dataclass(frozen=True)
class Answers:
    """Hold a model's answers on a set of images.

    Attributes:
        indices: (N,) int64, places in the set of the images that could be read.
        labels: (N,) int64, true classes.
        probabilities: (N, C) float32.
        unreadable: Name and reason of the others.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    unreadable: tuple[tuple[str, str], ...]


def evaluate(
    model: str | os.PathLike[str] | Classifier,
    data: Any,
    *,
    split: Part | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int = 1,
    device: str = "cpu",
    out: str | os.PathLike[str] | None = None,
    max_unreadable: float = 0.05,
) -> Evaluation:
    """Measure a model on labelled images; labels are matched to its classes by name.

    Args:
        model: A model directory or a classifier.
        data: What ``open_evaluation_set`` opens: a directory, a CSV file, the name of a data set, a
            Python data set, or a set that is open already.
        split: The part to measure; None for the test part where there is one, else validation.
        batch_size: Images that go through the network at once.
        workers: Processes that read images beside this one; 0 reads here.
        device: Where to compute, for a model directory.
        out: Directory for ``evaluation.json``, ``predictions.csv``, ``per_class.csv``,
            ``confusion_matrix.csv``, ``mistakes.json`` with pictures and, where there are any,
            ``unreadable.csv``; None leaves nothing.
        max_unreadable: Share of the images that may be unreadable.

    Raises:
        DataError: The data cannot be read, or has a class that the model does not know.
        ModelError: The model directory cannot be used.
        ResultError: Too many images cannot be read.
        UsageError: The output directory cannot be made.
    """
    classifier = model if isinstance(model, Classifier) else load(model, device)
    images, part = open_evaluation_set(data, classes=classifier.classes, split=split)
    if len(images) == 0:
        raise DataError("there is no image to measure", str(data), "Give at least one image.")
    answers = answer(classifier, images, batch_size=batch_size, workers=workers)
    if len(answers.unreadable) > max_unreadable * len(images):
        raise ResultError(
            f"{len(answers.unreadable)} of {len(images)} images cannot be read, more than the "
            f"allowed {max_unreadable:.0%}",
            ", ".join(name for name, _ in answers.unreadable[:3]),
            "Mend or remove them, or raise --max-unreadable.",
        )
    measures = measure(answers.probabilities, answers.labels, classifier.classes)
    evaluation = Evaluation(
        **{name: getattr(measures, name) for name in measures.__dataclass_fields__},
        model="in memory" if isinstance(model, Classifier) else os.fspath(model),
        variant=classifier.network.spec.variant,
        weights=str(classifier.metadata.get("weights", "unknown")),
        data=_name(data),
        split=part,
        unreadable=len(answers.unreadable),
    )
    if out is not None:
        _write(Path(out), evaluation, images, answers)
    return evaluation


def answer(
    classifier: Classifier, images: ImageSet, *, batch_size: int = BATCH_SIZE, workers: int = 1
) -> Answers:
    """Compute a classifier's probabilities for a set of images, in the set's order."""
    indices, labels, probabilities = [], [], []
    unreadable: list[tuple[str, str]] = []
    loader = evaluation_loader(
        images, classifier.preprocessing, batch_size=batch_size, workers=workers
    )
    for batch in loader:
        unreadable += batch.unreadable
        if len(batch.labels):
            probabilities.append(softmax(classifier.logits(batch.images)))
            indices.append(batch.indices.numpy())
            labels.append(batch.labels.numpy())
    nothing = np.empty(0, np.int64)
    return Answers(
        np.concatenate([nothing, *indices]),
        np.concatenate([nothing, *labels]),
        np.concatenate([np.empty((0, len(classifier.classes)), np.float32), *probabilities]),
        tuple(unreadable),
    )


def _write(out: Path, evaluation: Evaluation, images: ImageSet, answers: Answers) -> None:
    pictures = out / "mistakes"
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the output directory cannot be made: {error.strerror}", out, "Choose another --out."
        ) from error
    classes = evaluation.classes
    ranks = ranks_of_truth(answers.probabilities, answers.labels)
    named = answers.probabilities.argmax(1)
    certainty = answers.probabilities.max(1)

    _write_csv(
        out / "predictions.csv",
        ["file", "truth", "prediction", "probability", "rank_of_truth", "correct"],
        (
            [
                csv_cell(images.names[index]),
                csv_cell(classes[truth]),
                csv_cell(classes[guess]),
                f"{share:.6f}",
                str(rank),
                str(int(rank == 1)),
            ]
            for index, truth, guess, share, rank in zip(
                answers.indices, answers.labels, named, certainty, ranks, strict=True
            )
        ),
    )
    _write_csv(
        out / "per_class.csv",
        ["class", "precision", "recall", "f1", "support"],
        ([csv_cell(row.name), *list(asdict(row).values())[1:]] for row in evaluation.per_class),
    )
    _write_csv(
        out / "confusion_matrix.csv",
        ["truth", *map(csv_cell, classes)],
        (
            [csv_cell(name), *row]
            for name, row in zip(classes, evaluation.confusion_matrix, strict=True)
        ),
    )
    if answers.unreadable:
        _write_csv(
            out / "unreadable.csv",
            ["file", "reason"],
            ([csv_cell(name), csv_cell(reason)] for name, reason in answers.unreadable),
        )
    worst = np.flatnonzero(ranks > 1)
    worst = worst[np.argsort(-certainty[worst], kind="stable")][:PICTURED_MISTAKES]
    mistakes = []
    for place, which in enumerate(worst):
        picture = f"mistakes/{place:02d}.jpg"
        index = int(answers.indices[which])
        _picture(images, index, out / picture)
        mistakes.append(
            {
                "file": encodable(images.names[index]),
                "truth": encodable(classes[answers.labels[which]]),
                "prediction": encodable(classes[named[which]]),
                "probability": float(certainty[which]),
                "picture": picture,
            }
        )
    write_json(out / "mistakes.json", mistakes)
    # Last: who finds it finds the rest as well.
    write_json(out / "evaluation.json", evaluation.to_json())


def _picture(images: ImageSet, index: int, path: Path) -> None:
    picture = Image.fromarray(images.pixels(index))
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    write_atomic(path, encoded.getvalue())


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def _name(data: Any) -> str:
    if isinstance(data, DataSplits):
        return data.name
    return str(data) if isinstance(data, str | os.PathLike) else type(data).__name__
