"""Kill a training process at random moments, resume it each time, and compare every bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

from safetensors.numpy import load_file

from tests.cli.command import PROGRAM, environment

SETTINGS = (
    *("--epochs", "6", "--input-size", "64", "--batch-size", "8", "--threads", "2"),
    *("--save-every", "2", "--aux-weight", "0.3"),
)
# Every third kill comes while a process starts: imports, reads, loads its checkpoint.
WHILE_STARTING = 3


def survives(photos: Path, tmp_path: Path, *, workers: int, kills: int, seed: int) -> None:
    """Check that a run killed again and again ends with the bits of one that never was."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(train(photos, whole, workers))
    starting, training = durations(whole)

    moments = random.Random(seed)
    for number in range(kills):
        # A process that was killed before the run could be resumed starts it anew.
        resumable = (killed / "args.json").exists()
        command = resume(killed) if resumable else train(photos, killed, workers)
        if number % WHILE_STARTING == WHILE_STARTING - 1:
            kill(command, killed, moments.uniform(0, starting), from_training=False)
        else:
            # All of them together take half as long as the training does, so none comes too late.
            latest = training / (2 * kills)
            kill(command, killed, moments.uniform(0, latest), from_training=True)
    finish(resume(killed) if (killed / "args.json").exists() else train(photos, killed, workers))

    assert (killed / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    for name in ("best", "last"):
        assert_same_bits(killed / name / "model.safetensors", whole / name / "model.safetensors")
    newest = max(path.name for path in (whole / "checkpoints").iterdir())
    assert max(path.name for path in (killed / "checkpoints").iterdir()) == newest
    assert_same_bits(killed / "checkpoints" / newest, whole / "checkpoints" / newest)
    assert not list(killed.rglob("*.tmp"))


def train(photos: Path, run: Path, workers: int) -> list[str]:
    """The command that starts the run."""
    place = ("--out", str(run), "--workers", str(workers))
    return [*PROGRAM, "train", str(photos), *SETTINGS, *place]


def resume(run: Path) -> list[str]:
    """The command that continues it."""
    return [*PROGRAM, "train", "--resume", str(run)]


def finish(command: list[str]) -> None:
    """Run a command to its end."""
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode()


def kill(command: list[str], run: Path, seconds: float, *, from_training: bool) -> None:
    """Start a command and kill it some time after it, or its training, has begun."""
    begun = len(starts(run))
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while from_training and len(starts(run)) == begun:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(seconds)
    assert process.poll() is None, "the run ended before it was killed"
    os.killpg(process.pid, signal.SIGKILL)  # with its workers, as the kernel's reaper would
    process.wait()


def starts(run: Path) -> list[float]:
    """When each process began to train, in seconds since it started."""
    return [event["seconds"] for event in events(run) if event["event"] == "start"]


def durations(run: Path) -> tuple[float, float]:
    """The seconds until training began, and those that it took."""
    (began,) = starts(run)
    return began, max(event["seconds"] for event in events(run) if event["event"] == "save") - began


def events(run: Path) -> list[dict[str, float]]:
    """The run's journal, without a line that a kill cut off."""
    try:
        lines = (run / "events.ndjson").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]


def assert_same_bits(found: Path, expected: Path) -> None:
    """Compare two files of tensors."""
    ours, theirs = load_file(found), load_file(expected)
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        assert ours[name].tobytes() == values.tobytes(), f"{expected.name}: {name}"
