"""The run directory: made once, described before the first step, never overwritten by accident."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import GoogLeNetSpec
from googlenet.data.loader import training_loader
from googlenet.data.source import DataSplits
from googlenet.data.split import write_split
from googlenet.errors import UsageError
from googlenet.files import sweep_temporaries, write_atomic, write_json
from googlenet.training.loop import Job
from googlenet.training.plan import Plan
from googlenet.training.settings import SCHEMA, TrainSettings

RUNS = Path("runs/train")
LOCK = ".lock"
SHEET_IMAGES = 32
SHEET_COLUMNS = 8
# What a run writes before it can be resumed, and so may leave when it is killed that early.
EARLY_FILES = ("batch.json", "batch.png", "checkpoints", "env.json", "split.csv")


def choose(out: str | Path | None, name: str, *, overwrite: bool) -> Path:
    """Choose the directory of a new run, and change nothing yet.

    Args:
        out: Where; None for a new directory under ``runs/train``, named after the data.
        name: Of the data.
        overwrite: Whether an earlier run may be in it; any other content is refused.

    Raises:
        UsageError: The directory holds something, or cannot be read.
    """
    run = _unused(RUNS / name) if out is None else Path(out)
    with _refused_by_the_system(run):
        _held(run, overwrite=overwrite)
    return run


@contextlib.contextmanager
def claimed(run: Path, *, overwrite: bool) -> Iterator[None]:
    """Make the directory of a new run and hold it; an earlier run in it is removed first.

    Raises:
        UsageError: Another process has it, it holds something, or it cannot be made.
    """
    with _refused_by_the_system(run):
        run.mkdir(parents=True, exist_ok=True)
    with locked(run):
        with _refused_by_the_system(run):
            # Looked at again: another process may have run in it since it was chosen.
            # By args.json a run is known, so it goes last.
            held = _held(run, overwrite=overwrite)
            for path in sorted(held, key=lambda path: path.name == "args.json"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        yield


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run directory for one process; the system drops the lock of a killed one.

    Raises:
        UsageError: Another process trains in it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no flock; there the rule is on trust
        yield
        return
    with _refused_by_the_system(run):
        file = (run / LOCK).open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                "another process trains in this directory",
                run,
                "Wait for it, stop it, or choose another --out.",
            ) from error
        sweep_temporaries(run)
        yield


def describe(
    run: Path,
    data: object,
    splits: DataSplits,
    settings: TrainSettings,
    plan: Plan,
    policy: Preprocessing,
    spec: GoogLeNetSpec,
    notes: Sequence[str],
) -> None:
    """Write what the run is: ``split.csv``, ``env.json`` and, last, ``args.json``.

    A run can be resumed from the moment that ``args.json`` is there.
    """
    write_split(run / "split.csv", splits)
    write_json(run / "env.json", environment(plan))
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    write_json(
        run / "args.json",
        {
            "schema": SCHEMA,
            "data": str(data) if isinstance(data, str | Path) else None,
            "data_name": splits.name,
            "variant": spec.variant,
            "classes": list(splits.classes),
            "counts": {
                name: np.bincount(part.labels, minlength=len(splits.classes)).tolist()
                for name, part in parts.items()
                if part is not None
            },
            "notes": list(notes),
            "settings": settings.to_config(),
            "plan": plan.to_config(),
            "spec": spec.to_config(),
            "preprocessing": policy.to_config(),
        },
    )


def changed_environment(run: Path, plan: Plan) -> list[str]:
    """Say what a resumed run's bits depend on that is not as it was, a clause each."""
    try:
        before = _flat(json.loads((run / "env.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return ["what the run was started with is not known, since env.json cannot be read"]
    now = _flat(environment(plan))
    return [
        f"{name} was {before.get(name)} and is {now.get(name)}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def environment(plan: Plan) -> dict[str, Any]:
    """Tell what the run's bits depend on: versions, processor, threads and precision."""
    names = ("googlenet", "torch", "torchvision", "numpy", "pillow", "simplejpeg", "safetensors")
    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    capabilities = torch.cpu.get_capabilities()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": str(capabilities.get("cpu_name") or platform.machine()),
        "cores": os.cpu_count(),
        "threads": plan.threads,
        "workers": plan.workers,
        "precision": plan.precision,
        "versions": versions,
    }


def write_results(run: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``results.csv``, a row an epoch, with every digit; absent heads leave empty cells."""
    if not rows:
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(run / "results.csv", text.getvalue())


def draw_first_batch(job: Job, classes: Sequence[str]) -> None:
    """Write ``batch.png``, the first training batch as the network sees it, and its labels."""
    batch = next(
        training_loader(
            job.train,
            job.plan.recipe.augmentation,
            job.plan.input_size,
            batch_size=job.plan.recipe.batch_size,
            seed=job.seed,
            start_step=0,
            total_steps=1,
            workers=0,
            weights=job.sample_weights,
        )
    )
    pixels = batch.images[:SHEET_IMAGES].numpy()
    size, columns = job.plan.input_size, min(SHEET_COLUMNS, max(len(pixels), 1))
    rows = -(-len(pixels) // columns)
    sheet = np.full((rows * size, columns * size, 3), 255, np.uint8)
    for place, picture in enumerate(pixels):
        row, column = divmod(place, columns)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
    encoded = io.BytesIO()
    Image.fromarray(sheet).save(encoded, "PNG")
    write_atomic(job.run / "batch.png", encoded.getvalue())
    labels = [classes[label] for label in batch.labels[:SHEET_IMAGES].tolist()]
    write_json(job.run / "batch.json", {"size": size, "columns": columns, "labels": labels})


def _held(run: Path, *, overwrite: bool) -> list[Path]:
    """Return what is in a directory but its lock, where a new run may remove it.

    Raises:
        UsageError: It may not.
    """
    held = sorted(path for path in run.iterdir() if path.name != LOCK) if run.exists() else []
    early = all(path.name in EARLY_FILES or path.match(".*.tmp") for path in held)
    if not held or (early and (run / LOCK).exists()):
        return held  # killed before it began: nothing of it can be continued
    if not overwrite:
        raise UsageError(
            "the output directory is not empty",
            run,
            "Choose another --out, continue it with --resume, or replace it with --overwrite.",
        )
    if run / "args.json" not in held:
        raise UsageError(
            "the output directory holds what no run wrote: "
            f"{', '.join(path.name for path in held[:3])}",
            run,
            "Choose another --out; --overwrite replaces earlier runs only.",
        )
    return held


@contextlib.contextmanager
def _refused_by_the_system(run: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the output directory cannot be used: {error.strerror}", run, "Choose another --out."
        ) from error


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "versions": None, **document["versions"]}


def _unused(path: Path) -> Path:
    """Return the path, or the first of path-2, path-3, … that is not there yet."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
