"""``googlenet evaluate``: measure a model on labelled images."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from googlenet.cli.console import note, progress_bar, write_document, write_result
from googlenet.cli.measures import class_rows_csv, summary
from googlenet.extras import require

EXAMPLES = """\
Examples:
  googlenet evaluate runs/photos/best photos/
  googlenet evaluate runs/photos/best labels.csv --split all --out measured
  googlenet evaluate runs/demo/best elpv --json > evaluation.json
"""

app = App(name="evaluate", help_epilogue=EXAMPLES)


@app.default
def evaluate(
    model: str,
    data: str,
    *,
    split: Literal["train", "validation", "test", "all"] | None = None,
    format: Literal["text", "csv", "json"] = "text",
    json: bool = False,
    out: str | None = None,
    batch_size: int = 32,
    workers: int = 1,
    seed: int | None = None,
    device: str = "cpu",
    max_unreadable: float = 0.05,
) -> int:
    """Measure a model on labelled images.

    Args:
        model: Model directory, such as RUN/best; published weights (torchvision, caffe, ...); or a
            weights file of another tool.
        data: Directory of classes or of splits, CSV file, or name of a data set.
        split: Part to measure [default: test where there is one, else validation, else all; of
            the images that the model was trained on, those kept for its test].
        format: How to write the measures; csv has a row for each class [default: text].
        json: The same as --format json.
        out: Directory for every file's prediction, the confusion matrix and the worst mistakes.
        batch_size: Images that go through the network at once [default: 32].
        workers: Processes that read images; 0 reads in the same one [default: 1].
        seed: Of the run whose validation part was carved from its images [default: the model's].
        device: PyTorch's name of the device [default: cpu].
        max_unreadable: Share of the images that may be unreadable [default: 0.05].
    """
    from googlenet.weights.opening import check_source

    # A fault here costs nothing to find; PyTorch takes a second to import.
    if told := check_source(model):
        note(told)

    require("torch", "torchmetrics", needed_by="googlenet evaluate")
    from googlenet.evaluation.evaluate import evaluate as measure

    with progress_bar("measuring", "images") as show:
        evaluation = measure(
            model,
            data,
            split=split,
            batch_size=batch_size,
            workers=workers,
            out=out,
            max_unreadable=max_unreadable,
            device=device,
            seed=seed,
            progress=show,
        )
    if json or format == "json":
        write_document(evaluation.to_json())
    elif format == "csv":
        write_result(class_rows_csv(evaluation))
    else:
        write_result(summary(evaluation))
    if out is not None:
        note(f"predictions, confusion matrix and mistakes are in {out}")
    return 0
