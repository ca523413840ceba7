"""The training loop, in the open: one function, from the first step to the last."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from googlenet.data.dataset import ImageSet
from googlenet.data.loader import Batch, training_loader
from googlenet.errors import ResultError
from googlenet.evaluation.metrics import balanced_accuracy
from googlenet.nn.googlenet import GoogLeNet
from googlenet.nn.loss import GoogLeNetLoss
from googlenet.nn.normalize import Normalize
from googlenet.training.checkpoint import save_checkpoint
from googlenet.training.plan import Plan
from googlenet.training.progress import Progress
from googlenet.training.schedule import learning_rate
from googlenet.training.signals import StopRequest
from googlenet.training.state import Tally, TrainState, seed_step

SECONDS_BETWEEN_CHECKPOINTS = 60.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """Hold what the loop works on and does not change.

    Attributes:
        run: The run directory.
        plan: What was settled before the first step.
        train: Training images.
        validation: Validation images, with the policy applied once for all epochs.
        normalize: From uint8 pixels to the network's input.
        loss: The weighted sum of the classifiers' losses.
        device: Where to compute.
        seed: Of order, augmentation and dropout.
        save_every: Steps between checkpoints; None for one a minute.
        max_unreadable: Share of the training images that may be unreadable.
        frozen: Whether everything but the classifier stays as it is, batch norm included.
        sample_weights: (images,) chances of being drawn, for balanced sampling, or None.
    """

    run: Path
    plan: Plan
    train: ImageSet
    validation: Sequence[Batch]
    normalize: Normalize
    loss: GoogLeNetLoss
    device: torch.device
    seed: int
    save_every: int | None
    max_unreadable: float
    frozen: bool
    sample_weights: np.ndarray | None


def train_steps(
    state: TrainState,
    job: Job,
    *,
    stop: StopRequest,
    progress: Progress,
    keep_best: Callable[[TrainState], None],
) -> None:
    """Train from ``state.step`` to the plan's last step, saving on the way.

    Args:
        state: Where the run stands; changed in place.
        job: The data and the settings.
        stop: Looked at after each step.
        progress: Told of each step and epoch.
        keep_best: Called when the validation accuracy is the highest so far.

    Raises:
        TrainingInterrupted: A signal asked for it; the state is saved.
        ResultError: The loss is not finite, or too many images cannot be read.
    """
    plan, recipe = job.plan, job.plan.recipe
    saved_at = time.monotonic()

    for batch in training_batches(job, state.step):
        rate = learning_rate(recipe, state.step, plan.total_steps, plan.steps_per_epoch)
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        note_unreadable(state, job, batch, progress)
        losses = train_step(state, job, batch, rate)
        if losses:
            progress.step(state.step, losses, rate, len(batch.labels))
        state.step += 1

        if state.step % plan.steps_per_epoch == 0 or state.step == plan.total_steps:
            row = epoch_row(state, job, rate)
            state.rows.append(row)
            state.tally = Tally()
            if row["val_accuracy"] >= state.best:  # of equals, the one that trained longer
                state.best = row["val_accuracy"]
                keep_best(state)
            progress.epoch(row)

        due = time.monotonic() - saved_at >= SECONDS_BETWEEN_CHECKPOINTS
        if job.save_every is not None:
            due = state.step % job.save_every == 0
        if due or stop.signal or state.step == plan.total_steps:
            save_checkpoint(job.run / "checkpoints", state)
            saved_at = time.monotonic()
            progress.saved(state.step)
        if stop.signal:
            raise stop.interruption(str(job.run), state.step)


def train_step(state: TrainState, job: Job, batch: Batch, rate: float) -> tuple[float, ...]:
    """Do one forward and backward pass and one update.

    Returns:
        The unweighted loss of each classifier: main, head on 4d, head on 4a. Nothing where
        unreadable images left too small a batch to learn from.

    Raises:
        ResultError: The loss or the gradient is not finite; the weights are left as they were.
    """
    if len(batch.labels) < 2:  # batch norm needs two values of each channel
        return ()
    network, recipe = state.network, job.plan.recipe
    if job.frozen:
        network.eval()
        network.dropout.train()
    else:
        network.train()
    seed_step(job.seed, state.step)
    labels = batch.labels.to(job.device)
    images = job.normalize(batch.images.to(job.device))

    state.optimizer.zero_grad(set_to_none=True)
    with mixed_precision(job):
        outputs = network(images)
    parts = job.loss.parts(outputs, labels)
    loss = job.loss.total(parts)
    if not math.isfinite(loss.item()):
        raise not_finite("loss", state.step, rate, job.run)
    loss.backward()  # type: ignore[no-untyped-call]
    # Without a limit of its own the recipe still gets the norm, to see that it is finite.
    norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm or math.inf)
    if not math.isfinite(norm.item()):
        raise not_finite("gradient", state.step, rate, job.run)
    state.optimizer.step()
    if state.average is not None:
        state.average.update_parameters(network)
    classifiers = outputs if isinstance(outputs, tuple) else (outputs,)
    losses = tuple(part.item() for part in parts)
    state.tally.add(loss.item(), losses, classifiers, labels)
    return losses


def training_batches(job: Job, start_step: int) -> Any:
    """Iterate over the run's batches from a step on; batch N is the same whenever it is asked."""
    return training_loader(
        job.train,
        job.plan.recipe.augmentation,
        job.plan.input_size,
        batch_size=job.plan.recipe.batch_size,
        seed=job.seed,
        start_step=start_step,
        total_steps=job.plan.total_steps,
        workers=job.plan.workers,
        weights=job.sample_weights,
    )


