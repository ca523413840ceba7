"""Fresh weights follow each variant's source: bounds, variances and biases, for any class count."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from googlenet.architecture.spec import Initialization
from googlenet.architecture.variants import VARIANTS
from googlenet.nn.googlenet import GoogLeNet


def fan_in(module: nn.Module) -> int:
    return int(module.weight[0].numel())


def learned(network: GoogLeNet, kind: type[nn.Module]) -> dict[str, nn.Module]:
    return {name: each for name, each in network.named_modules() if isinstance(each, kind)}


CLASSIFIERS = ("fc", "aux1.fc2", "aux2.fc2")


@pytest.mark.parametrize("num_classes", [1000, 7])
@pytest.mark.parametrize("name", ["bn", "paper", "caffe"])
def test_caffes_uniform(name: str, num_classes: int) -> None:
    torch.manual_seed(0)
    network = GoogLeNet(num_classes, variant=name)
    layers = learned(network, nn.Conv2d) | learned(network, nn.Linear)
    assert len(layers) == 57 + 2 + 5  # the main path, the heads' convolutions, the linear layers
    for path, layer in layers.items():
        bound = math.sqrt(3 / fan_in(layer))
        assert layer.weight.abs().max() <= bound, path
        if layer.weight.numel() > 2000:
            # A uniform distribution of this bound has the variance 1 / fan_in.
            assert layer.weight.var().item() == pytest.approx(1 / fan_in(layer), rel=0.15), path
            assert layer.weight.abs().max() > 0.95 * bound, path
    for path, layer in layers.items():
        if layer.bias is None:
            assert name == "bn" and isinstance(layer, nn.Conv2d), path
            continue
        expected = 0.0 if path in CLASSIFIERS else 0.2
        assert torch.equal(layer.bias, torch.full_like(layer.bias, expected)), path


def test_batch_norm_starts_as_the_identity() -> None:
    for path, norm in learned(GoogLeNet(3, variant="bn"), nn.BatchNorm2d).items():
        assert torch.equal(norm.weight, torch.ones_like(norm.weight)), path
        assert torch.equal(norm.bias, torch.zeros_like(norm.bias)), path
        assert (norm.eps, norm.momentum) == (1e-3, 0.1), path


@pytest.mark.parametrize("num_classes", [1000, 5])
def test_torchvisions_normal(num_classes: int) -> None:
    torch.manual_seed(0)
    network = GoogLeNet(num_classes, variant="torchvision")
    for path, layer in (learned(network, nn.Conv2d) | learned(network, nn.Linear)).items():
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1), path
        if layer.weight.numel() > 10000:  # nothing is cut off at two deviations
            assert layer.weight.abs().max() > 0.03, path
    for path, layer in learned(network, nn.Linear).items():
        bound = 1 / math.sqrt(layer.in_features)
        assert 0.1 * bound < layer.bias.abs().max() <= bound, path


def test_slims_truncated_normal_and_he_for_the_logits() -> None:
    torch.manual_seed(0)
    slim = Initialization(
        weights="truncated_normal",
        std=0.01,
        classifier_he=True,
        conv_bias=0.0,
        hidden_bias=0.0,
        classifier_bias=0.0,
    )
    network = GoogLeNet.from_spec(replace(VARIANTS["torchvision"], initialization=slim))
    for path, layer in (learned(network, nn.Conv2d) | learned(network, nn.Linear)).items():
        if path in CLASSIFIERS:
            he = math.sqrt(2 / fan_in(layer))
            assert layer.weight.std().item() == pytest.approx(he, rel=0.02), path
        else:
            assert layer.weight.abs().max() <= 0.02, path
            assert layer.weight.std().item() == pytest.approx(0.0088, rel=0.1), path


@pytest.mark.parametrize("name", VARIANTS)
def test_reset_classifier_draws_all_three_afresh(name: str) -> None:
    torch.manual_seed(0)
    network = GoogLeNet(11, variant=name)
    body = {path: value.clone() for path, value in network.state_dict().items()}
    network.reset_classifier(4)
    assert network.spec.num_classes == 4
    drawn = VARIANTS[name].initialization
    for path in CLASSIFIERS if VARIANTS[name].aux is not None else ("fc",):
        layer = network.get_submodule(path)
        assert layer.weight.shape[0] == layer.bias.shape[0] == 4
        if drawn.classifier_bias == 0:
            assert not layer.bias.any()
        if drawn.weights == "uniform_fan_in":
            assert layer.weight.abs().max() <= math.sqrt(3 / layer.in_features)
    for path, value in network.state_dict().items():
        if not path.startswith(CLASSIFIERS):
            assert torch.equal(value, body[path]), path
