"""Accuracy against seconds on real data sets, beside published figures.

    python benchmarks/accuracy.py elpv [--minutes 10] [--seeds 0 1 2]
    python benchmarks/accuracy.py fashion-mnist [--minutes 20] [--seeds 0]

Each run is `googlenet train` as a user would start it, with what else is on the command line
(such as `--batch-size 64`) handed on. Printed are the validation accuracy after
each epoch with the seconds it took to get there, the test result of the chosen model, and the
published figures with what differs from their protocol.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """A figure from the literature: test accuracy in percent."""

    accuracy: float
    method: str
    source: str
    difference: str


DEITSCH = "Deitsch et al. 2019, Solar Energy 185"
ELPV_PROTOCOL = (
    "theirs: another draw of a 75/25 split stratified the same way, samples weighted by how sure "
    "their label is; ours: unweighted, two classes, defective from a probability of one half"
)
PUBLISHED = {
    "elpv": (
        Published(82.44, "SVM on KAZE and VGG features", DEITSCH, ELPV_PROTOCOL),
        Published(88.42, "VGG-19 pretrained on ImageNet", DEITSCH, ELPV_PROTOCOL),
    ),
    "fashion-mnist": (
        Published(
            93.7,
            "GoogLeNet with cross-entropy",
            "the data set's own table of submitted results",
            "ours: trained on 55,000 of the 60,000 images; the rest chose the epoch",
        ),
    ),
}
INPUT_SIZES = {"elpv": 224, "fashion-mnist": 64}


def train(data: str, seed: int, minutes: float, size: int, run: Path, more: list[str]) -> float:
    """Run the command; return its seconds."""
    words = [
        *("train", data, "--seed", str(seed), "--minutes", f"{minutes:g}"),
        *("--input-size", str(size), *more),
    ]
    print("$ googlenet", *words, flush=True)
    started = time.monotonic()
    command = [sys.executable, "-m", "googlenet", *words, "--out", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - started


def report(run: Path) -> dict[str, float]:
    """Print a run's curve; return its test result."""
    events = [json.loads(line) for line in (run / "events.ndjson").read_text().splitlines()]
    seconds = {event["step"]: event["seconds"] for event in events if event["event"] == "epoch"}
    with (run / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        print(
            f"  epoch {row['epoch']:>3}  {seconds[int(row['step'])]:7.0f} s  "
            f"training loss {float(row['train_loss_main']):.3f}  "
            f"validation {float(row['val_accuracy']):.4f}  "
            f"balanced {float(row['val_balanced_accuracy']):.4f}"
        )
    result = json.loads((run / "test" / "evaluation.json").read_text())
    low, high = result["top1_interval"]
    print(
        f"  test: accuracy {result['top1']:.4f} ({low:.4f} to {high:.4f}), balanced accuracy "
        f"{result['balanced_accuracy']:.4f}, macro-F1 {result['macro_f1']:.4f}, "
        f"{result['count']} images, {result['weights']} weights"
    )
    return {name: result[name] for name in ("top1", "balanced_accuracy")}


def main() -> None:
    """Train with each seed, print the curves, the results and the published figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", choices=sorted(PUBLISHED))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--seeds", type=int, nargs="+")
    arguments, more = parser.parse_known_args()
    minutes = arguments.minutes or (10 if arguments.data == "elpv" else 20)
    seeds = arguments.seeds or ([0, 1, 2] if arguments.data == "elpv" else [0])
    size = arguments.input_size or INPUT_SIZES[arguments.data]
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for seed in seeds:
            run = Path(directory) / f"seed-{seed}"
            seconds = train(arguments.data, seed, minutes, size, run, more)
            result = report(run)
            results.append(result)
            env = json.loads((run / "env.json").read_text())
            print(
                f"  {seconds:.0f} s in all, on {env['processor']}, {env['threads']} threads, "
                f"{env['precision']}, torch {env['versions']['torch']}\n",
                flush=True,
            )
    for name in ("top1", "balanced_accuracy"):
        values = [result[name] for result in results]
        print(
            f"{name}: median {statistics.median(values):.4f}, from {min(values):.4f} to "
            f"{max(values):.4f}, {len(values)} seeds"
        )
    for each in PUBLISHED[arguments.data]:
        print(f"published: {each.accuracy}%  {each.method} ({each.source}); {each.difference}")


if __name__ == "__main__":
    main()
