"""Chainer's own GoogLeNet, saved by Chainer and read by us, computes the same; heads too."""

from __future__ import annotations

from pathlib import Path

from googlenet.architecture.variants import variant
from googlenet.weights.formats.chainer_npz import read

from . import goldens
from .conftest import Agree


def test_every_endpoint_is_chainers(tmp_path: Path, agree: Agree) -> None:
    found = goldens.recognized(read(goldens.unpacked("chainer.npz", tmp_path)))
    assert found.spec == variant("caffe")
    differences = goldens.largest_difference(
        goldens.network(found), "chainer_224", "chainer", 224, 60.0, 1e-5
    )
    assert len(differences) == 74
    agree("caffe with heads <-> Chainer's GoogLeNet, from its .npz", "float64", differences, 1e-5)
