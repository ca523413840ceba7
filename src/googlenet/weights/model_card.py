"""The model card: what a stranger must know before using the weights, from facts on record."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.files import write_atomic
from googlenet.names import visible
from googlenet.weights.model_config import CARD, ModelConfig, read_config

# Shown under headings of their own, not among the plain values.
_TOLD_ELSEWHERE = ("license", "data", "images", "weights")

_CLASSES_LISTED = 50

_MEASURES = {
    "top1": "Top-1 accuracy",
    "top5": "Top-5 accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "majority_share": "Share of the commonest class (baseline)",
    "expected_calibration_error": "Expected calibration error",
    "loss": "Loss (cross-entropy, nats)",
}

# Names that the Hugging Face hub knows for the front matter's metrics.
_HUB_METRICS = {"top1": "accuracy", "macro_f1": "f1", "balanced_accuracy": "balanced_accuracy"}


def write_model_card(
    directory: str | os.PathLike[str], evaluation: Mapping[str, Any] | None = None
) -> None:
    """Write ``README.md`` of a model directory anew, with what an evaluation found.

    Args:
        directory: A model directory.
        evaluation: Contents of an ``evaluation.json``.

    Raises:
        ModelError: It is no model directory.
        OSError: The file system refused.
    """
    config = read_config(directory)
    write_atomic(Path(directory) / CARD, model_card(config, evaluation))


def model_card(config: ModelConfig, evaluation: Mapping[str, Any] | None = None) -> str:
    """Return a model card in Markdown with the front matter that model hubs read.

    Args:
        config: The model's configuration.
        evaluation: Contents of an ``evaluation.json``; without one the card says so.
    """
    sections = [
        _front_matter(config, evaluation),
        _summary(config),
        _USE,
        _classes(config),
        *_conversion(config.metadata),
        _training(config.metadata),
        _evaluation(evaluation),
        _preprocessing(config.preprocessing),
        _limits(config, evaluation),
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(config: ModelConfig, evaluation: Mapping[str, Any] | None) -> str:
    # JSON is YAML too, so no name can break out of its value.
    lines = [
        "---",
        f"license: {_yaml(config.metadata.get('license', 'unknown'))}",
        "library_name: googlenet",
        "pipeline_tag: image-classification",
        'tags: ["image-classification", "googlenet", "inception-v1"]',
    ]
    if evaluation is not None:
        data = str(evaluation["data"])
        metrics = [
            {"type": kind, "value": evaluation[key], "name": _MEASURES[key]}
            for key, kind in _HUB_METRICS.items()
        ]
        result = {
            "task": {"type": "image-classification", "name": "Image classification"},
            "dataset": {"name": data, "type": "imagefolder", "split": evaluation["split"]},
            "metrics": metrics,
        }
        index = [{"name": f"googlenet-{config.spec.variant}", "results": [result]}]
        lines.append(f"model-index: {_yaml(index)}")
    return "\n".join([*lines, "---"])


def _summary(config: ModelConfig) -> str:
    spec = config.spec
    data = config.metadata.get("data")
    trained = f" Trained on {_text(data)}." if data else ""
    kind = {
        "averaged": "averaged over training",
        "raw": "as the last step left them",
        "converted": "as another tool saved them",
    }.get(config.weights, "not recorded as averaged or raw")
    differences = "".join(f"\n- {_text(sentence)}" for sentence in spec.differences)
    size = config.preprocessing.size
    return (
        f"# GoogLeNet, variant {_text(spec.variant)}, {len(config.classes)} classes\n\n"
        "Inception v1 (Szegedy et al. 2014, arXiv 1409.4842) for images of "
        f"{size} by {size} pixels.{trained} Weights: {kind}."
        f" Saved by googlenet {_text(config.library_version)}."
        + (f"\n\nWhat differs from the paper:\n{differences}" if differences else "")
    )


_USE = """## Use

```python
import googlenet

classifier = googlenet.load("THIS_DIRECTORY")
print(classifier.predict("photo.jpg").label)
```

```sh
googlenet predict THIS_DIRECTORY photo.jpg
```

