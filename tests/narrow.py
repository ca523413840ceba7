"""Networks with narrow layers: real ones, and quick."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from googlenet.architecture.spec import AuxHeads, GoogLeNetSpec, InceptionWidths
from googlenet.architecture.variants import variant
from googlenet.nn.googlenet import GoogLeNet


def narrow_spec(num_classes: int = 3, *, aux: bool = True, name: str = "bn") -> GoogLeNetSpec:
    """A variant with narrow layers, for images of 64 pixels."""
    spec = variant(name)
    return replace(
        spec,
        stem=(8, 8, 16),
        inception={module: InceptionWidths(4, 4, 8, 2, 4, 4) for module in spec.inception},
        aux=AuxHeads(pooling="adaptive", conv_channels=4, hidden=8) if aux else None,
        num_classes=num_classes,
        preprocessing=replace(spec.preprocessing, size=64),
    )


def narrow_network(spec: GoogLeNetSpec | None = None, seed: int = 0) -> GoogLeNet:
    """A network whose statistics and logits differ from channel to channel, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GoogLeNet.from_spec(spec or narrow_spec())
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.2)
                module.running_var.uniform_(0.5, 2.0)
        nn.init.normal_(network.fc.weight, 0.0, 1.0)
        nn.init.normal_(network.fc.bias, 0.0, 0.5)
    return network.eval()
