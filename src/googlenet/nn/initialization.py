"""Draw fresh weights as a spec's initialization says."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from googlenet.architecture.spec import Initialization

# A normal cut at two standard deviations has 0.8796 of the deviation it was cut from.
TRUNCATED_SHARE = 0.87962566103423978


@torch.no_grad()
def initialize(module: nn.Module, initialization: Initialization, *, classifier: bool) -> None:
    """Draw the weights of one convolution, linear or batch-norm layer in place.

    Args:
        module: The layer; layers without parameters are left alone.
        initialization: How to draw.
        classifier: Whether the layer gives logits.

    Source: BVLC/caffe include/caffe/filler.hpp and models/bvlc_googlenet/train_val.prototxt;
    pytorch/vision torchvision/models/googlenet.py; tensorflow/models slim/nets/inception_utils.py.
    """
    if isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()
        if module.weight is not None:
            module.weight.fill_(1.0)
        module.bias.zero_()
    elif isinstance(module, nn.Conv2d):
        _draw(module.weight, initialization)
        if module.bias is not None:
            module.bias.fill_(initialization.conv_bias)
    elif isinstance(module, nn.Linear):
        if classifier and initialization.classifier_he:
            std = math.sqrt(2.0 / module.in_features) / TRUNCATED_SHARE
            nn.init.trunc_normal_(module.weight, 0.0, std, -2 * std, 2 * std)
        else:
            _draw(module.weight, initialization)
        constant = initialization.classifier_bias if classifier else initialization.hidden_bias
        if constant is None:
            bound = 1.0 / math.sqrt(module.in_features)
            module.bias.uniform_(-bound, bound)
        else:
            module.bias.fill_(constant)


def _draw(weight: Tensor, initialization: Initialization) -> None:
    std = initialization.std
    if initialization.weights == "uniform_fan_in":
        fan_in = weight[0].numel()
        bound = math.sqrt(3.0 / fan_in)
        weight.uniform_(-bound, bound)
    elif initialization.weights == "normal":
        weight.normal_(0.0, std)
    else:
        nn.init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std)
