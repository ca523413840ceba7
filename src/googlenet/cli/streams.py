"""The process's streams: names of any bytes can be printed, and lost results are noticed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

from googlenet.errors import ResultError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class LostResults(OSError):
    """Report that standard output took no more, as on a full disk."""


class StandardOutput(io.FileIO):
    """Write to standard output, and say so when that fails: other files fail in the same words."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes; see ``io.RawIOBase.write``."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise LostResults(error.errno, error.strerror) from error


def prepare_streams() -> None:
    """Make every name printable, and refuse to work for results that nobody can get.

    Raises:
        ResultError: Standard output is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
        raise ResultError(
            "the results have nowhere to go", "standard output", "Do not close standard output."
        )
    # A file name need not be text in the terminal's encoding.
    plain = sys.__stdout__
    if os.name == "posix" and plain is not None and sys.stdout is plain:
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(StandardOutput(plain.fileno(), "wb", closefd=False)),
            encoding=plain.encoding,
            errors="backslashreplace",
            line_buffering=plain.isatty(),
        )
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def settle_streams() -> None:
    """Drop what cannot be written, so that the interpreter does not complain of it at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                silence = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silence, stream.fileno())
                os.close(silence)


def write_error(text: str) -> None:
    """Write to standard error, if anybody listens."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
