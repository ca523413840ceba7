"""What a run achieved, in a few sentences and numbers, with the doubts that belong to them."""

from __future__ import annotations

from dataclasses import dataclass

from googlenet.report.measured import Measured
from googlenet.report.run import Epoch, Run
from googlenet.report.text import count, decimal, duration, percent, plural, significant


@dataclass(frozen=True)
class Fact:
    """Hold one number of the headline, and what it means."""

    label: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Strip:
    """Hold the scale from 0 to 1 that sets an accuracy beside the baseline."""

    accuracy: float
    low: float
    high: float
    baseline: float
    description: str


@dataclass(frozen=True, kw_only=True)
class Headline:
    """Hold the head of the page.

    Attributes:
        label: What the large number is.
        value: The large number.
        interval: Its 95% interval, where the number of images is known.
        sentence: The result in words.
        doubts: What a reader must know before believing it.
        facts: The further numbers.
    """

    label: str
    value: str
    interval: str | None
    sentence: str
    doubts: tuple[str, ...]
    facts: tuple[Fact, ...]
    strip: Strip | None


def headline(run: Run) -> Headline:
    """Say what the run achieved: on the test part, else on validation, else nothing."""
    doubts = _interruption(run)
    if run.measured is not None:
        return _measured(run, run.measured, doubts)
    if run.best is not None:
        return _validated(run, run.best, doubts)
    return Headline(
        label="Accuracy",
        value="not measured",
        interval=None,
        sentence="No epoch was finished, so there is nothing to report on accuracy.",
        doubts=doubts,
        facts=_effort(run),
        strip=None,
    )


def _interruption(run: Run) -> tuple[str, ...]:
    if run.finished:
        if run.timeline.stopped:
            return (f"Training came to its end, but not the measurement: {run.timeline.stopped}.",)
        return ()
    progress = f"after {plural(len(run.epochs), 'epoch')}"
    total = run.setting("total_steps")
    if run.epochs and isinstance(total, int):
        progress += f" and {run.epochs[-1].step:,} of {total:,} steps"
    if run.timeline.stopped is not None:
        reason = f" ({run.timeline.stopped})" if run.timeline.stopped else ""
        return (f"This run was stopped {progress}{reason}.",)
    return (f"This run did not come to its end: it broke off or is still going, {progress}.",)


def _measured(run: Run, measured: Measured, doubts: tuple[str, ...]) -> Headline:
    low, high = measured.top1_interval
    held_out = measured.split == "test"
    part = "held-out test images" if held_out else f"{measured.split} images"
    sentence = (
        f"The {measured.weights} weights named {percent(measured.top1)} of "
        f"{count(measured.count)} {part} correctly; always answering "
        f"“{measured.majority_class}” would get {percent(measured.majority_share)}."
    )
    if not held_out:
        doubts += (_optimistic(run, measured.split),)
    if low <= measured.majority_share:
        weak = (
            "The interval reaches down to the majority-class baseline: this model is not clearly "
            "better than always giving the commonest answer."
        )
        doubts += (weak,)
    facts = [
        Fact("Balanced accuracy", percent(measured.balanced_accuracy), "mean recall over classes"),
        Fact(
            "Majority-class baseline",
            percent(measured.majority_share),
            f"always “{measured.majority_class}”",
        ),
        Fact("Macro-F1", decimal(measured.macro_f1), "mean F1 over classes"),
    ]
    if measured.top5 is not None:
        facts.append(Fact("Top-5 accuracy", percent(measured.top5), "truth among the first five"))
    facts += [
        Fact(
            "Calibration error",
            percent(measured.expected_calibration_error),
            "mean gap of confidence and accuracy (ECE)",
        ),
        Fact("Loss", decimal(measured.loss), "cross-entropy, nats"),
    ]
    return Headline(
        label=f"{measured.split.capitalize()} accuracy",
        value=percent(measured.top1),
        interval=f"{percent(low)} – {percent(high)}",
        sentence=sentence,
        doubts=doubts,
        facts=(*facts, *_effort(run)),
        strip=Strip(
            accuracy=measured.top1,
            low=low,
            high=high,
            baseline=measured.majority_share,
            description=(
                f"On a scale from 0 to 100%: accuracy {percent(measured.top1)}, its 95% interval "
                f"{percent(low)} to {percent(high)}, majority-class baseline "
                f"{percent(measured.majority_share)}."
            ),
        ),
    )


def _validated(run: Run, best: Epoch, doubts: tuple[str, ...]) -> Headline:
    return Headline(
        label="Validation accuracy",
        value=percent(best.val_accuracy),
        interval=None,
        sentence=(
            f"The highest of {plural(len(run.epochs), 'epoch')}, reached at epoch {best.epoch}."
            if len(run.epochs) > 1
            else f"Measured after epoch {best.epoch}, the only one."
        ),
        doubts=(*doubts, _optimistic(run, "validation")),
        facts=(
            Fact(
                "Balanced accuracy", percent(best.val_balanced_accuracy), "mean recall over classes"
            ),
            Fact("Loss", decimal(best.val_loss), "validation cross-entropy, nats"),
            *_effort(run),
        ),
        strip=None,
    )


def _optimistic(run: Run, split: str) -> str:
    if split != "validation":
        return f"Measured on the {split} part, which is not the held-out test part."
    known = "test" in run.counts
    why = "The test part was not measured" if known else "The data has no test part"
    return (
        f"{why}. Validation images were used to choose the epoch that is kept, so these numbers "
        "are optimistic."
    )


def _effort(run: Run) -> tuple[Fact, ...]:
    timeline = run.timeline
    sessions = f", in {timeline.sessions} sessions" if timeline.sessions > 1 else ""
    steps = run.epochs[-1].step if run.epochs else 0
    return (
        Fact("Time", duration(timeline.seconds), f"{plural(steps, 'step')}{sessions}"),
        Fact(
            "Training speed",
            significant(timeline.images_per_second),
            "images/s, validation included",
        ),
    )
