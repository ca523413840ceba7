"""The measures of a model as text and CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from googlenet.cli.console import aligned

if TYPE_CHECKING:
    from googlenet.evaluation.metrics import Evaluation

# A wider confusion matrix is for confusion_matrix.csv.
WIDEST_MATRIX = 12


def summary(evaluation: Evaluation) -> str:
    """Return the measures as text for people."""
    from googlenet.names import visible

    low, high = evaluation.top1_interval
    measures = [
        ("top-1 accuracy", _percent(evaluation.top1)),
        ("  95% interval", f"{_percent(low)} to {_percent(high)}"),
        (
            "  majority class",
            f"{_percent(evaluation.majority_share)} ({visible(evaluation.majority_class)})",
        ),
        ("top-5 accuracy", _percent(evaluation.top5)),
        ("balanced accuracy", _percent(evaluation.balanced_accuracy)),
        ("macro-F1", _percent(evaluation.macro_f1)),
        ("loss", f"{evaluation.loss:.4f}"),
        ("calibration error", _percent(evaluation.expected_calibration_error)),
        ("unreadable images", str(evaluation.unreadable)),
    ]
    if evaluation.top5 is None:
        del measures[3]
    lines = [
        visible(f"{evaluation.model} ({evaluation.variant}, {evaluation.weights} weights)"),
        f"on {visible(evaluation.data)}, {evaluation.split}: {evaluation.count} images",
        "",
        *(f"{name:<18}  {value}" for name, value in measures),
        "",
        *aligned([("class", "precision", "recall", "F1", "images"), *_class_rows(evaluation)]),
    ]
    if len(evaluation.classes) <= WIDEST_MATRIX:
        lines += ["", *aligned(_matrix_rows(evaluation))]
    if evaluation.notes:
        lines += ["", *map(visible, evaluation.notes)]
    return "\n".join(lines)


def _class_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    from googlenet.names import visible

    return [
        (
            visible(each.name),
            _percent(each.precision),
            _percent(each.recall),
            _percent(each.f1),
            str(each.support),
        )
        for each in evaluation.per_class
    ]


def _matrix_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    from googlenet.names import visible

    names = [visible(name) for name in evaluation.classes]
    matrix = zip(names, evaluation.confusion_matrix, strict=True)
    return [("truth \\ prediction", *names), *((name, *map(str, row)) for name, row in matrix)]


def class_rows_csv(evaluation: Evaluation) -> str:
    """Return the measures of each class as CSV."""
    from googlenet.names import csv_cell

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "precision", "recall", "f1", "support"])
    for each in evaluation.per_class:
        writer.writerow([csv_cell(each.name), each.precision, each.recall, each.f1, each.support])
    return text.getvalue()


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"
