"""``googlenet predict``: classify images."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from googlenet.cli.console import note

if TYPE_CHECKING:
    from googlenet.prediction.classifier import Classifier
    from googlenet.prediction.rows import Row

EXAMPLES = """\
Examples:
  googlenet predict runs/photos/best new.jpg
  googlenet predict torchvision new.jpg
  googlenet predict runs/photos/best inbox/ --format csv > predictions.csv
  googlenet predict runs/photos/best 'inbox/*.png' --top-k 1 --json
  find inbox -name '*.jpg' | googlenet predict RUN/best - --format ndjson
  googlenet predict runs/photos/best - < new.jpg
"""

app = App(name="predict", help_epilogue=EXAMPLES)


@app.default
def predict(
    model: str,
    *files: str,
    format: Literal["table", "csv", "json", "ndjson"] = "table",
    json: bool = False,
    top_k: int = 5,
    batch_size: int = 32,
    device: str = "cpu",
) -> int:
    """Classify images.

    A file that cannot be read gets a row that says why; the rest goes on, and the exit code is 1.

    Args:
        model: Model directory, such as RUN/best; published weights (torchvision, caffe, ...); or a
            weights file of another tool.
        files: Images, directories, patterns, or - for standard input: an image or a list of paths.
        format: How to write the rows; csv and ndjson come as they are ready [default: table].
        json: The same as --format json.
        top_k: Number of classes to name for an image [default: 5].
        batch_size: Images that go through the network at once [default: 32].
        device: PyTorch's name of the device [default: cpu].
    """
    from googlenet.cli.inputs import asks_for_standard_input, find_files
    from googlenet.errors import UsageError
    from googlenet.weights.opening import check_source

    if not files:
        raise UsageError("there is nothing to classify", None, "Give images, a directory, or -.")
    for name, value in (("top-k", top_k), ("batch-size", batch_size)):
        if value < 1:
            raise UsageError(f"{name} cannot be {value}", f"--{name}", "Give 1 or more.")
    # Faults that cost nothing to find come before PyTorch, which takes a second to import.
    if told := check_source(model):
        note(told)
    listed = None if asks_for_standard_input(files) else find_files(files)

    from googlenet.prediction.classifier import load
    from googlenet.prediction.rows import write_rows

    classifier = load(model, device)
    if listed is None:
        rows = _from_standard_input(classifier, top_k, batch_size)
    else:
        rows = classifier.predict_files(listed, top_k, batch_size)
    unreadable = write_rows(
        rows,
        sys.stdout,
        "json" if json else format,
        top_k=min(top_k, len(classifier.classes)),
        model=model,
        titled=bool(classifier.titles),
    )
    return 1 if unreadable else 0


def _from_standard_input(classifier: Classifier, top_k: int, batch_size: int) -> Iterable[Row]:
    from googlenet.cli.inputs import read_standard_input
    from googlenet.errors import ImageError
    from googlenet.images.decode import MAX_BYTES
    from googlenet.prediction.rows import Unreadable

    given = read_standard_input(MAX_BYTES)
    if not isinstance(given, bytes):
        return classifier.predict_files(given, top_k, batch_size)
    try:
        return classifier.rank(["-"], classifier.probabilities([given]), top_k)
    except ImageError as error:
        return [Unreadable("-", error.reason, error.what)]
