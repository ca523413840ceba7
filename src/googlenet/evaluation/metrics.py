"""The measures of a classifier, from its probabilities and the true labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.errors import DataError, ResultError, UsageError
from googlenet.names import encodable

SCHEMA = "googlenet.evaluation/1"

CALIBRATION_BINS = 15

# The two-sided 95% quantile of the standard normal distribution.
_Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class ClassMeasures:
    """Hold one class's measures in [0, 1]; None where the quotient is 0 / 0.

    Attributes:
        name: The class.
        precision: Share of the images given this class that are of it.
        recall: Share of the images of this class that were given it.
        f1: Harmonic mean of both.
        support: Number of images of this class.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Hold what probabilities and true labels tell; every share is in [0, 1].

    Attributes:
        count: Images measured.
        loss: Mean cross-entropy in nats.
        top1: Share of images whose likeliest class is the true one.
        top1_interval: 95% interval of ``top1`` (Wilson's score interval).
        top5: Share of images whose true class is among the five likeliest; None where there are
            five classes or fewer.
        balanced_accuracy: Mean recall of the classes that have images.
        macro_f1: Mean F1 of the classes that have images or were named.
        majority_class: The class with most images.
        majority_share: Its share: the ``top1`` of always naming it.
        expected_calibration_error: Mean gap between the likeliest class's probability and the
            accuracy, over 15 bins of equal width.
        classes: Names, in the order of the logits.
        per_class: Measures of each class, in that order.
        confusion_matrix: Counts; rows are the true classes, columns the named ones.
    """

    count: int
    loss: float
    top1: float
    top1_interval: tuple[float, float]
    top5: float | None
    balanced_accuracy: float
    macro_f1: float
    majority_class: str
    majority_share: float
    expected_calibration_error: float
    classes: tuple[str, ...]
    per_class: tuple[ClassMeasures, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation(Measures):
    """Hold the measures of one model on one part of some data.

    Attributes:
        model: The model directory; ``in memory`` where there is none.
        variant: The network's variant.
        weights: Which weights were measured: ``averaged``, ``raw`` or ``unknown``.
        data: Name of the data.
        split: The part measured: ``test``, ``validation``, ``train`` or ``all``.
        unreadable: Number of images that could not be read; they are not counted.
        notes: What a reader should know besides.
    """

    model: str
    variant: str
    weights: str
    data: str
    split: str
    unreadable: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the contents of ``evaluation.json``."""
        document = asdict(self)
        document["classes"] = [encodable(name) for name in self.classes]
        document["majority_class"] = encodable(self.majority_class)
        document["per_class"] = [
            {"class": encodable(row.pop("name")), **row} for row in document["per_class"]
        ]
        for name in ("model", "data"):
            document[name] = encodable(document[name])
        first = ("model", "variant", "weights", "data", "split", "count", "unreadable")
        return {"schema": SCHEMA, **{name: document[name] for name in first}, **document}


def measure(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]
) -> Measures:
    """Compute the measures of a classifier.

    Args:
        probabilities: (N, C) float32, each row summing to 1.
        labels: (N,) int64 in [0, C).
        classes: C names.

    Raises:
        DataError: There is no image.
        ResultError: A probability is not finite.
        UsageError: There are fewer than two classes, or the arrays do not fit together.
    """
    import torch
    from torchmetrics.functional.classification import (
        multiclass_calibration_error,
        multiclass_confusion_matrix,
    )

    _check(probabilities, labels, classes)
    count, size = probabilities.shape
    ranks = ranks_of_truth(probabilities, labels)
    named = probabilities.argmax(1)
    truth = torch.from_numpy(labels)
    confusion = multiclass_confusion_matrix(
        torch.from_numpy(named), truth, num_classes=size
    ).numpy()
    # torchmetrics puts a probability of exactly 1 into a bin of its own; just below, it shares the
    # last one, as the definition has it.
    below_one = np.minimum(probabilities, np.nextafter(np.float32(1), np.float32(0)))
    calibration = multiclass_calibration_error(
        torch.from_numpy(below_one), truth, num_classes=size, n_bins=CALIBRATION_BINS, norm="l1"
    )
    per_class = _per_class(confusion, classes)
    majority = int(confusion.sum(1).argmax())
    top1 = int((ranks == 1).sum())
    return Measures(
        count=count,
        loss=cross_entropy(probabilities, labels),
        top1=top1 / count,
        top1_interval=wilson_interval(top1, count),
        top5=float((ranks <= 5).mean()) if size > 5 else None,
        balanced_accuracy=balanced_accuracy(named, labels),
        macro_f1=float(np.mean([row.f1 for row in per_class if row.f1 is not None])),
        majority_class=classes[majority],
        majority_share=float(confusion[majority].sum() / count),
        expected_calibration_error=float(calibration),
        classes=tuple(classes),
        per_class=per_class,
        confusion_matrix=tuple(tuple(int(cell) for cell in row) for row in confusion),
    )


