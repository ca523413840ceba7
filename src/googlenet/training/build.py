"""Build what a run needs from its data and settings: plan, network, job and state."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from googlenet.architecture import cost
from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import GoogLeNetSpec
from googlenet.architecture.variants import VARIANTS
from googlenet.architecture.variants import variant as find_variant
from googlenet.data.dataset import ImageSet
from googlenet.data.loader import Batch, evaluation_loader
from googlenet.data.source import DataSplits
from googlenet.errors import DataError, ImageError, ModelError, UsageError
from googlenet.nn.googlenet import GoogLeNet
from googlenet.nn.loss import GoogLeNetLoss
from googlenet.nn.normalize import Normalize
from googlenet.training import budget
from googlenet.training.loop import (
    Job,
    check_readable,
    train_step,
    training_batches,
    validate,
)
from googlenet.training.plan import EVALUATION_BATCH, Plan, default_input_size, settle_recipe
from googlenet.training.recipe import find_recipe, fit_to_data
from googlenet.training.settings import TrainSettings
from googlenet.training.state import TrainState, make_average, make_optimizer
from googlenet.weights.model_directory import save_model
from googlenet.weights.start import StartingWeights, start_weights

SAMPLED_IMAGES = 32
# Steps that the throwaway measurement may ask the loader for.
PROBE_STEPS = budget.WARM_UP_STEPS + budget.TIMED_STEPS


def settle_device(name: str) -> torch.device:
    """Return the device of this name.

    Raises:
        UsageError: There is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts when built without CUDA
        raise UsageError(
            f"there is no device {name!r} on this machine", None, "Use --device cpu."
        ) from error
    return device


