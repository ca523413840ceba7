"""A small model and small photographs, real ones, for the command to work on."""

from __future__ import annotations

import os

# Threads that spin while they wait bring a machine to a crawl on which several processes compute.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("leaf", "sky")
COLOURS = {"leaf": (40, 160, 60), "sky": (90, 140, 230)}


def photograph(path: Path, name: str, seed: int, size: int = 48) -> None:
    """Write a noisy picture in the colour of its class."""
    noise = np.random.default_rng(seed).integers(-30, 31, (size, size, 3))
    pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photographs(root: Path, count: int = 12) -> Path:
    """Write a folder of classes."""
    for name in CLASSES:
        for number in range(count):
            photograph(root / name / f"{number:02}.jpg", name, seed=number)
    return root


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes with twelve photographs each; not to be written to."""
    return photographs(tmp_path_factory.mktemp("folder") / "photos")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory of two classes with narrow, untrained layers; not to be written to."""
    import torch

    from googlenet.architecture.spec import InceptionWidths
    from googlenet.architecture.variants import variant
    from googlenet.nn.googlenet import GoogLeNet
    from googlenet.weights.model_directory import save_model

    spec = variant("bn")
    narrow = replace(
        spec,
        stem=(8, 8, 16),
        inception={name: InceptionWidths(4, 4, 8, 2, 4, 4) for name in spec.inception},
        aux=None,
        num_classes=2,
        preprocessing=replace(spec.preprocessing, size=64),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GoogLeNet.from_spec(narrow)
    path = tmp_path_factory.mktemp("model") / "narrow"
    save_model(path, network, classes=CLASSES, metadata={"weights": "raw"})
    return path
