"""Every tool's names lead to the same layers, parameters and activations."""

from __future__ import annotations

import pytest
import torch

from googlenet.architecture.dialect import LINEARS, UNITS
from googlenet.architecture.dialects import DIALECTS, find_endpoint, find_parameter
from googlenet.errors import UsageError
from googlenet.nn.googlenet import GoogLeNet

SAME = {
    "inception4a": (
        *("inception4a", "mixed4a", "inception_4a/output", "Mixed_4b", "inception_4a"),
        *("InceptionV1/InceptionV1/Mixed_4b/concat:0", "captum:mixed4a_relu", "mixed4a_relu"),
        *("inception_4a-output", "inception_4a/output_1", "torchvision:inception4a"),
    ),
    "inception5a.branch3.1": (
        *("mixed5a_5x5", "inception_5a/5x5", "Mixed_5b/Branch_2/Conv2d_0a_3x3"),
        *("inception_5a/5x5_2", "inception_5a-5x5"),
    ),
    "maxpool1": ("maxpool0", "pool1/3x3_s2", "MaxPool_2a_3x3", "captum:pool1"),
    "maxpool2": ("inception5h:maxpool1", "pool2/3x3_s2", "MaxPool_3a_3x3"),
    "norm1": ("localresponsenorm0", "pool1/norm1", "chainer:pool1"),
    "logits": ("logits", "softmax2_pre_activation", "loss3/classifier", "Logits", "loss3_fc"),
    "aux1": ("softmax0_pre_activation", "loss1/classifier", "loss1_fc2"),
    "aux2.relu": ("nn1", "loss2/fc"),
}


@pytest.mark.parametrize("ours", SAME)
def test_names_of_one_activation(ours: str) -> None:
    for name in SAME[ours]:
        assert find_endpoint(name) == ours, name


def test_names_of_one_parameter() -> None:
    for name in (
        *("inception4a.branch2.1.conv.weight", "inception_4a/3x3:0", "inception_4a/3x3_w_0"),
        *("Mixed_4b/Branch_1/Conv2d_0b_3x3/weights", "mixed4a_3x3_w", "mixed4a.conv_3x3.weight"),
        *("mixed4a_3x3_pre_relu_conv.weight", "inc4a/conv3/W", "inception_4a_3x3.weight"),
        *("conv_in4a_3x3_weight", "inception4a.1.1.0.weight", "inception_4a/3x3/kernel"),
    ):
        assert find_parameter(name) == "inception4a.branch2.1.conv.weight", name


def test_a_name_that_means_several_things_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="means different things") as caught:
        find_endpoint("pool1")
    assert "captum:pool1 (maxpool1)" in str(caught.value.fix)
    assert "chainer:pool1 (norm1)" in str(caught.value.fix)


def test_our_own_names_come_first() -> None:
    assert find_endpoint("maxpool1") == "maxpool1"
    assert find_endpoint("inception5h:maxpool1") == "maxpool2"


@pytest.mark.parametrize("name", ["mixed9a", "", "caffe:", "caffe:mixed4a", "loss3"])
def test_unknown_names_are_none(name: str) -> None:
    assert find_endpoint(name) is None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_a_dialect_names_each_thing_once(dialect) -> None:  # type: ignore[no-untyped-def]
    assert len(set(dialect.layers.values())) == len(dialect.layers)
    assert len(dialect.endpoints) == len(dialect.activations)
    heads = {name for name in (*UNITS, *LINEARS) if name.startswith("aux")}
    assert set(dialect.layers) in ({*UNITS, *LINEARS}, {*UNITS, *LINEARS} - heads)


@pytest.fixture(scope="module")
def network() -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(10, variant="inception5h").eval()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_every_activation_of_a_dialect_is_the_networks(dialect, network: GoogLeNet) -> None:  # type: ignore[no-untyped-def]
    bare = {f"{dialect.name}:{name}" for name in dialect.endpoints}
    with torch.inference_mode():
        theirs = network.endpoints(torch.zeros(1, 3, 224, 224), bare)
        ours = network.endpoints(torch.zeros(1, 3, 224, 224), set(dialect.activations))
    for name, our_name in dialect.endpoints.items():
        assert torch.equal(theirs[f"{dialect.name}:{name}"], ours[our_name]), name


def test_parameters_are_reached_by_any_name(network: GoogLeNet) -> None:
    weight = network.inception4a.branch2[1].conv.weight
    for name in ("mixed4a_3x3_w", "inception_4a/3x3:0", "inception4a.branch2.1.conv.weight"):
        assert network.get_parameter(name) is weight
    with pytest.raises(AttributeError):
        network.get_parameter("mixed9a_w")
