"""Measure a model on labelled images, and write down what it said about each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from googlenet.data.dataset import ImageSet
from googlenet.data.loader import evaluation_loader
from googlenet.data.source import DataSplits, Part, open_evaluation_set
from googlenet.errors import ModelError, ResultError, UsageError
from googlenet.evaluation.files import FILES, Answers, evaluation_files, unreadable_csv
from googlenet.evaluation.metrics import Evaluation, measure
from googlenet.names import encodable
from googlenet.prediction.classifier import BATCH_SIZE, Classifier, load, softmax
from googlenet.weights.directory_swap import check_replaceable, swap_directory

MAX_UNREADABLE = 0.05

_UNREADABLE_NAMED = 3


def evaluate(
    model: str | os.PathLike[str] | Classifier,
    data: Any,
    *,
    split: Part | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
    out: str | os.PathLike[str] | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    device: str | torch.device = "cpu",
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a model on labelled images.

    The images go through the same decoder, policy and network as in ``Classifier.predict``, so a
    file has the same probabilities here, there and in ``googlenet predict``: to 1e-6, since the
    size of a batch decides in which order PyTorch adds.

    Args:
        model: A model directory, or a classifier.
        data: Anything that ``googlenet.data.source.open_data`` takes, or an ``ImageSet``; labels
            are matched to the model's classes by name.
        split: The part to measure; None for the test part where there is one, else the validation
            part, else all images. Of the data that the model was trained on, a part that the
            training did not see is taken.
        batch_size: Images that go through the network at once.
        workers: Processes that read images ahead; 0 reads in this one.
        out: Directory for ``evaluation.json``, ``predictions.csv`` (every file with its truth and
            its prediction), ``per_class.csv``, ``confusion_matrix.csv``, ``mistakes.json`` with
            pictures in ``mistakes/``, and ``unreadable.csv`` where there is a file to name in it.
            It is written in one step, and replaces an earlier evaluation.
        max_unreadable: Share of the images that may be unreadable; those are left out and counted.
        device: Where to compute, when ``model`` is a directory.
        seed: Of the run whose validation part was carved from the training part; None for the
            model's own.
        progress: Called after each batch with the number of images seen and of all images.

    Raises:
        DataError: The data cannot be opened, or has images of a class that the model does not know.
        ModelError: The model cannot be loaded, or ``out`` cannot be written.
        ResultError: Too many images are unreadable, or a probability is not finite.
        UsageError: A setting cannot be carried out.
    """
    _check_settings(batch_size, workers, max_unreadable)
    if out is not None:
        check_replaceable(out, FILES)  # better now than after the work
    classifier = model if isinstance(model, Classifier) else load(model, device)
    if isinstance(data, ImageSet):
        images, part = data.with_classes(classifier.classes), split or "all"
        notes: tuple[str, ...] = ()
    else:
        if seed is None:
            seed = int(classifier.metadata.get("seed", 0))
        images, part, notes = open_evaluation_set(
            data, classes=classifier.classes, split=split, seed=seed, metadata=classifier.metadata
        )
    try:
        answers = _ask(classifier, images, batch_size, workers, max_unreadable, progress)
    except _TooManyUnreadableError as error:
        if out is not None:
            _write(out, {"unreadable.csv": unreadable_csv(error.unreadable)})
        raise error.told(len(images), max_unreadable) from None
    measures = measure(answers.probabilities, answers.labels, classifier.classes)
    evaluation = Evaluation(
        model="in memory" if isinstance(model, Classifier) else os.fspath(model),
        variant=classifier.config.spec.variant,
        weights=classifier.config.weights,
        data=_data_name(data),
        split=part,
        unreadable=len(answers.unreadable),
        notes=tuple(map(encodable, notes)),
        **{name: getattr(measures, name) for name in measures.__dataclass_fields__},
    )
    if out is not None:
        _write(out, evaluation_files(evaluation, answers))
    return evaluation


def _ask(
    classifier: Classifier,
    images: ImageSet,
    batch_size: int,
    workers: int,
    max_unreadable: float,
    progress: Callable[[int, int], None] | None,
) -> Answers:
    """Put every image to the classifier.

    Raises:
        _TooManyUnreadableError: It is certain that more images are unreadable than may be.
    """
    probabilities = [np.empty((0, len(classifier.classes)), np.float32)]
    indices = [np.empty(0, np.int64)]
    unreadable: list[tuple[str, str]] = []
    seen = 0
    loader = evaluation_loader(
        images, classifier.preprocessing, batch_size=batch_size, workers=workers
    )
    for batch in loader:
        if len(batch.indices):
            probabilities.append(softmax(classifier.logits(batch.images)))
            indices.append(batch.indices.numpy())
        unreadable += batch.unreadable
        if len(unreadable) > max_unreadable * len(images):
            loader.close()
            raise _TooManyUnreadableError(unreadable)
        seen += len(batch.indices) + len(batch.unreadable)
        if progress is not None:
            progress(seen, len(images))
    order = np.concatenate(indices)
    return Answers(images, order, np.concatenate(probabilities), tuple(unreadable))


class _TooManyUnreadableError(Exception):
    def __init__(self, unreadable: list[tuple[str, str]]) -> None:
        super().__init__(unreadable)
        self.unreadable = tuple(unreadable)

    def told(self, count: int, share: float) -> ResultError:
        named = "; ".join(f"{name} ({why})" for name, why in self.unreadable[:_UNREADABLE_NAMED])
        return ResultError(
            f"at least {len(self.unreadable)} of {count} images cannot be read, more than the "
            f"share of {share:g} that may be",
            named,
            "Replace the images, or raise the share: --max-unreadable (max_unreadable in Python).",
        )


def _write(out: str | os.PathLike[str], files: dict[str, bytes | str]) -> None:
    try:
        swap_directory(out, files, replaces=FILES)
    except OSError as error:
        raise ModelError(
            f"evaluation could not be written: {error.strerror}",
            out,
            "Give a directory that can be written, on a disk with free space.",
        ) from error


def _data_name(data: Any) -> str:
    """Return what a report calls the data: its own name, without the path on this machine."""
    match data:
        case DataSplits():
            return data.name
        case str() | os.PathLike():
            path = Path(data)
            if path.is_dir():
                return path.resolve().name
            return path.stem if path.exists() else str(data).partition(":")[0]
        case _:
            return "in memory"


def _check_settings(batch_size: int, workers: int, max_unreadable: float) -> None:
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}", None, "Give a batch size of 1 or more.")
    if workers < 0:
        raise UsageError(f"number of workers is {workers}", None, "Give 0 or more workers.")
    if not 0 <= max_unreadable <= 1:
        raise UsageError(
            f"share of unreadable images is {max_unreadable}", None, "Give a share from 0 to 1."
        )
