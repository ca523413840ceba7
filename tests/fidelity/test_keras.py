"""A Keras port of Caffe's network, saved by Keras and read by us, computes the same; heads too."""

from __future__ import annotations

from pathlib import Path

from googlenet.architecture.variants import variant
from googlenet.weights.formats.keras_h5 import read

from . import goldens


def test_every_endpoint_is_keras(tmp_path: Path) -> None:
    found = goldens.recognized(read(goldens.unpacked("keras.h5", tmp_path)))
    assert found.spec == variant("caffe").with_options(num_classes=40)
    differences = goldens.largest_difference(
        goldens.network(found), "keras_224", "keras", 224, 60.0, 1e-5
    )
    assert len(differences) == 91
    print(f"keras: {max(differences.values()):.1e}")
