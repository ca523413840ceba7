"""How long a run will take, measured by steps whose result is thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from googlenet.errors import UsageError

WARM_UP_STEPS = 5
TIMED_STEPS = 11
TIMED_SECONDS = 8.0
# Kept back from a time budget: clocks vary, and checkpoints and the report take a little.
RESERVE_SHARE = 0.08
RESERVE_SECONDS = 6.0


@dataclass(frozen=True)
class Pace:
    """Hold measured times in seconds.

    Attributes:
        step: One training step, reading included.
        epoch: What an epoch takes besides its steps: validation, and saving the model.
        test: The final pass over the test images.
    """

    step: float
    epoch: float
    test: float

    def run(self, total_steps: int, steps_per_epoch: int) -> float:
        """Estimate the seconds of a whole run."""
        epochs = -(-total_steps // steps_per_epoch)
        return total_steps * self.step + epochs * self.epoch + self.test

    def steps_within(self, seconds: float, steps_per_epoch: int) -> int:
        """Return the number of steps that fit a time budget.

        Raises:
            UsageError: Not even one does.
        """
        usable = seconds * (1 - RESERVE_SHARE) - RESERVE_SECONDS - self.test - self.epoch
        steps = int(usable / (self.step + self.epoch / steps_per_epoch))
        if steps < 1:
            raise UsageError(
                "the time budget is over before the first step",
                f"{max(seconds, 0):.0f} seconds are left of --minutes",
                "Give more minutes, a smaller --input-size or a smaller --batch-size.",
            )
        return steps


def time_once(work: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def time_steps(step: Callable[[], object]) -> float:
    """Return the median seconds of a few calls, after a warm-up."""
    for _ in range(WARM_UP_STEPS):
        step()
    times: list[float] = []
    while len(times) < TIMED_STEPS and sum(times) < TIMED_SECONDS:
        times.append(time_once(step))
    return sorted(times)[len(times) // 2]
