"""Stopping on request: a signal sets a flag, and the loop stops at the next step."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from googlenet.errors import GoogLeNetError


class TrainingInterrupted(GoogLeNetError):
    """Report a run that was asked to stop and saved its state first."""


class StopRequest:
    """Catch SIGINT and SIGTERM while inside the ``with`` block.

    The first only notes the signal. A second SIGINT raises KeyboardInterrupt at once. Outside the
    main thread, where Python delivers no signals, nothing is caught.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    @property
    def name(self) -> str:
        """Name of the signal that arrived; SIGINT before one has."""
        return signal.Signals(self.signal or signal.SIGINT).name

    def interruption(self, run: str, step: int) -> TrainingInterrupted:
        """Make the error that ends the run; its exit code is 128 + the signal's number."""
        error = TrainingInterrupted(
            f"stopped by {self.name} after step {step}; everything is saved",
            run,
            f"Continue with: googlenet train --resume {run}",
        )
        error.exit_code = 128 + (self.signal or signal.SIGINT)
        return error