@torch.no_grad()
def validate(network: GoogLeNet, job: Job) -> tuple[float, float, float]:
    """Return loss, accuracy and balanced accuracy on the validation images."""
    network.eval()
    logits, labels = [], []
    for batch in job.validation:
        if len(batch.labels):
            with mixed_precision(job):
                logits.append(network(job.normalize(batch.images.to(job.device))).float().cpu())
            labels.append(batch.labels)
    scores, truth = torch.cat(logits), torch.cat(labels)
    loss = nn.functional.cross_entropy(scores, truth).item()
    guesses = scores.argmax(1)
    accuracy = (guesses == truth).double().mean().item()
    return loss, accuracy, balanced_accuracy(guesses.numpy(), truth.numpy())


def epoch_row(state: TrainState, job: Job, rate: float) -> dict[str, Any]:
    """Measure an epoch: one row of ``results.csv``."""
    loss, accuracy, balanced = validate(state.measured, job)
    return {
        "epoch": -(-state.step // job.plan.steps_per_epoch),
        "step": state.step,
        "learning_rate": rate,
        **state.tally.columns(classifiers=3 if job.plan.heads else 1),
        "val_loss": loss,
        "val_accuracy": accuracy,
        "val_balanced_accuracy": balanced,
    }


def note_unreadable(state: TrainState, job: Job, batch: Batch, progress: Progress) -> None:
    """Remember and name images that could not be read; stop when they are too many.

    Raises:
        ResultError: More than the allowed share of the training images cannot be read.
    """
    for name, reason in batch.unreadable:
        if name not in state.unreadable:
            state.unreadable[name] = reason
            progress.unreadable(name, reason)
    check_readable(list(state.unreadable.items()), job.train, job.max_unreadable, "training")


def check_readable(
    unreadable: Sequence[tuple[str, str]], images: ImageSet, allowed: float, part: str
) -> None:
    """Stop where more than the allowed share of a part's images cannot be read.

    Raises:
        ResultError: It is so; the first few are named with their reasons.
    """
    if len(unreadable) > allowed * len(images):
        raise ResultError(
            f"{len(unreadable)} of {len(images)} {part} images cannot be read, "
            f"more than the allowed {allowed:.0%}",
            "; ".join(f"{name} ({reason})" for name, reason in unreadable[:3]),
            "Mend or remove them, or raise --max-unreadable.",
        )


def mixed_precision(job: Job) -> contextlib.AbstractContextManager[Any]:
    """Compute convolutions and linear layers in bfloat16 where the plan says so."""
    if job.plan.precision == "bf16":
        return torch.autocast(job.device.type, torch.bfloat16)
    return contextlib.nullcontext()


def not_finite(what: str, step: int, rate: float, run: Path) -> ResultError:
    """Make the error for training that diverged."""
    return ResultError(
        f"the {what} is not finite at step {step}, at a learning rate of {rate:.3g}",
        run,
        "Lower --lr, or train longer; what was saved before is kept.",
    )
