"""Kill a training process at random moments, resume it each time, and compare every bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from safetensors.numpy import load_file

from tests.cli.command import PROGRAM, environment

SETTINGS = (
    *("--epochs", "5", "--input-size", "64", "--batch-size", "8", "--threads", "2"),
    *("--save-every", "2", "--aux-weight", "0.3"),
)


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


def kill_after(command: list[str], started: Path, seconds: float) -> bool:
    """Start a command, wait for a file, then some time, and kill it; tell whether it was alive."""
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not started.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with its workers, as the kernel's reaper would
        process.wait()
        return True
    assert process.returncode == 0
    return False


def survives(photos: Path, tmp_path: Path, *, workers: int, kills: int, seed: int) -> None:
    """Check that a run killed again and again ends with the bits of one that never was."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = time.monotonic()
    finish(train(photos, whole, workers))
    usual = time.monotonic() - began

    moments = random.Random(seed)
    command = train(photos, killed, workers)
    # Counted from the start of training; a resumed process first takes seconds to get there.
    happened = kill_after(command, killed / "args.json", moments.uniform(0, usual / 4))
    count = int(happened)
    while happened and count < kills:
        happened = kill_after(resume(killed), killed / "args.json", moments.uniform(1, usual / 2))
        count += happened
    assert count >= min(kills, 2), "the run ended before it was killed; make it longer"
    finish(resume(killed))

    assert (killed / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    for name in ("best", "last"):
        expected = load_file(whole / name / "model.safetensors")
        found = load_file(killed / name / "model.safetensors")
        assert list(found) == list(expected)
        for tensor, values in expected.items():
            assert found[tensor].tobytes() == values.tobytes(), f"{name}: {tensor}"
    checkpoints = sorted(path.name for path in (whole / "checkpoints").iterdir())
    assert sorted(path.name for path in (killed / "checkpoints").iterdir()) == checkpoints
    for checkpoint in checkpoints[-1:]:
        expected = load_file(whole / "checkpoints" / checkpoint)
        found = load_file(killed / "checkpoints" / checkpoint)
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    assert not list(killed.rglob("*.tmp"))
