"""What a user may set for a training run; free of torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from googlenet.errors import ModelError, UsageError

SCHEMA = "googlenet.run/1"

Balance = Literal["none", "loss", "sampler"]
Flip = Literal["auto", "none", "horizontal", "all"]
Precision = Literal["auto", "bf16", "fp32"]
Tune = Literal["all", "head"]

_CHOICES = {
    "balance": get_args(Balance),
    "flip": get_args(Flip),
    "precision": get_args(Precision),
    "tune": get_args(Tune),
}


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Hold the settings of a run; None leaves a choice to the recipe, the data or the machine.

    Attributes:
        variant: Version of the network; a model to start from brings its own.
        recipe: Name of the training recipe.
        input_size: Side of the network's input in pixels.
        epochs: Passes over the training images.
        minutes: Time budget in minutes for the whole run, turned into a number of steps once.
        batch_size: Images a step.
        lr: Highest learning rate.
        aux_weight: Weight of each auxiliary head's loss; 0 trains without heads.
        weights: Where to start: a model directory, published weights by name (``torchvision``,
            ``caffe``, ...), or a weights file of another tool.
        tune: Train ``all`` of the network, or only the classifier's ``head``.
        balance: Counter uneven classes by weights in the ``loss``, or by the ``sampler``.
        flip: How images may be mirrored; ``auto`` is what the data set says.
        seed: Of weights, order, augmentation, dropout and split.
        device: PyTorch's name of the device.
        threads: Threads of the computation.
        workers: Processes that read images beside the training; 0 reads in the training's own.
        precision: ``bf16`` computes convolutions in bfloat16; ``auto`` does where the CPU has it.
        save_every: Steps between two checkpoints; None saves each minute.
        max_unreadable: Share of each part's images that may be unreadable.
    """

    variant: str = "bn"
    recipe: str = "modern"
    input_size: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    lr: float | None = None
    aux_weight: float = 0.3
    weights: str | os.PathLike[str] | None = None
    tune: Tune = "all"
    balance: Balance = "none"
    flip: Flip = "auto"
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    workers: int | None = None
    precision: Precision = "auto"
    save_every: int | None = None
    max_unreadable: float = 0.05

    def __post_init__(self) -> None:
        if self.weights is not None:  # a path becomes text, as it is stored
            object.__setattr__(self, "weights", os.fspath(self.weights))
        if self.epochs is not None and self.minutes is not None:
            raise UsageError(
                "epochs and minutes both say how long to train",
                f"--epochs {self.epochs} --minutes {self.minutes}",
                "Give one of the two.",
            )
        for name in (
            "input_size",
            "epochs",
            "minutes",
            "batch_size",
            "lr",
            "threads",
            "save_every",
        ):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise _out_of_range(name, value, "Give a finite number above 0.")
        if self.batch_size == 1:
            raise _out_of_range("batch_size", 1, "Give 2 or more: batch norm compares images.")
        for name in ("aux_weight", "seed", "workers"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise _out_of_range(name, value, "Give 0 or more.")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise _out_of_range(
                    name, getattr(self, name), f"Choose one of: {', '.join(known)}."
                )
        if not 0 <= self.max_unreadable <= 1:
            raise _out_of_range("max_unreadable", self.max_unreadable, "Give a share from 0 to 1.")
        if self.tune == "head" and self.weights is None:
            raise UsageError(
                "only a trained network's head is worth training alone",
                "--tune head",
                "Say where to start: --weights MODEL_DIRECTORY or --weights torchvision.",
            )

    def to_config(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], where: Path) -> TrainSettings:
        """Read what ``to_config`` wrote into a run's ``args.json``."""
        known = {each.name for each in fields(cls)}
        try:
            return cls(**{name: value for name, value in config.items() if name in known})
        except (TypeError, UsageError) as error:
            raise ModelError(
                f"the run's settings are garbled: {error}",
                where,
                "Train again with --overwrite; the run cannot be continued.",
            ) from error


def read_arguments(run: Path) -> dict[str, Any]:
    """Read the ``args.json`` of a run.

    Raises:
        ModelError: The directory is no run, or the file is garbled.
    """
    path = run / "args.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError(f"it is not of the schema {SCHEMA}")
        for part in ("settings", "plan", "spec", "preprocessing"):
            if not isinstance(document.get(part), dict):
                raise ValueError(f"it holds no {part}")
    except FileNotFoundError as error:
        raise ModelError(
            "this is no training run: it has no args.json",
            run,
            "Give the directory that `googlenet train --out` wrote.",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the run's args.json cannot be read: {error}", path, "Train again with --overwrite."
        ) from error
    return document


def refuse_changes(stored: TrainSettings, asked: TrainSettings, run: Path) -> None:
    """Refuse settings that differ from those a run was started with.

    Raises:
        UsageError: At least one differs; all that do are named.
    """
    changed = [
        f"{each.name} was {getattr(stored, each.name)!r} and is now {getattr(asked, each.name)!r}"
        for each in fields(stored)
        if getattr(stored, each.name) != getattr(asked, each.name)
    ]
    if changed:
        raise UsageError(
            f"a run resumes with the settings it was started with: {'; '.join(changed)}",
            run,
            "Leave the settings out when you resume, or start a new run with --out.",
        )


def _out_of_range(name: str, value: object, fix: str) -> UsageError:
    return UsageError(f"{name} cannot be {value}", f"--{name.replace('_', '-')}", fix)
