"""TensorFlow's checkpoints, of both formats, named by any of their files or by their directory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats import sstable
from googlenet.weights.formats.archive import only_member
from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes, some
from googlenet.weights.formats.tensorflow_bundle import read_bundle
from googlenet.weights.formats.tensorflow_slices import read_slices

_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_LATEST = re.compile(r'^model_checkpoint_path: "([^"\\\0]{1,200})"\s*$', re.MULTILINE)
_AVERAGED = "/ExponentialMovingAverage"


def read(path: Path) -> WeightsFile:
    """Read a checkpoint: TF-slim's published one, or any other.

    Args:
        path: The common start of its files (``model.ckpt-123``) or one of them, the single file of
            the format before 2017, a ``.tar.gz`` with one of that kind, a directory whose
            ``checkpoint`` file names the latest, or a SavedModel's directory.

    Returns:
        The variables under their own names and in TensorFlow's layout (kernels H, W, in, out;
        linear layers in, out): float32, float64, int32 or int64. What training alone needs is left
        out. A variable of which there is only an exponential moving average is that average.

    Raises:
        ModelError: There is no checkpoint, or a part of it is missing or damaged.
    """
    path = Path(path)
    prefix = _latest(path) if os.path.isdir(path) else path.with_name(_PART.sub("", path.name))
    if os.path.exists(f"{prefix}.index") or prefix != path:
        arrays, others = read_bundle(prefix)
    else:
        data = only_member(read_bytes(path), path, ".ckpt")
        if not sstable.is_table(data):
            raise damaged(path, "TensorFlow checkpoint", "it does not end as one")
        arrays, others = read_slices(data, path)
    kept, notes = _without_training(arrays)
    if others:
        notes.append(f"Left out {some(others)}: not numbers, or kept in slices.")
    return WeightsFile(format="tensorflow-checkpoint", path=path, arrays=kept, notes=tuple(notes))


def _latest(directory: Path) -> Path:
    """Find the checkpoint that is meant by a directory."""
    state = directory / "checkpoint"
    if os.path.exists(state):
        found = _LATEST.search(read_bytes(state).decode("utf-8", "replace"))
        if not found:
            raise damaged(state, "TensorFlow checkpoint", "it names no checkpoint")
        prefix = directory / found[1]
        # Absolute paths are from the machine that trained; and no file leads elsewhere.
        if not Path(os.path.realpath(prefix)).is_relative_to(os.path.realpath(directory)):
            raise ModelError(
                f"checkpoint file names {found[1]!r}, which is not in its directory",
                state,
                "Give the checkpoint's .index file instead.",
            )
        return prefix
    for place in (directory, directory / "variables"):
        indices = sorted(place.glob("*.index"))
        if len(indices) == 1:
            return indices[0].with_suffix("")
    raise ModelError(
        "directory holds no TensorFlow checkpoint, or several",
        directory,
        "Give the checkpoint's .index file, or the single .ckpt file, itself.",
    )


def _without_training(
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Leave out what only training needs, and say so."""
    averaged = [
        name
        for name in arrays
        if name.endswith(_AVERAGED) and name.removesuffix(_AVERAGED) not in arrays
    ]
    variables = {
        name.removesuffix(_AVERAGED) if name in averaged else name: values
        for name, values in arrays.items()
    }
    slots = [name for name in variables if _is_optimizer_state(name, variables)]
    counters = [name for name, values in variables.items() if not values.ndim]
    notes = []
    if averaged:
        notes.append(f"Took the moving average of {some(averaged)}: there is nothing else.")
    if slots:
        notes.append(f"Left out {some(slots)}: the optimizer's state, or another average.")
    if counters:
        notes.append(f"Left out {some(counters)}: single numbers, such as counters.")
    dropped = {*slots, *counters}
    return {name: each for name, each in variables.items() if name not in dropped}, notes


def _is_optimizer_state(name: str, variables: Mapping[str, object]) -> bool:
    # A slot is named below its variable; Keras keeps its optimizer as an object of its own.
    return (
        name.rpartition("/")[0] in variables
        or name.startswith("optimizer/")
        or "/.OPTIMIZER_SLOT/" in name
    )
