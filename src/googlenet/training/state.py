"""Everything that changes while a run trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from googlenet.nn.googlenet import GoogLeNet
from googlenet.training.recipe import Recipe


@dataclass
class Tally:
    """Add up the training loss and accuracy of each classifier over an epoch so far."""

    images: int = 0
    loss: float = 0.0
    parts: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    correct: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(
        self, loss: float, parts: tuple[float, ...], outputs: tuple[Tensor, ...], labels: Tensor
    ) -> None:
        """Count one batch: its loss, that of each classifier, their logits, and the truth."""
        count = len(labels)
        self.images += count
        self.loss += loss * count
        for place, (part, logits) in enumerate(zip(parts, outputs, strict=True)):
            self.parts[place] += part * count
            self.correct[place] += int((logits.argmax(1) == labels).sum())

    def columns(self, classifiers: int) -> dict[str, float | None]:
        """Return the means under the names of ``results.csv``; None for heads that are absent."""
        count = max(self.images, 1)
        row: dict[str, float | None] = {"train_loss": self.loss / count}
        for kind, sums in (("loss", self.parts), ("accuracy", self.correct)):
            for place, name in enumerate(("main", "aux2", "aux1")):
                mean = sums[place] / count if place < classifiers else None
                row[f"train_{kind}_{name}"] = mean
        return row


@dataclass
class TrainState:
    """Hold a run between two steps; a checkpoint is exactly this.

    Attributes:
        network: The network being trained.
        average: Its averaged weights and batch-norm statistics, or None.
        optimizer: With its moments.
        step: Steps done.
        tally: Training loss and accuracy since the epoch began.
        rows: The rows of ``results.csv`` so far.
        best: Highest validation accuracy so far.
        unreadable: Names of the training images that could not be decoded, with the reason.
    """

    network: GoogLeNet
    average: AveragedModel | None
    optimizer: torch.optim.Optimizer
    step: int = 0
    tally: Tally = field(default_factory=Tally)
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: float = -1.0
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> GoogLeNet:
        """The network to validate and to keep: the averaged one where there is one."""
        if self.average is None:
            return self.network
        return cast(GoogLeNet, self.average.module)


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimizer over the parameters that are to be trained."""
    weights: list[tuple[str, nn.Parameter]] = []
    vectors: list[tuple[str, nn.Parameter]] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            # Biases and batch norm's scale and shift are the vectors among the parameters.
            (vectors if parameter.ndim == 1 else weights).append((name, parameter))
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": recipe.weight_decay, "rate": 1.0},
        {
            "params": vectors,
            "weight_decay": recipe.weight_decay if recipe.decay_vectors else 0.0,
            "rate": recipe.bias_rate,
        },
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        fused=True,
    )


def make_average(network: GoogLeNet, recipe: Recipe, total_steps: int) -> AveragedModel | None:
    """Build the running average of weights and batch-norm statistics, or None where unwanted.

    It is the plain mean of all steps at first, and forgets exponentially once it reaches back over
    the recipe's share of the run.
    """
    if not recipe.averaging_share:
        return None
    least = 1.0 / max(recipe.averaging_share * total_steps, 1.0)

    @torch.no_grad()
    def update(averaged: Any, current: Any, count: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, max(1.0 / (int(count) + 1), least))
        else:  # the number of batches that batch norm saw
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def seed_step(seed: int, step: int) -> None:
    """Seed dropout as a pure function of the run's seed and the step."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]))
