"""Run the command as a user does: a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAM = [sys.executable, "-m", "googlenet"]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a plain shell: no settings of ours, no colours, 80 columns.

    One thread, since two in step crawl when something else keeps a processor busy, and the networks
    here are too small to gain from a second.
    """
    drop = ("GOOGLENET_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    bin_directory = str(Path(sys.executable).parent)
    return {
        **kept,
        "COLUMNS": "80",
        "TERM": "xterm",
        "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([bin_directory, kept.get("PATH", "")]),
        **changes,
    }


def googlenet(
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command with these arguments; both streams come back as text."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        env=environment(**(env or {})),
        capture_output=True,
        timeout=300,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def assert_fails(
    done: subprocess.CompletedProcess[str], code: int, what: str, where: str, fix: str
) -> None:
    """Check an error to the letter: its code, its three lines, and nothing on standard output."""
    assert done.stderr == f"error: {what}\n  {where}\n  {fix}\n"
    assert done.returncode == code
    assert done.stdout == ""


def process_seconds(command: list[str], runs: int = 5) -> float:
    """The least user and system time of a command, in seconds: noise only ever adds to it."""
    least = float("inf")
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment(), capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        least = min(least, spent)
    return least