def make_plan(splits: DataSplits, settings: TrainSettings, device: torch.device) -> Plan:
    """Settle what the settings leave open; a time budget is turned into steps later.

    Raises:
        UsageError: The recipe, or the input size, cannot be used.
        DataError: None of the first training images can be read.
    """
    short_side = typical_short_side(splits.train)
    flip = splits.flip if settings.flip == "auto" else settings.flip
    recipe = fit_to_data(
        find_recipe(settings.recipe), short_side=short_side, flip=flip, min_area=splits.min_area
    )
    recipe = settle_recipe(recipe, settings, len(splits.train))
    size = settings.input_size or default_input_size(short_side)
    augmentation = recipe.augmentation
    if augmentation.crop == "random":
        side = Preprocessing(size=size).resized_side
        recipe = replace(recipe, augmentation=replace(augmentation, resized_side=side))
    steps_per_epoch = max(len(splits.train) // recipe.batch_size, 1)
    threads = settings.threads or torch.get_num_threads()
    workers = settings.workers if settings.workers is not None else min(threads // 2, 4)
    return Plan(
        recipe=recipe,
        input_size=size,
        total_steps=(settings.epochs or recipe.epochs) * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        heads=settings.aux_weight > 0
        and settings.tune == "all"
        and (settings.weights is not None or find_variant(settings.variant).aux is not None),
        threads=threads,
        workers=workers,
        precision=settle_precision(settings.precision, device),
        fingerprint=splits.fingerprint,
    )


def typical_short_side(images: ImageSet) -> int:
    """Return the median short side, in pixels, of a few images spread over the set.

    Raises:
        DataError: None of them can be read.
    """
    sides = []
    error: ImageError | None = None
    for index in np.linspace(0, len(images) - 1, min(len(images), SAMPLED_IMAGES)).astype(int):
        try:
            sides.append(min(images.pixels(int(index)).shape[:2]))
        except ImageError as unreadable:
            error = unreadable
    if not sides:
        raise DataError(
            "none of the training images can be read",
            images.names[0] if error is None else error.where,
            "Mend or replace the images." if error is None else f"{error.what}: {error.fix}",
        )
    return int(np.median(sides))


def settle_precision(asked: str, device: torch.device) -> str:
    """Return ``bf16`` where it was asked for, or where the device computes it natively."""
    if asked != "auto":
        return asked
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        fast = any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    elif device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = False
    return "bf16" if fast else "fp32"


def build_network(
    splits: DataSplits, settings: TrainSettings, plan: Plan
) -> tuple[GoogLeNet, Preprocessing, tuple[str, ...]]:
    """Build the network, fresh or from a model, with the policy for its input size.

    Returns:
        The network, the policy, and what there is to say about where the weights came from.

    Raises:
        InputSizeError: The input is too small, or the heads cannot train on it.
        ModelError: The weights to start from cannot be used.
    """
    torch.manual_seed(settings.seed)
    if settings.weights is None:
        spec = find_variant(settings.variant).with_options(
            num_classes=len(splits.classes), aux_logits=plan.heads
        )
        start = StartingWeights(GoogLeNet.from_spec(spec), spec.preprocessing, ())
    else:
        start = start_weights(settings.weights, splits.classes, aux_logits=plan.heads)
    network = start.network
    if plan.input_size < network.smallest_input:
        raise cost.too_small(network.spec, plan.input_size, plan.input_size)
    if plan.heads and not cost.heads_fit(network.spec, plan.input_size, plan.input_size):
        raise cost.heads_do_not_fit(network.spec, plan.input_size, plan.input_size)
    _freeze(network, settings)
    return network, start.preprocessing.at_size(plan.input_size), start.notes


def rebuild_network(
    arguments: Mapping[str, Any], settings: TrainSettings, where: Path
) -> tuple[GoogLeNet, Preprocessing]:
    """Build the network of a run as its ``args.json`` describes it, for a checkpoint to fill.

    Raises:
        ModelError: The description is garbled.
    """
    spec = GoogLeNetSpec.from_config(arguments["spec"], str(where))
    known = VARIANTS.get(spec.variant)
    if known is not None:  # what args.json leaves out
        spec = replace(spec, source=known.source, differences=known.differences)
    network = GoogLeNet.from_spec(spec)
    _freeze(network, settings)
    return network, Preprocessing.from_config(arguments["preprocessing"], str(where))


def _freeze(network: GoogLeNet, settings: TrainSettings) -> None:
    if settings.tune == "head":
        network.requires_grad_(False)
        network.fc.requires_grad_(True)


def build_job(
    run: Path,
    splits: DataSplits,
    settings: TrainSettings,
    plan: Plan,
    policy: Preprocessing,
    device: torch.device,
) -> Job:
    """Gather what the loop works on.

    Raises:
        DataError: No validation image can be read.
        ResultError: More of them than allowed cannot.
    """
    validation = validation_batches(splits.validation, policy, plan.workers)
    unreadable = [each for batch in validation for each in batch.unreadable]
    check_readable(unreadable, splits.validation, settings.max_unreadable, "validation")
    counts = np.bincount(splits.train.labels, minlength=len(splits.classes))
    rarity = len(splits.train) / (len(splits.classes) * np.maximum(counts, 1))
    return Job(
        run=run,
        plan=plan,
        train=splits.train,
        validation=validation,
        normalize=Normalize(policy).to(device),
        loss=GoogLeNetLoss(
            settings.aux_weight,
            plan.recipe.label_smoothing,
            torch.tensor(rarity, dtype=torch.float32) if settings.balance == "loss" else None,
        ).to(device),
        device=device,
        seed=settings.seed,
        save_every=settings.save_every,
        max_unreadable=settings.max_unreadable,
        frozen=settings.tune == "head",
        sample_weights=rarity[splits.train.labels] if settings.balance == "sampler" else None,
    )


def validation_batches(images: ImageSet, policy: Preprocessing, workers: int) -> list[Batch]:
    """Read the validation images once: their pixels are small, and every epoch wants them again.

    Raises:
        DataError: None of them can be read.
    """
    loader = evaluation_loader(images, policy, batch_size=EVALUATION_BATCH, workers=workers)
    # Copied out of the memory that processes share, which may be small.
    batches = [replace(batch, images=batch.images.clone()) for batch in loader]
    if not any(len(batch.labels) for batch in batches):
        raise DataError(
            "none of the validation images can be read",
            images.names[0],
            "Mend or replace the validation images.",
        )
    return batches


def build_state(network: GoogLeNet, plan: Plan, device: torch.device) -> TrainState:
    """Put a network on the device with its optimizer and its average, before the first step."""
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = make_average(network, plan.recipe, plan.total_steps)
    return TrainState(network, average, make_optimizer(network, plan.recipe))


def _try_to_save(network: GoogLeNet, job: Job, policy: Preprocessing) -> None:
    """Write a model where the run's will be written, and remove it; that it fails is no matter."""
    parent = next(path for path in job.run.absolute().parents if path.is_dir())
    with (
        contextlib.suppress(OSError, ModelError),
        tempfile.TemporaryDirectory(dir=parent, prefix=".googlenet-") as place,
    ):
        classes = job.train.classes
        save_model(f"{place}/model", network, classes=classes, preprocessing=policy)


def measure_pace(
    job: Job, network: GoogLeNet, policy: Preprocessing, test_images: int
) -> budget.Pace:
    """Time a few steps, a validation and a save with a copy of the network, and throw it away."""
    spare = GoogLeNet.from_spec(network.spec)
    spare.load_state_dict(network.state_dict())
    for parameter, model in zip(spare.parameters(), network.parameters(), strict=True):
        parameter.requires_grad_(model.requires_grad)
    spare = spare.to(device=job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    plan = replace(job.plan, total_steps=PROBE_STEPS)
    probe = replace(job, plan=plan)
    average = make_average(spare, plan.recipe, PROBE_STEPS)
    still = replace(plan.recipe, learning_rate=0.0)
    state = TrainState(spare, average, make_optimizer(spare, still))
    batches = training_batches(probe, 0)
    try:
        step = budget.time_steps(
            # At no rate, so that the steps take their time and cannot diverge.
            lambda: train_step(state, probe, next(batches), 0.0)
        )
    finally:
        batches.close()
    # An epoch that is better than those before it saves the model.
    save = budget.time_once(lambda: _try_to_save(spare, job, policy))
    validation = budget.time_once(lambda: validate(spare, probe))
    images = sum(len(batch.labels) for batch in job.validation)
    # The final evaluation reads the files again and computes in float32: three times the work.
    test = 3 * validation * (test_images or images) / images
    return budget.Pace(step, validation + save, test)