def ranks_of_truth(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the place of the true class among the likeliest, 1 for the first, (N,) int64.

    Of equal probabilities the class with the lower index comes first, as in ``argmax``.
    """
    true = np.take_along_axis(probabilities, labels[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > true) | ((probabilities == true) & earlier)
    ranks: NDArray[np.int64] = 1 + ahead.sum(1, dtype=np.int64)
    return ranks


def cross_entropy(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean of minus the logarithm of the true class's probability, in nats.

    A probability that float32 cannot tell from 0 counts as its smallest normal number, 1.2e-38.
    """
    true = np.take_along_axis(probabilities, labels[:, None], axis=1)
    return float(-np.log(np.maximum(true.astype(np.float64), np.finfo(np.float32).tiny)).mean())


def balanced_accuracy(named: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return the mean recall of the classes that have images, in [0, 1].

    Args:
        named: (N,) int64, the class that each image was given.
        labels: (N,) int64, the true one; at least one image.
    """
    support = np.bincount(labels)
    hits = np.bincount(labels[named == labels], minlength=len(support))
    present = support > 0
    return float((hits[present] / support[present]).mean())


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """Return the 95% score interval of a share.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    share = successes / count
    square = _Z95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = (
        _Z95
        * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
        / (1 + square / count)
    )
    return max(0.0, centre - half), min(1.0, centre + half)


def _per_class(confusion: NDArray[np.int64], classes: Sequence[str]) -> tuple[ClassMeasures, ...]:
    hits = confusion.diagonal()
    support, named = confusion.sum(1), confusion.sum(0)
    return tuple(
        ClassMeasures(
            name=name,
            precision=_quotient(hits[index], named[index]),
            recall=_quotient(hits[index], support[index]),
            f1=_quotient(2 * hits[index], support[index] + named[index]),
            support=int(support[index]),
        )
        for index, name in enumerate(classes)
    )


def _quotient(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _check(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]
) -> None:
    if len(classes) < 2:
        raise UsageError(
            f"{len(classes)} class cannot be told from others",
            None,
            "Measure a classifier of two or more classes.",
        )
    if probabilities.shape != (len(labels), len(classes)):
        raise UsageError(
            f"probabilities of shape {probabilities.shape} for {len(labels)} labels and "
            f"{len(classes)} classes",
            None,
            "Give a row for each label and a column for each class.",
        )
    if len(labels) == 0:
        raise DataError(
            "there is no image to measure", None, "Give data with at least one readable image."
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise UsageError(
            f"labels reach from {labels.min()} to {labels.max()} for {len(classes)} classes",
            None,
            "Number the classes from 0.",
        )
    if not np.isfinite(probabilities).all():
        raise ResultError(
            "the network gives probabilities that are not finite",
            None,
            "Take an earlier state of the weights, or train again with a lower learning rate.",
        )
