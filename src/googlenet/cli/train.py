"""``googlenet train``: train a classifier on labelled images, and measure it."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App

from googlenet.cli.console import progress_console, write_document, write_result
from googlenet.cli.measures import summary
from googlenet.extras import require
from googlenet.training.settings import TrainSettings, read_arguments

if TYPE_CHECKING:
    from googlenet.training.run import TrainResult

SCHEMA = "googlenet.train/1"
REPORT = "report.html"

EXAMPLES = """\
Examples:
  googlenet train photos/ --minutes 10 --out runs/photos
  googlenet train labels.csv --epochs 30 --balance loss --seed 1
  googlenet train photos/ --weights torchvision --tune head
  googlenet train elpv --minutes 4 --out runs/demo
  googlenet train --resume runs/photos
"""

app = App(name="train", help_epilogue=EXAMPLES)


@app.default
def train(
    data: str | None = None,
    *,
    out: str | None = None,
    overwrite: bool = False,
    resume: str | None = None,
    json: bool = False,
    variant: str | None = None,
    recipe: str | None = None,
    weights: str | None = None,
    tune: Literal["all", "head"] | None = None,
    input_size: int | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    aux_weight: float | None = None,
    balance: Literal["none", "loss", "sampler"] | None = None,
    flip: Literal["auto", "none", "horizontal", "all"] | None = None,
    seed: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    precision: Literal["auto", "bf16", "fp32"] | None = None,
    save_every: int | None = None,
    max_unreadable: float | None = None,
) -> int:
    """Train a classifier on labelled images, measure it, and write a report.

    Ctrl-C saves the run and stops; --resume goes on as if it had never stopped.

    Args:
        data: Directory of classes or of splits, CSV file, or data set: elpv, fashion-mnist, digits.
        out: Directory of the run [default: a new one under runs/train].
        overwrite: Replace the run that is in --out.
        resume: Directory of a run to continue, with the settings that it was started with.
        json: Write the result as one JSON document.
        variant: Network: bn, paper, caffe, torchvision [default: bn].
        recipe: How to train: modern, paper, caffe, slim [default: modern].
        weights: Where to start: a model directory, published weights (torchvision, caffe, slim,
            inception5h, ...), or a weights file of another tool.
        tune: What to train; head leaves all but the classifier as it is [default: all].
        input_size: Side of the network's input in pixels [default: by the images].
        epochs: Passes over the training images [default: the recipe's].
        minutes: Time budget in minutes, in place of epochs.
        batch_size: Images a step [default: the recipe's].
        lr: Highest learning rate [default: the recipe's].
        aux_weight: Weight of each auxiliary head's loss; 0 is without heads [default: 0.3].
        balance: How to counter uneven classes [default: none].
        flip: How images may be mirrored; auto is what the data set says [default: auto].
        seed: Of weights, order, augmentation, dropout and split [default: 0].
        device: PyTorch's name of the device [default: cpu].
        threads: Threads of the computation [default: by the machine].
        workers: Processes that read images [default: by the machine].
        precision: bf16 is faster where the processor has it [default: auto].
        save_every: Steps between two checkpoints [default: one a minute].
        max_unreadable: Share of each part's images that may be unreadable [default: 0.05].
    """
    values = locals()
    names = (field.name for field in fields(TrainSettings))
    given = {name: values[name] for name in names if values[name] is not None}
    # What the settings say of themselves comes before PyTorch, which takes a second to import.
    settings = TrainSettings(**given) if resume is None else _resumed(Path(resume), given)

    # OpenMP's threads spin while they wait for each other, and take the processor from those that
    # read images. It looks at this when PyTorch is imported; a user's own value holds.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

    require("torch", "torchvision", "torchmetrics", needed_by="googlenet train")
    from googlenet.training.run import train as run_training

    result = run_training(
        data,
        settings,
        out=out,
        overwrite=overwrite,
        resume=resume,
        console=progress_console(),
    )
    if json:
        write_document(to_json(result))
    else:
        write_result(_text(result))
    return 0


def to_json(result: TrainResult) -> dict[str, Any]:
    """Return the result of a run as one JSON document."""
    return {
        "schema": SCHEMA,
        "run": str(result.run),
        "model": str(result.model),
        "report": str(result.run / REPORT),
        "validation_accuracy": result.validation_accuracy,
        "evaluation": result.evaluation.to_json(),
    }


def _resumed(run: Path, given: dict[str, Any]) -> TrainSettings:
    """Return the run's own settings, with what was given now beside them, for ``train`` to see."""
    return replace(TrainSettings.from_config(read_arguments(run)["settings"], run), **given)


def _text(result: TrainResult) -> str:
    return "\n".join(
        [
            summary(result.evaluation),
            "",
            f"model   {result.model}",
            f"report  {result.run / REPORT}",
        ]
    )
