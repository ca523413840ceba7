"""Mutations of what goes beside a weights file: means and labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from googlenet.errors import ModelError
from googlenet.weights.formats.caffe import read_mean
from googlenet.weights.formats.labels import read_labels
from tests import caffe_wire as wire
from tests.fuzz import Mutation, mutated, mutations

COUNT = 10_000


def mean_image(path: Path) -> None:
    values = np.arange(3 * 4 * 4, dtype=np.float32).reshape(1, 3, 4, 4)
    path.write_bytes(wire.blob(values, legacy=True))


def mean_array(path: Path) -> None:
    np.save(path, np.array([104.0, 117.0, 123.0], np.float32))


def label_lines(path: Path) -> None:
    path.write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\nKäfer\n", encoding="utf-8")


def label_json(path: Path) -> None:
    path.write_text(json.dumps({"id2label": {"0": "cat", "1": "dog", "2": "elk"}}))


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "mean.binaryproto": (mean_image, read_mean),
    "mean.npy": (mean_array, read_mean),
    "labels.txt": (label_lines, read_labels),
    "labels.json": (label_json, read_labels),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_only_our_errors_come_out(name: str, tmp_path: Path) -> None:
    make, read = KINDS[name]
    path = tmp_path / name
    make(path)
    original = path.read_bytes()
    read(path)
    refused = 0

    @settings(
        max_examples=COUNT,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations(len(original)))
    def run(chosen: list[Mutation]) -> None:
        nonlocal refused
        path.write_bytes(mutated(original, chosen))
        try:
            read(path)
        except ModelError:
            refused += 1

    run()
    assert refused > COUNT // 100
