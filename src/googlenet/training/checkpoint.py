"""The trainer's whole state in one file, which one rename commits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from googlenet.errors import ModelError
from googlenet.files import sweep_temporaries, write_atomic
from googlenet.training.state import Tally, TrainState
from googlenet.weights.tensor_file import read_metadata, read_tensors, tensor_file

KEPT = 2
SCHEMA = 1


def save_checkpoint(directory: Path, state: TrainState) -> Path:
    """Write ``step-N.safetensors`` and drop all but the newest two.

    Raises:
        OSError: The disk refused; earlier checkpoints are untouched.
    """
    directory.mkdir(exist_ok=True)
    sweep_temporaries(directory)
    counters = {
        "schema": SCHEMA,
        "step": state.step,
        "tally": asdict(state.tally),
        "rows": state.rows,
        "best": state.best,
        "unreadable": state.unreadable,
    }
    path = directory / f"step-{state.step:08d}.safetensors"
    write_atomic(path, tensor_file(_tensors(state), {"counters": json.dumps(counters)}))
    for old in _newest_first(directory)[KEPT:]:
        old.unlink()
    return path


def load_checkpoint(directory: Path, state: TrainState, tell: Callable[[str], None]) -> None:
    """Put the newest sound checkpoint into ``state``; a damaged one is named and passed over.

    Args:
        directory: The run's ``checkpoints``.
        state: Built from the same settings.
        tell: Called with a sentence about each damaged file.

    Raises:
        ModelError: None is sound.
    """
    for path in _newest_first(directory):
        try:
            tensors, counters = _read(path)
            _restore(state, tensors, counters)
        except (ModelError, OSError, ValueError, KeyError, RuntimeError) as error:
            tell(f"{path.name} was passed over: {error.args[0]}")
            continue
        return
    raise ModelError(
        "none of the run's checkpoints can be read",
        directory,
        "Start again with --overwrite; best/ may still hold a usable model.",
    )


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-*.safetensors"), reverse=True)


def _tensors(state: TrainState) -> dict[str, Tensor]:
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    if state.average is not None:
        for name, value in state.average.state_dict().items():
            tensors[f"average.{name}"] = value
    for place, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor):  # SGD without momentum keeps None
                tensors[f"optimizer.{place}.{name}"] = value
    return tensors


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    counters = json.loads(read_metadata(path)["counters"])
    if counters["schema"] != SCHEMA:
        raise ValueError(f"it has schema {counters['schema']}, not {SCHEMA}")
    return read_tensors(path), counters


def _restore(state: TrainState, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    state.network.load_state_dict(parts["network"])
    if state.average is not None:
        state.average.load_state_dict(parts["average"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        place, _, moment = name.partition(".")
        if tensor.ndim == 4:  # as the optimizer would have made it for a channels_last weight
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        moments.setdefault(int(place), {})[moment] = tensor
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state.step = counters["step"]
    state.tally = Tally(**counters["tally"])
    state.rows = counters["rows"]
    state.best = counters["best"]
    state.unreadable = counters["unreadable"]