The weights are in `model.safetensors`, with a checksum for each tensor that loading checks."""


def _classes(config: ModelConfig) -> str:
    named = [
        f"{_text(name)} ({_text(words)})" if (words := config.titles.get(name)) else _text(name)
        for name in config.classes[:_CLASSES_LISTED]
    ]
    rest = len(config.classes) - len(named)
    more = f"; and {rest} more in `config.json`" if rest else ""
    return f"## Classes\n\n{('; ' if config.titles else ', ').join(named)}{more}."


def _conversion(metadata: Mapping[str, Any]) -> list[str]:
    """Say what the conversion from another tool's file could not know."""
    guessed = metadata.get("guessed")
    if not isinstance(guessed, list):
        return []
    sentences = "\n".join(f"- {_text(str(sentence))}" for sentence in guessed)
    return [f"## Conversion\n\nThe file does not say these; they were decided so:\n\n{sentences}"]


def _training(metadata: Mapping[str, Any]) -> str:
    rows = [("Data", metadata["data"])] if metadata.get("data") else []
    images = metadata.get("images")
    if isinstance(images, Mapping):
        rows += [(f"Images, {part}", count) for part, count in images.items()]
    rows += [
        (name.replace("_", " ").capitalize(), value)
        for name, value in metadata.items()
        if name not in _TOLD_ELSEWHERE and isinstance(value, str | int | float)
    ]
    if not rows:
        return "## Training\n\nNothing about the training is on record."
    return "## Training\n\n" + _table(("Setting", "Value"), rows)


def _evaluation(evaluation: Mapping[str, Any] | None) -> str:
    if evaluation is None:
        return "## Evaluation\n\nThese weights were not evaluated when this card was written."
    low, high = evaluation["top1_interval"]
    rows: list[tuple[Any, ...]] = [
        (text, f"{evaluation[key]:.4f}")
        for key, text in _MEASURES.items()
        if evaluation[key] is not None
    ]
    rows.insert(1, ("95% interval of top-1", f"{low:.4f} to {high:.4f}"))
    per_class = [
        (row["class"], row["support"], *(_share(row[key]) for key in ("precision", "recall", "f1")))
        for row in evaluation["per_class"][:_CLASSES_LISTED]
    ]
    unreadable = int(evaluation["unreadable"])
    left_out = f" {unreadable} could not be read and are not counted." if unreadable else ""
    measured_on = (
        f"Measured on {_text(evaluation['data'])}, part {_text(evaluation['split'])}: "
        f"{evaluation['count']} images.{left_out}"
    )
    return "\n\n".join(
        [
            "## Evaluation",
            measured_on,
            _table(("Measure", "Value"), rows),
            _table(("Class", "Images", "Precision", "Recall", "F1"), per_class),
        ]
    )


def _preprocessing(policy: Preprocessing) -> str:
    steps = {
        "crop": f"The short side is scaled to {policy.resized_side}, the centre is cut out.",
        "letterbox": f"The whole image is fitted on grey {policy.pad_value}.",
        "squash": f"Both sides are scaled to {policy.resized_side}, the centre is cut out.",
    }
    rows = [
        ("Input", f"{policy.size} x {policy.size}, {policy.channel_order.upper()}"),
        ("Resize", f"{steps[policy.resize_mode]} Filter: {policy.resample}."),
        ("Scale of values 0 to 255", f"{policy.scale:.8g}"),
        ("Mean", ", ".join(f"{value:g}" for value in policy.mean)),
        ("Standard deviation", ", ".join(f"{value:g}" for value in policy.std)),
    ]
    return "## Preprocessing\n\n" + _table(("Step", "Value"), rows)


def _limits(config: ModelConfig, evaluation: Mapping[str, Any] | None) -> str:
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in _limit_lines(config, evaluation))


def _limit_lines(config: ModelConfig, evaluation: Mapping[str, Any] | None) -> Iterator[str]:
    yield (
        f"Every image is given one of the {len(config.classes)} classes, also one that shows none "
        "of them."
    )
    yield "Figures hold for images like those measured; other cameras, places and times differ."
    if evaluation is not None and evaluation["split"] != "test":
        yield (
            f"Measured on the part {_text(evaluation['split'])}, which may have guided training; "
            "expect less on new images."
        )
    if "license" not in config.metadata:
        yield "No licence is chosen yet. Mind the licences of the training data and of the weights."


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _text(value: object) -> str:
    """Return a value that Markdown and HTML show as it is."""
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", html.escape(visible(str(value)), quote=False))


def _yaml(value: object) -> str:
    # The characters that JSON leaves as they are and YAML refuses are all in visible().
    return json.dumps(_visible_names(value), ensure_ascii=False)


def _visible_names(value: Any) -> Any:
    match value:
        case str():
            return visible(value)
        case Mapping():
            return {key: _visible_names(item) for key, item in value.items()}
        case list():
            return [_visible_names(item) for item in value]
        case _:
            return value
