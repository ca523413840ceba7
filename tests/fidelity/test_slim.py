"""TF-slim's checkpoints, saved by TensorFlow and read by us, compute what TF-slim computes."""

from __future__ import annotations

import pytest

from googlenet.architecture.variants import variant
from googlenet.nn.googlenet import GoogLeNet
from googlenet.weights.formats.tensorflow_checkpoint import read

from . import goldens
from .conftest import Agree


@pytest.fixture(scope="module", params=["slim_v1.ckpt", "slim_v2.ckpt"])
def slim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GoogLeNet:
    directory = tmp_path_factory.mktemp("slim")
    names = [request.param]
    if request.param == "slim_v2.ckpt":
        names = [f"{request.param}.{part}" for part in ("index", "data-00000-of-00001")]
    for name in names:
        goldens.unpacked(name, directory)
    found = goldens.recognized(read(directory / request.param))
    assert found.spec == variant("slim")
    return goldens.network(found)


# 231 is odd at every pool, where SAME and Caffe's rounding up go apart.
@pytest.mark.parametrize("size", [224, 231])
def test_every_endpoint_is_tf_slims(slim: GoogLeNet, size: int, agree: Agree) -> None:
    differences = goldens.largest_difference(slim, f"slim_{size}", "slim", size, 0.5, 1e-5)
    assert len(differences) == 80
    agree(
        f"slim, at {size} <-> tf-slim on TensorFlow, from its checkpoint",
        "float64",
        differences,
        1e-5,
    )
