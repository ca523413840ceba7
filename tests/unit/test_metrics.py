"""The measures, against scikit-learn and SciPy, which share no code with ours."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from googlenet.errors import DataError, ResultError, UsageError
from googlenet.evaluation.metrics import (
    Evaluation,
    balanced_accuracy,
    measure,
    ranks_of_truth,
    wilson_interval,
)


def draw(
    seed: int, count: int, size: int, sharpness: float = 2.0
) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[str, ...]]:
    """Probabilities that favour the truth a little, with labels of uneven frequency."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(size, count, p=generator.dirichlet(np.ones(size)))
    logits = sharpness * generator.standard_normal((count, size))
    logits[np.arange(count), labels] += 1
    exponents = np.exp(logits)
    probabilities = (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)
    return probabilities, labels.astype(np.int64), tuple(f"class {i}" for i in range(size))


def calibration_by_hand(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == labels
    edges = np.linspace(0, 1, 16)
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence >= low) & ((confidence < high) | (high == 1))
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 200),
    size=st.integers(2, 12),
    sharpness=st.floats(0.1, 6.0),
)
def test_every_measure_agrees_with_scikit_learn(
    seed: int, count: int, size: int, sharpness: float
) -> None:
    probabilities, labels, classes = draw(seed, count, size, sharpness)
    found = measure(probabilities, labels, classes)
    named = probabilities.argmax(1)
    every = list(range(size))

    assert found.count == count
    assert found.top1 == pytest.approx(sklearn.metrics.accuracy_score(labels, named))
    double = probabilities.astype(np.float64)
    double /= double.sum(1, keepdims=True)  # float32 rows miss 1 by more than scikit-learn allows
    expected = sklearn.metrics.log_loss(labels, double, labels=every)
    assert found.loss == pytest.approx(expected, rel=1e-5, abs=1e-7)
    if size > 5:
        expected = sklearn.metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every)
        assert found.top5 == pytest.approx(expected)
    else:
        assert found.top5 is None
    matrix = sklearn.metrics.confusion_matrix(labels, named, labels=every)
    assert np.array_equal(np.array(found.confusion_matrix), matrix)

    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, named, labels=every, zero_division=np.nan
    )
    for index, row in enumerate(found.per_class):
        assert row.name == classes[index]
        assert row.support == support[index]
        for ours, theirs in ((row.precision, precision[index]), (row.recall, recall[index])):
            assert (ours is None) == bool(np.isnan(theirs))
            assert ours is None or ours == pytest.approx(theirs)
        if row.f1 is not None:
            assert row.f1 == pytest.approx(np.nan_to_num(f1[index]))
    seen = sorted({*labels.tolist(), *named.tolist()})
    assert found.macro_f1 == pytest.approx(
        sklearn.metrics.f1_score(labels, named, labels=seen, average="macro", zero_division=0)
    )
    present = sorted(set(labels.tolist()))
    expected = sklearn.metrics.recall_score(labels, named, labels=present, average="macro")
    assert found.balanced_accuracy == pytest.approx(expected)
    assert balanced_accuracy(named, labels) == pytest.approx(expected)
    assert found.expected_calibration_error == pytest.approx(
        calibration_by_hand(probabilities, labels), abs=1e-5
    )
    counts = np.bincount(labels, minlength=size)
    assert found.majority_share == pytest.approx(counts.max() / count)
    assert found.majority_class == classes[counts.argmax()]


def test_certainty_shares_the_last_bin_of_calibration() -> None:
    # All four lie in one bin, so the mean confidence 0.975 meets the accuracy 0.75.
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.95, 0.05], [0.95, 0.05]], np.float32)
    labels = np.array([0, 1, 0, 0])
    found = measure(probabilities, labels, ("a", "b"))
    assert found.expected_calibration_error == pytest.approx(abs(0.75 - 0.975), abs=1e-6)


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (10, 10), (1, 1), (541, 656), (3, 7)])
def test_the_interval_agrees_with_scipy(successes: int, count: int) -> None:
    expected = binomtest(successes, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, count) == pytest.approx((expected.low, expected.high))


def test_equal_probabilities_rank_the_lower_class_first() -> None:
    probabilities = np.full((4, 4), 0.25, np.float32)
    labels = np.arange(4)
    assert ranks_of_truth(probabilities, labels).tolist() == [1, 2, 3, 4]
    assert measure(probabilities, labels, tuple("abcd")).top1 == 0.25


def test_a_class_without_images_has_no_recall() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], np.float32)
    found = measure(probabilities, np.array([0, 0]), ("a", "b", "c"))
    rows = {row.name: row for row in found.per_class}
    assert (rows["b"].precision, rows["b"].recall, rows["b"].f1) == (0.0, None, 0.0)
    assert (rows["c"].precision, rows["c"].recall, rows["c"].f1) == (None, None, None)
    assert found.balanced_accuracy == 0.5
    assert found.majority_share == 1.0


def test_an_impossible_truth_gives_a_finite_loss() -> None:
    probabilities = np.array([[1.0, 0.0]], np.float32)
    loss = measure(probabilities, np.array([1]), ("a", "b")).loss
    assert loss == pytest.approx(-math.log(np.finfo(np.float32).tiny))


def test_the_document_is_plain_json() -> None:
    probabilities, labels, classes = draw(1, 40, 7)
    measures = measure(probabilities, labels, ("caf\udce9", *classes[1:]))
    evaluation = Evaluation(
        model="m",
        variant="bn",
        weights="averaged",
        data="d",
        split="test",
        unreadable=1,
        **{name: getattr(measures, name) for name in measures.__dataclass_fields__},
    )
    text = json.dumps(evaluation.to_json(), ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")
    document = json.loads(text)
    assert document["schema"] == "googlenet.evaluation/1"
    assert document["count"] == 40
    assert document["weights"] == "averaged"
    assert set(document["per_class"][0]) == {"class", "precision", "recall", "f1", "support"}
    assert document["top1_interval"] == list(evaluation.top1_interval)


@pytest.mark.parametrize(
    ("probabilities", "labels", "classes", "error"),
    [
        (np.empty((0, 2), np.float32), np.empty(0, np.int64), ("a", "b"), DataError),
        (np.ones((2, 1), np.float32), np.zeros(2, np.int64), ("a",), UsageError),
        (np.ones((2, 3), np.float32), np.zeros(2, np.int64), ("a", "b"), UsageError),
        (np.ones((3, 2), np.float32), np.zeros(2, np.int64), ("a", "b"), UsageError),
        (np.ones((2, 2), np.float32), np.array([0, 2]), ("a", "b"), UsageError),
        (np.ones((2, 2), np.float32), np.array([-1, 0]), ("a", "b"), UsageError),
        (np.full((2, 2), np.nan, np.float32), np.array([0, 1]), ("a", "b"), ResultError),
    ],
)
def test_what_cannot_be_measured(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        measure(probabilities, labels, classes)
