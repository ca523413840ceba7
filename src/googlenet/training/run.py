"""A training run from its data to its report, in a directory of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from googlenet.data.source import DataSplits, Part, open_data
from googlenet.errors import DataError, GoogLeNetError, UsageError
from googlenet.evaluation.evaluate import evaluate
from googlenet.evaluation.metrics import Evaluation
from googlenet.names import visible
from googlenet.report import write_report
from googlenet.training import directory
from googlenet.training.build import (
    build_job,
    build_network,
    build_state,
    make_plan,
    measure_pace,
    rebuild_network,
    settle_device,
)
from googlenet.training.checkpoint import load_checkpoint, save_checkpoint
from googlenet.training.loop import Job, train_steps
from googlenet.training.plan import Plan
from googlenet.training.progress import Progress
from googlenet.training.settings import TrainSettings, read_arguments, refuse_changes
from googlenet.training.signals import StopRequest, TrainingInterrupted
from googlenet.training.state import TrainState
from googlenet.weights.model_card import write_model_card
from googlenet.weights.model_directory import save_model

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from googlenet.architecture.preprocessing import Preprocessing


@dataclass(frozen=True)
class TrainResult:
    """Say where a finished run left what.

    Attributes:
        run: The run directory.
        model: The model directory with the highest validation accuracy.
        evaluation: Of the test part, or of the validation part where there is no test part.
        validation_accuracy: The highest one, which chose the model.
    """

    run: Path
    model: Path
    evaluation: Evaluation
    validation_accuracy: float


def train(
    data: str | Path | DataSplits | tuple[Dataset[Any], ...] | None = None,
    settings: TrainSettings | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    resume: str | Path | None = None,
    console: Console | None = None,
) -> TrainResult:
    """Train a GoogLeNet on labelled images, measure it, and leave everything in a run directory.

    Args:
        data: A directory, a CSV file, the name of a data set, or Python data sets; see
            ``googlenet.data.source.open_data``. A run that is resumed knows its own.
        settings: How to train; None takes the defaults, or what the resumed run was started with.
        out: Directory of the run; None makes a new one under ``runs/train``.
        overwrite: Replace the run that is in ``out``, once all that may be refused is settled.
        resume: Directory of a run to continue; the result has the same bits as if it had never
            stopped, on the same machine with the same threads.
        console: Where to show progress; None for standard error.

    Raises:
        UsageError: The settings cannot be carried out, or differ from those of the resumed run.
        DataError: The data cannot be read or does not fit together.
        ModelError: The weights to start from, or the run to resume, cannot be used.
        ResultError: Training diverged, or too many images cannot be read.
        TrainingInterrupted: SIGINT or SIGTERM arrived; the state is saved.
    """
    started = time.monotonic()
    console = console or Console(stderr=True)
    if resume is None:
        settings = settings or TrainSettings()
        _check_given(data)
        with _own_torch_state():
            splits = open_data(data, seed=settings.seed)
            run = directory.choose(out, splits.name, overwrite=overwrite)
            work = _start(run, splits, settings, started, console)
            if out is None:  # another run may have taken the name meanwhile
                run = directory.choose(out, splits.name, overwrite=overwrite)
                work = replace(work, job=replace(work.job, run=run))
            with directory.claimed(run, overwrite=overwrite):
                directory.draw_first_batch(work.job, splits.classes)
                # From here on the run needs no other model, not even to start over.
                save_checkpoint(run / "checkpoints", work.state)
                spec = work.state.network.spec
                directory.describe(
                    run, data, splits, settings, work.job.plan, work.policy, spec, work.notes
                )
                return _carry_out(work, started, console)

    run, arguments = Path(resume), read_arguments(Path(resume))
    stored = TrainSettings.from_config(arguments["settings"], run)
    if settings is not None:
        refuse_changes(stored, settings, run)
    if out is not None and Path(out).resolve() != run.resolve():
        raise UsageError("a run resumes where it is", run, "Leave out --out.")
    data = arguments.get("data") if data is None else data
    _check_given(data)
    with _own_torch_state(), directory.locked(run):
        splits = open_data(data, seed=stored.seed)
        plan = Plan.from_config(arguments["plan"], run)
        if splits.fingerprint != plan.fingerprint:
            raise DataError(
                "the data is not what the run was started with",
                str(data),
                "Restore the images and labels, or start a new run.",
            )
        work = _continue(run, arguments, splits, stored, plan, console)
        return _carry_out(work, started, console)


def _check_given(data: object) -> None:
    if data is None:
        raise UsageError(
            "there is nothing to train on", None, "Give a directory, a CSV file or a data set."
        )


@dataclass(frozen=True)
class _Work:
    """Hold a run that is ready for its next step.

    Attributes:
        splits: The data.
        settings: As the user gave them.
        job: What the loop works on.
        policy: Preprocessing of the network.
        state: Where the run stands.
        notes: What was done to arrive here, for the user to read.
    """

    splits: DataSplits
    settings: TrainSettings
    job: Job
    policy: Preprocessing
    state: TrainState
    notes: tuple[str, ...] = ()


def _start(
    run: Path, splits: DataSplits, settings: TrainSettings, started: float, console: Console
) -> _Work:
    """Settle a new run, and touch nothing: all that can be refused is refused here."""
    device = settle_device(settings.device)
    plan = make_plan(splits, settings, device)
    torch.set_num_threads(plan.threads)
    network, policy, notes = build_network(splits, settings, plan)
    notes = (*splits.notes, *notes)
    for note in notes:
        console.print(visible(note), markup=False, highlight=False)
    job = build_job(run, splits, settings, plan, policy, device)
    pace = measure_pace(job, network, policy, len(splits.test or ()))
    if settings.minutes is not None:
        seconds = settings.minutes * 60 - (time.monotonic() - started)
        plan = replace(plan, total_steps=pace.steps_within(seconds, plan.steps_per_epoch))
        job = replace(job, plan=plan)
    estimate = pace.run(plan.total_steps, plan.steps_per_epoch)
    console.print(
        f"{plan.total_steps} steps ({plan.total_steps / plan.steps_per_epoch:.1f} epochs) of "
        f"{plan.recipe.batch_size} images at {plan.input_size} pixels, "
        f"about {_duration(estimate)}",
        highlight=False,
    )
    state = build_state(network, plan, device)
    return _Work(splits, settings, job, policy, state, notes)


def _continue(
    run: Path,
    arguments: Mapping[str, Any],
    splits: DataSplits,
    settings: TrainSettings,
    plan: Plan,
    console: Console,
) -> _Work:
    """Bring a run back to its last checkpoint."""

    def tell(text: str) -> None:
        console.print(visible(text), markup=False, highlight=False)

    for difference in directory.changed_environment(run, plan):
        tell(f"{difference}: the result may differ in its last bits from an uninterrupted run's")
    device = settle_device(settings.device)
    torch.set_num_threads(plan.threads)
    network, policy = rebuild_network(arguments, settings, run / "args.json")
    job = build_job(run, splits, settings, plan, policy, device)
    state = build_state(network, plan, device)
    load_checkpoint(run / "checkpoints", state, tell)
    return _Work(splits, settings, job, policy, state)


def _carry_out(work: _Work, started: float, console: Console) -> TrainResult:
    """Train to the end, measure, and report; what breaks it off is reported too."""
    run, plan, state = work.job.run, work.job.plan, work.state
    with Progress(run, console, plan.total_steps, state.step, started) as progress:
        progress.event("start", step=state.step, total_steps=plan.total_steps)
        for batch in work.job.validation:
            for name, reason in batch.unreadable:
                progress.unreadable(name, reason, "validation")

        def keep_best(best: TrainState) -> None:
            _save(run / "best", best, work)

        try:
            with StopRequest() as stop:
                train_steps(state, work.job, stop=stop, progress=progress, keep_best=keep_best)
            _save(run / "last", state, work)
            write_report(run)  # should the measurement be broken off
            result = _measure(run, work.splits, work.settings, plan, state)
        except GoogLeNetError as error:
            reason = error.what
            if isinstance(error, TrainingInterrupted):
                _save(run / "last", state, work)
                reason = stop.name
            directory.write_results(run, state.rows)
            progress.event("stop", step=state.step, reason=reason)
            write_report(run)
            raise
        progress.event("end", step=state.step, unreadable=len(state.unreadable))
    write_report(run)
    return result


def _measure(
    run: Path, splits: DataSplits, settings: TrainSettings, plan: Plan, state: TrainState
) -> TrainResult:
    """Read the test part, once, with the chosen model."""
    split: Part = "validation" if splits.test is None else "test"
    evaluation = evaluate(
        run / "best",
        splits,
        split=split,
        workers=plan.workers,
        device=settings.device,
        out=run / split,
        max_unreadable=settings.max_unreadable,
    )
    write_model_card(run / "best", evaluation.to_json())
    return TrainResult(run, run / "best", evaluation, state.best)


def _save(path: Path, state: TrainState, work: _Work) -> None:
    """Write the network that validation measures as a model directory."""
    splits = work.splits
    directory.write_results(work.job.run, state.rows)
    save_model(
        path,
        state.measured,
        classes=splits.classes,
        preprocessing=work.policy,
        metadata={
            "weights": "raw" if state.average is None else "averaged",
            "step": state.step,
            "seed": work.settings.seed,
            "data": splits.name,
            "data_fingerprint": splits.fingerprint,
            "images": {"train": len(splits.train), "validation": len(splits.validation)},
        },
    )


@contextlib.contextmanager
def _own_torch_state() -> Iterator[None]:
    """Give the caller back torch's random numbers and threads as they were."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
