"""What is no GoogLeNet, or not a whole one, is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from googlenet.architecture.variants import variant
from googlenet.errors import ModelError
from googlenet.weights.recognize import recognize
from tests.spoken import file_of, spoken


def alexnet() -> dict[str, np.ndarray]:
    shapes = {
        "conv1:0": (96, 3, 11, 11),
        "conv1:1": (96,),
        "conv2:0": (256, 48, 5, 5),
        "conv2:1": (256,),
        "conv3:0": (384, 256, 3, 3),
        "fc8:0": (1000, 4096),
    }
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


BAD: dict[str, tuple[Mapping[str, Any], str]] = {
    "another network": (
        alexnet(),
        r"not of a GoogLeNet: its arrays begin with conv1:0 \(96, 3, 11, 11",
    ),
    "nothing": ({}, "it has no arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_another_network_is_refused(case: str) -> None:
    arrays, message = BAD[case]
    with pytest.raises(ModelError, match=message) as caught:
        recognize(file_of(arrays))
    assert caught.value.where == "x.bin"
    assert caught.value.fix


@pytest.mark.parametrize("layer", ["conv2/3x3:0", "inception_4e/5x5:0", "loss3/classifier:0"])
def test_a_missing_array_is_named(layer: str) -> None:
    arrays = spoken(replace(variant("caffe"), aux=None), "caffe")
    del arrays[layer]
    with pytest.raises(ModelError, match=r"lacks") as caught:
        recognize(file_of(arrays))
    if "classifier" not in layer:
        assert layer in caught.value.what


def test_missing_running_statistics_are_named() -> None:
    arrays = spoken(variant("slim"), "slim")
    del arrays["Mixed_4b/Branch_0/Conv2d_0a_1x1/BatchNorm/moving_variance"]
    with pytest.raises(ModelError, match="Mixed_4b/Branch_0/Conv2d_0a_1x1/BatchNorm/moving_var"):
        recognize(file_of(arrays))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("inception_4e/3x3:0", (320, 99, 3, 3)),
        ("inception_4e/3x3:0", (320, 160, 3)),
        ("inception_4e/3x3:1", (319,)),
        ("inception_3a/5x5:0", (32, 16, 4, 4)),
        ("loss3/classifier:0", (1000, 1000)),
        ("loss1/fc:0", (1024, 1152)),
    ],
)
def test_a_wrong_shape_is_named(name: str, shape: tuple[int, ...]) -> None:
    arrays = spoken(variant("caffe"), "caffe") | {name: np.ones(shape, np.float32)}
    with pytest.raises(ModelError, match="shape") as caught:
        recognize(file_of(arrays))
    assert name in caught.value.what
    assert str(shape) in caught.value.what


def test_values_that_are_not_finite_and_integers_are_refused() -> None:
    arrays = spoken(variant("caffe"), "caffe")
    broken = arrays | {"conv2/3x3:1": np.full(192, np.nan, np.float32)}
    with pytest.raises(ModelError, match="conv2/3x3:1 that are not finite"):
        recognize(file_of(broken))
    quantized = arrays | {"conv2/3x3:0": np.zeros((192, 64, 3, 3), np.int8)}
    with pytest.raises(ModelError, match="as int8"):
        recognize(file_of(quantized))


def test_a_variant_that_the_shapes_contradict_is_refused() -> None:
    with pytest.raises(ModelError, match="not of the variant slim"):
        recognize(file_of(spoken(variant("caffe"), "caffe")), lineage="slim")
