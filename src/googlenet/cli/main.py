"""The command's way in and out: streams, signals, errors and exit codes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from googlenet.cli.streams import LostResults, prepare_streams, settle_streams, write_error
from googlenet.errors import DataError, GoogLeNetError, ResultError, UsageError

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
# What a shell says of a program that wrote to a pipe nobody reads any more; Windows has no SIGPIPE.
BROKEN_PIPE = 128 + 13

STANDARD_INPUT = "/dev/stdin"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The words after the command's name; None takes the process's own.

    Returns:
        The exit code: 0 ok, 1 a bad result, 2 usage, 3 data or model unreadable, 4 an extra is
        missing, 130 Ctrl-C, 141 the reader of the results went away, 143 SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = _asks_for_traceback(words)
    try:
        with _terminable():
            prepare_streams()
            code = _run(words)
            sys.stdout.flush()
            return code
    except SystemExit as stop:
        return _settled(stop.code if isinstance(stop.code, int) else 1)
    except KeyboardInterrupt:
        write_error("interrupted\n")
        return _settled(INTERRUPTED)
    except BrokenPipeError:
        return _settled(BROKEN_PIPE)
    except Exception as error:  # noqa: BLE001 - whatever it is, a user gets three lines
        if debug:
            _write_traceback(error)
        told = _as_told(error, _command(words))
        write_error(_three_lines(told, _command(words)))
        return _settled(told.exit_code)


def _run(words: Sequence[str]) -> int:
    from cyclopts import CycloptsError

    from googlenet.cli.app import build_app, split_words
    from googlenet.cli.verbs import VERBS

    # Here, not in the app's own handler, so that every error has the same three lines.
    try:
        config, rest = split_words(words)
        app = build_app(config, whole=not set(rest[:1]) & set(VERBS))
        return int(app(rest) or 0)
    except CycloptsError as error:
        error.verbose = False
        raise UsageError(
            " ".join(str(error).split()).rstrip("."),
            _command(words),
            f"See {_command(words)} --help.",
        ) from error


def _command(words: Sequence[str]) -> str:
    """Return the command as far as it names a verb."""
    from googlenet.cli.verbs import VERBS

    return " ".join(["googlenet", *(word for word in words[:1] if word in VERBS)])


def _as_told(error: Exception, command: str) -> GoogLeNetError:
    """Turn whatever went wrong into an error with three lines."""
    from googlenet.extras import missing_extra

    if isinstance(error, GoogLeNetError):
        return error
    if isinstance(error, ImportError) and (missing := missing_extra(error, command)):
        return missing
    if isinstance(error, MemoryError):
        return ResultError(
            "there is not enough memory", command, "Use a smaller --batch-size or smaller inputs."
        )
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if isinstance(error, LostResults):
            return ResultError(
                f"the results could not be written: {reason}",
                "standard output",
                "Free some space, or send the results elsewhere.",
            )
        where = None if error.filename is None else os.fsdecode(error.filename)
        return DataError(f"the system refused: {reason}", where, "Check the path and its rights.")
    return GoogLeNetError(
        f"this is a fault of googlenet itself: {type(error).__name__}: {error}",
        _origin(error),
        "Run again with --debug, and report what it prints.",
    )


def _three_lines(error: GoogLeNetError, command: str) -> str:
    from googlenet.names import visible

    # A library's message may be long and take several lines; a name keeps what it holds, visibly,
    # as it may hold a line break or a terminal's escape codes.
    what = visible("; ".join(error.what.split("\n")))
    where, fix = visible(error.where or command), visible(error.fix or f"See {command} --help.")
    label = "error:"
    if _in_colour():
        label = f"\x1b[1;31m{label}\x1b[0m"
    return f"{label} {what}\n  {where}\n  {fix}\n"


def _origin(error: BaseException) -> str:
    """Return where in the code an unforeseen error arose."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}"


def _asks_for_traceback(words: Sequence[str]) -> bool:
    ours = words[: words.index("--")] if "--" in words else words
    return "--debug" in ours or os.environ.get("GOOGLENET_DEBUG", "") not in ("", "0")


def _in_colour() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and sys.stderr.isatty()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Exit with 143 on SIGTERM, so that ``finally`` blocks run, also as a container's process 1."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _settled(code: int) -> int:
    settle_streams()
    return code


def _write_traceback(error: Exception) -> None:
    import traceback

    write_error("".join(traceback.format_exception(error)))
