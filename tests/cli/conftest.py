"""A Caffe network on a desk, for the command to work on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from googlenet.weights.model_directory import save_model
from tests.cli.command import googlenet
from tests.narrow import narrow_network, narrow_spec

SIZE = 64
LABELS = ("cab", "dog", "elk")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Caffe network with its labels, and what OpenCV computes with it."""
    root = tmp_path_factory.mktemp("desk")
    spec = replace(narrow_spec(name="caffe"), aux=None)
    save_model(root / "model", narrow_network(spec), classes=LABELS)
    done = googlenet("convert", root / "model", "--to", "caffemodel", "-o", root / "x.caffemodel")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(root / f"x{suffix}") for suffix in (".caffemodel", ".prototxt", ".labels.txt")
    ]
    reader = cv2.dnn.readNetFromCaffe(str(root / "x.prototxt"), str(root / "x.caffemodel"))
    images = np.random.default_rng(1).normal(0, 60, (2, 3, SIZE, SIZE)).astype(np.float32)
    reader.setInput(images)
    names = ["conv2/norm2", "inception_4a/output", "loss3/classifier", "prob"]
    outputs = dict(zip(names, reader.forward(names), strict=True))
    reference = {name: np.array(array) for name, array in outputs.items()}
    np.savez(root / "outputs.npz", **{"input": images, **reference})
    wrong = {**reference, "inception_4a/output": reference["inception_4a/output"][:, ::-1]}
    np.savez(root / "wrong.npz", **{"input": images, **wrong})
    return root
