"""A graph of the inception5h's operations, run by TensorFlow and read by us, agrees; heads too."""

from __future__ import annotations

from pathlib import Path

from googlenet.architecture.variants import variant
from googlenet.weights.formats.graphdef import read

from . import goldens
from .conftest import Agree


def test_every_endpoint_is_tensorflows(tmp_path: Path, agree: Agree) -> None:
    found = goldens.recognized(read(goldens.unpacked("inception5h.pb", tmp_path)))
    assert found.spec == variant("inception5h")
    # TensorFlow's own normalization has float32 alone, so it was run in that.
    differences = goldens.largest_difference(
        goldens.network(found), "inception5h_224", "inception5h", 224, 60.0, 1e-4
    )
    assert len(differences) == 152
    agree("inception5h with heads <-> a GraphDef on TensorFlow", "float32", differences, 1e-4)
