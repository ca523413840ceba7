"""Lay out the report of a run as one HTML file that needs nothing from outside."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from googlenet.files import write_atomic
from googlenet.names import visible
from googlenet.report import text
from googlenet.report.figures import (
    Chart,
    Line,
    commonest_confusions,
    heat_cells,
    line_chart,
    matrix_rows,
)
from googlenet.report.headline import headline
from googlenet.report.run import Epoch, Run, read_run

# A matrix up to this size is a table with a number in each cell; a larger one is a heat map.
LARGEST_MATRIX_TABLE = 20
# A heat map up to this size has the class names along its sides.
LARGEST_NAMED_HEAT_MAP = 50
# The table of classes shows this many; the rest folds away.
FIRST_CLASSES = 15

# Shown in their own places, so the table of settings leaves them out.
_TOLD_ELSEWHERE = ("schema", "classes", "counts", "notes", "spec")


def write_report(run_directory: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into a run directory, whatever the run has got to.

    The page is one file: styles, figures and pictures are inside, it asks for nothing from outside
    and runs no script. Without a test part it shows the validation numbers and says so.

    Returns:
        The path of the report.

    Raises:
        ModelError: The directory is no run, or holds a file that is garbled.
    """
    run = read_run(run_directory)
    path = run.directory / "report.html"
    write_atomic(path, render(run))
    return path


def render(run: Run) -> str:
    """Return the report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("googlenet.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=text.percent,
        whole_percent=text.whole_percent,
        decimal=text.decimal,
        significant=text.significant,
        count=text.count,
        plural=text.plural,
    )
    return environment.get_template("report.html.j2").render(
        run=run,
        headline=headline(run),
        title=_title(run),
        charts=_charts(run.epochs, run.best),
        heads=any(epoch.train_loss_aux1 is not None for epoch in run.epochs),
        smoothing=run.setting("label_smoothing"),
        matrix=_matrix(run),
        first_classes=FIRST_CLASSES,
        notes=_notes(run.settings),
        settings=text.setting_groups(
            {key: value for key, value in run.settings.items() if key not in _TOLD_ELSEWHERE}
        ),
        environment=text.setting_groups(run.environment),
        commands=_commands(run),
    )


def _finalize(value: Any) -> Any:
    # Every name that reaches the page passes here, so none can be forgotten; markup made by the
    # templates themselves has been through it already.
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


@dataclass(frozen=True)
class _Title:
    data: str
    run: str
    line: str


def _title(run: Run) -> _Title:
    variant, size, seed = run.setting("variant"), run.setting("input_size"), run.setting("seed")
    asked = run.settings.get("settings")
    recipe = asked.get("recipe") if isinstance(asked, Mapping) else None
    parts = [
        f"variant {variant}" if isinstance(variant, str) else None,
        f"{size} × {size} pixels" if isinstance(size, int) else None,
        f"recipe {recipe}" if isinstance(recipe, str) else None,
        f"seed {seed}" if isinstance(seed, int) else None,
    ]
    name = run.directory.resolve().name
    data = run.setting("data_name")
    return _Title(
        data=data if isinstance(data, str) and data else name,
        run=name,
        line=" · ".join(part for part in parts if part),
    )


def _charts(epochs: tuple[Epoch, ...], best: Epoch | None) -> list[Chart]:
    numbers = [epoch.epoch for epoch in epochs]
    mark = None if best is None else best.epoch

    def line(style: str, label: str, column: str, factor: float = 1.0) -> Line:
        values = [getattr(epoch, column) for epoch in epochs]
        return Line(style, label, [None if value is None else factor * value for value in values])

    charts = [
        line_chart(
            "loss",
            "Loss (cross-entropy, nats)",
            numbers,
            [
                line("main", "main", "train_loss_main"),
                line("aux2", "aux2", "train_loss_aux2"),
                line("aux1", "aux1", "train_loss_aux1"),
                line("validation", "validation", "val_loss"),
            ],
            text.decimal,
            mark=mark,
            limits=(0.0, math.inf),
        ),
        line_chart(
            "accuracy",
            "Accuracy (%)",
            numbers,
            [
                line("main", "main", "train_accuracy_main", 100),
                line("aux2", "aux2", "train_accuracy_aux2", 100),
                line("aux1", "aux1", "train_accuracy_aux1", 100),
                line("validation", "validation", "val_accuracy", 100),
                line("balanced", "validation, balanced", "val_balanced_accuracy", 100),
            ],
            lambda value: f"{value:.1f}%",
            mark=mark,
            limits=(0.0, 100.0),
        ),
        line_chart(
            "rate",
            "Learning rate at each epoch's end",
            numbers,
            [Line("rate", "highest", [epoch.learning_rate for epoch in epochs], tell_highest=True)],
            text.significant,
            mark=mark,
            from_zero=True,
        ),
    ]
    return [chart for chart in charts if chart is not None]


def _matrix(run: Run) -> dict[str, Any] | None:
    if run.measured is None:
        return None
    confusion = run.measured.confusion
    size = len(confusion)
    as_table = size <= LARGEST_MATRIX_TABLE
    cells, left_out = ([], 0) if as_table else heat_cells(confusion)
    return {
        "size": size,
        "rows": matrix_rows(confusion) if as_table else [],
        "cells": cells,
        "left_out": left_out,
        "named": size <= LARGEST_NAMED_HEAT_MAP,
        "confusions": commonest_confusions(confusion) if size > 4 else [],
    }


def _notes(settings: Mapping[str, Any]) -> list[str]:
    notes = settings.get("notes")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def _commands(run: Run) -> list[tuple[str, list[str]]]:
    """Return what to do next, each with its lines of shell or Python."""

    def command(*words: str) -> list[str]:
        return [" ".join(shlex.quote(word) for word in words)]

    commands = []
    if not run.finished or run.measured is None:
        resume = command("googlenet", "train", "--resume", str(run.directory))
        commands.append(("Continue this run", resume))
    if run.best is None:  # no epoch was finished, so no model was kept
        return commands
    best = str(run.directory / "best")
    commands.append(("Classify new images", command("googlenet", "predict", best, "photo.jpg")))
    data = run.settings.get("data")
    if isinstance(data, str) and data:
        measure = command("googlenet", "evaluate", best, data)
        commands.append(("Measure it on a data set", measure))
    commands.append(("Show the network's table", command("googlenet", "inspect", best)))
    python = [
        "import googlenet",
        "",
        f"model = googlenet.load({best!r})",
        'print(model.predict("photo.jpg"))',
    ]
    return [*commands, ("Classify from Python", python)]
