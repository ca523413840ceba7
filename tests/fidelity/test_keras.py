"""A Keras port of Caffe's network, saved by Keras and read by us, computes the same; heads too."""

from __future__ import annotations

from pathlib import Path

from googlenet.architecture.variants import variant
from googlenet.weights.formats.keras_h5 import read

from . import goldens
from .conftest import Agree


def test_every_endpoint_is_keras(tmp_path: Path, agree: Agree) -> None:
    found = goldens.recognized(read(goldens.unpacked("keras.h5", tmp_path)))
    assert found.spec == variant("caffe").with_options(num_classes=40)
    differences = goldens.largest_difference(
        goldens.network(found), "keras_224", "keras", 224, 60.0, 1e-5
    )
    assert len(differences) == 91
    agree("caffe with heads <-> a port on Keras, from its .h5", "float64", differences, 1e-5)
