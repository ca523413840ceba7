"""Write run directories as training leaves them: whole, broken off, or with odd names."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    *(f"train_{kind}_{head}" for kind in ("loss", "accuracy") for head in ("main", "aux2", "aux1")),
    "val_loss",
    "val_accuracy",
    "val_balanced_accuracy",
)


def write_run(
    directory: Path,
    *,
    classes: Sequence[str] = ("functional", "defective"),
    data: str = "elpv",
    epochs: int = 20,
    planned_epochs: int | None = None,
    heads: bool = True,
    test: bool = True,
    batch: bool = True,
    stop: str | None = None,
    accuracy: float = 0.86,
    confusion: np.ndarray | None = None,
    mistake_files: Sequence[str] = (),
    unreadable: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write a run of ``epochs`` epochs; with ``stop`` it was stopped by that signal."""
    directory.mkdir(parents=True)
    planned = planned_epochs or epochs
    if confusion is None:
        confusion = confusion_matrix(len(classes), accuracy)
    support = confusion.sum(1)
    parts = {"train": (2 * support).tolist(), "validation": (support // 4).tolist()}
    if test:
        parts["test"] = support.tolist()
    write_json(
        directory / "args.json",
        {
            "schema": "googlenet.run/1",
            "data": data,
            "data_name": Path(data).name,
            "variant": "bn",
            "classes": list(classes),
            "counts": parts,
            "notes": ["split seed 0: validation is 10% of the training part"],
            "settings": {
                "variant": "bn",
                "recipe": "modern",
                "input_size": None,
                "minutes": 4.0,
                "seed": 0,
                "balance": "none",
            },
            "plan": {
                "recipe": {
                    "name": "modern",
                    "optimizer": "adamw",
                    "learning_rate": 1e-3,
                    "weight_decay": 0.05,
                    "label_smoothing": 0.1,
                    "batch_size": 32,
                    "augmentation": {"crop": "random-resized", "aspect": [0.75, 1.3333]},
                },
                "input_size": 112,
                "total_steps": 55 * planned,
                "steps_per_epoch": 55,
                "heads": heads,
                "threads": 2,
                "precision": "bf16",
            },
        },
    )
    write_json(
        directory / "env.json",
        {"googlenet": "0.1.0", "python": "3.11.2", "torch": "2.14.1", "cpu": "a CPU", "threads": 2},
    )
    rows = [curve_row(epoch, planned, heads, accuracy) for epoch in range(1, epochs + 1)]
    write_csv(directory / "results.csv", COLUMNS, rows)
    write_events(directory / "events.ndjson", rows, unreadable, stop, finished=epochs == planned)
    if batch:
        tiles = [[picture(8 * row + column, 56) for column in range(8)] for row in range(4)]
        sheet = np.concatenate([np.concatenate(row, axis=1) for row in tiles])
        Image.fromarray(sheet).save(directory / "batch.png")
        labels = [classes[place % len(classes)] for place in range(32)]
        write_json(directory / "batch.json", {"size": 56, "columns": 8, "labels": labels})
    if test and stop is None:
        write_evaluation(directory / "test", classes, confusion, mistake_files, unreadable)
    return directory


def curve_row(epoch: int, epochs: int, heads: bool, top: float) -> list[Any]:
    """Make one epoch of a plausible run; a head that is absent has empty cells."""
    done = epoch / epochs
    wobble = 0.03 * math.sin(2.7 * epoch) / (1 + 2 * done)
    losses = [0.30 + 0.42 * math.exp(-3 * done) + lift for lift in (0.0, 0.03, 0.07)]
    shares = [top - 0.02 - 0.25 * math.exp(-4 * done) - drop for drop in (0.0, 0.015, 0.04)]
    parts: list[Any] = losses if heads else [losses[0], "", ""]
    correct: list[Any] = shares if heads else [shares[0], "", ""]
    total = losses[0] + (0.3 * (losses[1] + losses[2]) if heads else 0.0)
    rate = 1e-3 * min(1.0, 10 * done) * (0.5 + 0.5 * math.cos(math.pi * done))
    validation = [
        0.33 + 0.5 * math.exp(-3 * done) - wobble,
        top - 0.3 * math.exp(-4 * done) + wobble,
    ]
    balanced = validation[1] - 0.06 - 0.05 * math.exp(-2 * done)
    return [epoch, 55 * epoch, rate, total, *parts, *correct, *validation, balanced]


def confusion_matrix(size: int, accuracy: float) -> np.ndarray:
    """Draw counts of a long-tailed set whose classes get harder, confused with neighbours."""
    random = np.random.default_rng(size)
    matrix = np.zeros((size, size), dtype=np.int64)
    for truth in range(size):
        images = max(6, 450 // (truth + 1)) if size < 20 else 50
        chances = np.full(size, 0.1)
        chances[(truth + 1) % size] += size / 4
        chances[truth] = 0.0
        right = accuracy + (1 - accuracy) * 0.8 * (0.5 - truth / size)
        chances *= (1 - right) / chances.sum()
        chances[truth] = 1 - chances.sum()
        matrix[truth] = random.multinomial(images, chances)
    return matrix


def write_evaluation(
    directory: Path,
    classes: Sequence[str],
    confusion: np.ndarray,
    mistake_files: Sequence[str] = (),
    unreadable: Sequence[tuple[str, str]] = (),
    split: str = "test",
) -> None:
    """Write what ``googlenet evaluate`` leaves for a confusion matrix."""
    (directory / "mistakes").mkdir(parents=True)
    count, right = int(confusion.sum()), confusion.diagonal()
    support, named = confusion.sum(1), confusion.sum(0)
    recall = np.divide(right, support, out=np.zeros(len(right)), where=support > 0)
    precision = np.divide(right, named, out=np.zeros(len(right)), where=named > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(right)), where=both > 0)
    top1 = right.sum() / count
    scores = [
        {
            "class": name,
            "precision": float(precision[place]),
            "recall": float(recall[place]),
            "f1": float(f1[place]),
            "support": int(support[place]),
        }
        for place, name in enumerate(classes)
    ]
    write_json(
        directory / "evaluation.json",
        {
            "schema": "googlenet.evaluation/1",
            "weights": "averaged",
            "split": split,
            "count": count,
            "loss": 0.347,
            "top1": float(top1),
            "top1_interval": wilson(float(top1), count),
            "top5": 0.97 if len(classes) > 5 else None,
            "balanced_accuracy": float(recall[support > 0].mean()),
            "macro_f1": float(f1[support > 0].mean()),
            "majority_share": float(support.max() / count),
            "majority_class": classes[int(support.argmax())],
            "expected_calibration_error": 0.031,
            "classes": list(classes),
            "per_class": scores,
            "confusion_matrix": confusion.tolist(),
        },
    )
    mistakes = []
    for place, file in enumerate(mistake_files):
        name = f"mistakes/{place:02d}.jpg"
        Image.fromarray(picture(place + 50, 150)).save(directory / name)
        truth = place % len(classes)
        mistakes.append(
            {
                "file": file,
                "truth": classes[truth],
                "prediction": classes[(truth + 1) % len(classes)],
                "probability": 0.997 - 0.011 * place,
                "picture": name,
            }
        )
    write_json(directory / "mistakes.json", mistakes)
    if unreadable:
        write_csv(directory / "unreadable.csv", ("file", "reason"), unreadable)


def write_events(
    path: Path,
    rows: Sequence[Sequence[Any]],
    unreadable: Sequence[tuple[str, str]],
    stop: str | None,
    finished: bool,
) -> None:
    """Write the log of a run at about 6 seconds an epoch."""
    events: list[dict[str, Any]] = [{"event": "start", "seconds": 0.0}]
    for file, reason in unreadable:
        events.append({"event": "unreadable", "seconds": 1.0, "file": file, "reason": reason})
    for row in rows:
        seconds = round(4.0 + 6.1 * row[0], 2)
        speed = 291.0 + row[0]
        events.append(
            {"event": "epoch", "seconds": seconds, "epoch": row[0], "images_per_second": speed}
        )
    seconds = 5.0 + 6.1 * len(rows)
    if stop is not None:
        events.append({"event": "stop", "seconds": seconds, "reason": stop})
    elif finished:
        events.append({"event": "end", "seconds": seconds})
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def picture(seed: int, side: int) -> np.ndarray:
    """Draw a grey cell with bus bars and, now and then, a dark crack: (side, side, 3) uint8."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:side, 0:side] / side
    grey = 150 + 50 * np.sin(3 * columns + random.uniform(0, 3)) + random.normal(0, 6, (side, side))
    for bar in (0.3, 0.7):
        grey[abs(rows - bar) < 0.025] = 60
    slope, start = random.uniform(-1, 1), random.uniform(0.2, 0.8)
    grey[abs(columns - start - slope * (rows - 0.5)) < 0.012 * (seed % 3)] = 25
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def wilson(share: float, count: int) -> list[float]:
    """Return the 95% Wilson interval of a share among ``count``."""
    z2 = 1.959964**2
    centre = share + z2 / (2 * count)
    spread = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count * count)))
    bounds = (centre - spread) / (1 + z2 / count), (centre + spread) / (1 + z2 / count)
    return [max(0.0, bounds[0]), min(1.0, bounds[1])]


def write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
