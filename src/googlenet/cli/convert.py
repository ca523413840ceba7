"""``googlenet convert``: other tools' weights in, a model directory or other tools' weights out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from googlenet.cli.console import note, write_document, write_result
from googlenet.errors import ResultError, UsageError
from googlenet.extras import require

if TYPE_CHECKING:
    from googlenet.nn.googlenet import GoogLeNet
    from googlenet.weights.convert import ForeignModel
    from googlenet.weights.model_config import ModelConfig
    from googlenet.weights.verification import Agreement

SCHEMA = "googlenet.convert/1"

EXAMPLES = """\
It reads .caffemodel, TensorFlow's .ckpt and frozen .pb, .pth, .safetensors,
.onnx, Chainer's .npz and Keras' .h5, runs nothing of what they hold, and
needs none of those tools.

Examples:
  googlenet convert bvlc_googlenet.caffemodel -o models/caffe
  googlenet convert cars.caffemodel --labels cars.txt -o models/cars
  googlenet convert inception_v1.ckpt -o models/slim --verify outputs.npz
  googlenet convert inception5h.zip -o models/5h --imagenet-order
  googlenet convert runs/photos/best --to caffemodel -o photos.caffemodel
  googlenet convert torchvision --to safetensors -o googlenet.safetensors
"""

app = App(name="convert", help_epilogue=EXAMPLES)


@app.default
def convert(
    file: str,
    *,
    out: Annotated[str, Parameter(name=["--out", "-o"])],
    to: Literal["model", "torchvision", "caffemodel", "safetensors"] = "model",
    prototxt: Path | None = None,
    mean: Path | None = None,
    labels: Path | None = None,
    variant: str | None = None,
    classifier: str | None = None,
    swap_aux: bool = False,
    imagenet_order: bool = False,
    verify: Path | None = None,
    tolerance: float = 1e-4,
    overwrite: bool = False,
    json: bool = False,
) -> int:
    """Convert weights of any published GoogLeNet to a model directory, or from one to another tool.

    What the file proves, what was guessed and why, and what was left out is said on standard error.

    Args:
        file: Weights file of any tool, name of published weights, or model directory.
        out: Model directory to write, or file for --to.
        to: What to write [default: model].
        prototxt: Caffe's description of the network.
        mean: Caffe's mean, .binaryproto or .npy.
        labels: Class names, a line each, in the order of the logits.
        variant: Version of the network, where names and shapes do not tell it.
        classifier: The file's layer that gives the logits, where several could.
        swap_aux: The file or the reference names the two heads the other way round, as
            torchvision's outputs did before November 2024.
        imagenet_order: Keep the thousand classes of ILSVRC 2012 alone, in their usual order.
        verify: An .npz with "input" and outputs of the source under their names; nothing is written
            if one differs.
        tolerance: Largest difference, relative to an output's largest value [default: 1e-4].
        overwrite: Replace what is at --out.
        json: Say everything in one JSON document on standard output.
    """
    require("torch", needed_by="googlenet convert")
    from googlenet.weights.convert import build_network, in_imagenet_order
    from googlenet.weights.opening import is_model_directory, open_weights, read_foreign

    if not 0 <= tolerance < math.inf:
        raise UsageError(f"tolerance cannot be {tolerance}", "--tolerance", "Give 0 or more.")
    if not out:
        raise UsageError("there is no name to write to", "--out", "Give a directory or a file.")
    model: ForeignModel | None = None
    if to == "model":
        _check_free(out, overwrite)
    if is_model_directory(file):
        given = {
            "prototxt": prototxt,
            "mean": mean,
            "labels": labels,
            "variant": variant,
            "classifier": classifier,
            "imagenet-order": imagenet_order,
            "swap-aux": swap_aux and verify is None,
        }
        _check_unused([name for name, value in given.items() if value], file)
        network, config, _ = open_weights(file)
    else:
        model = read_foreign(
            file,
            prototxt=prototxt,
            mean=mean,
            labels=labels,
            lineage=variant,
            classifier=classifier,
            swap_aux=swap_aux,
        )
        # What is verified is what is written: float32.
        network, config = build_network(model).float(), model.config
        if not json:
            for line in report_lines(model):
                note(line)
    compared: list[Agreement] = []
    if verify is not None:
        dialect = model.recognized.match.dialect.name if model is not None else None
        compared = _verified(network, verify, dialect, swap_aux, tolerance)
        if not json:
            for line in comparison_lines(compared):
                note(line)
    if imagenet_order and model is not None:  # the reference has the source's order
        before, model = model, in_imagenet_order(model)
        if not json:
            for sentence in model.dropped[len(before.dropped) :]:
                note(f"left out: {sentence}")
        network, config = build_network(model).float(), model.config
    written = _write(network, config, to, out, overwrite)
    if json:
        write_document(_to_json(model, config, compared, written))
    else:
        write_result("\n".join(written))
    return 0


def report_lines(model: ForeignModel) -> list[str]:
    """Say what a file is, what it proves, what was guessed and what was left out."""
    file = model.recognized.file
    values = sum(int(array.size) for array in model.arrays.values())
    made = f", written by {file.producer}" if file.producer else ""
    lines = [
        f"{file.path.name}: {file.format}{made}; {len(model.arrays)} arrays, {values:,} values",
    ]
    for title, sentences in (
        ("found", model.found),
        ("guessed", model.guessed),
        ("left out", model.dropped),
    ):
        lines += [f"{title}:", *(f"  - {sentence}" for sentence in sentences)] if sentences else []
    return lines


def comparison_lines(compared: list[Agreement]) -> list[str]:
    """Say how far each output is from its reference."""
    return [
        f"{each.name}: differs by {each.relative:.1e} of the largest value, {each.largest:.4g}"
        for each in compared
    ]


def _verified(
    network: GoogLeNet, reference: Path, dialect: str | None, swap_aux: bool, tolerance: float
) -> list[Agreement]:
    from googlenet.weights.verification import compare_with_reference

    compared = compare_with_reference(network, reference, dialect=dialect, swap_aux=swap_aux)
    bad = [each for each in compared if not each.relative <= tolerance < math.inf]
    if bad:
        raise ResultError(
            f"the network does not compute what its source did: {bad[0].name} differs by "
            f"{bad[0].relative:.1e} of its largest value; {len(bad)} of {len(compared)} outputs "
            f"are beyond {tolerance:g}; nothing was written",
            reference,
            "Check what was guessed, above all padding and local response normalization; see "
            "--variant and --prototxt.",
        )
    return compared


def _check_free(out: str, overwrite: bool) -> None:
    """Refuse to replace a model before any work is done."""
    from googlenet.weights.model_config import CONFIG

    if Path(out, CONFIG).exists() and not overwrite:
        raise UsageError("there is a model already", out, "Give another directory, or --overwrite.")


def _check_unused(options: list[str], file: str) -> None:
    """Refuse options that say what a model directory says itself."""
    if options:
        raise UsageError(
            f"a model directory is whole; {', '.join(f'--{name}' for name in options)} would not "
            "be used",
            file,
            "Leave them out, or convert the file that the model was made from.",
        )


def _write(
    network: GoogLeNet, config: ModelConfig, to: str, out: str, overwrite: bool
) -> list[str]:
    from googlenet.weights.model_directory import save_model
    from googlenet.weights.writing import SUFFIXES, write_weights

    for target in SUFFIXES:
        if to == target:
            files = write_weights(network, config, target, out, overwrite=overwrite)
            note(f"its input: {config.preprocessing.sentence()}")
            return list(map(str, files))
    save_model(
        out,
        network,
        classes=config.classes,
        preprocessing=config.preprocessing,
        metadata=config.metadata,
        titles=config.titles,
    )
    return [out]


def _to_json(
    model: ForeignModel | None,
    config: ModelConfig,
    compared: list[Agreement],
    written: list[str],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "variant": config.spec.variant,
        "num_classes": config.spec.num_classes,
        "found": list(model.found) if model else [],
        "guessed": list(model.guessed) if model else [],
        "left_out": list(model.dropped) if model else [],
        "verified": [
            {
                "name": each.name,
                "endpoint": each.endpoint,
                "relative_difference": each.relative,
                "largest": each.largest,
            }
            for each in compared
        ],
        "written": written,
    }
