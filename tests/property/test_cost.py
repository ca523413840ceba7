"""`architecture.cost` agrees with torch on every variant and on random networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from googlenet.architecture import cost
from googlenet.architecture.spec import (
    MODULES,
    AuxHeads,
    BatchNorm,
    GoogLeNetSpec,
    InceptionWidths,
    LocalResponseNorm,
)
from googlenet.architecture.variants import VARIANTS
from googlenet.errors import InputSizeError
from googlenet.nn.googlenet import GoogLeNet

widths = st.builds(InceptionWidths, *[st.integers(1, 9)] * 6)

specs = st.builds(
    GoogLeNetSpec,
    variant=st.just("random"),
    stem=st.tuples(*[st.integers(1, 9)] * 3),
    stem_padding=st.sampled_from(["symmetric", "same"]),
    inception=st.tuples(*[widths] * 9).map(lambda rows: dict(zip(MODULES, rows, strict=True))),
    kernel_5x5=st.sampled_from([3, 5]),
    last_pool_kernel=st.sampled_from([2, 3]),
    pool_rounding=st.sampled_from(["ceil", "same", "floor", "end"]),
    batch_norm=st.none() | st.builds(BatchNorm, gamma=st.booleans()),
    local_response_norm=st.none() | st.just(LocalResponseNorm(size=3, divide_alpha=False)),
    aux=st.none()
    | st.builds(
        AuxHeads,
        conv_channels=st.integers(1, 5),
        hidden=st.integers(1, 9),
        pooling=st.just("adaptive"),
    ),
    num_classes=st.integers(1, 12),
)


def torch_multiply_adds(network: GoogLeNet, height: int, width: int, *, heads: bool) -> int:
    network.train(heads)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(2, 3, height, width))
    return counter.get_total_flops() // 2 // 2  # two operations each, two images


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("heads", [True, False])
def test_variants(name: str, heads: bool) -> None:
    spec = VARIANTS[name].with_options(aux_logits=heads)
    network = GoogLeNet.from_spec(spec)
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert cost.parameters(spec, heads=heads) == counted
    assert cost.multiply_adds(spec, heads=heads) == torch_multiply_adds(
        network, 224, 224, heads=heads
    )


@settings(max_examples=30, deadline=None)
@given(spec=specs, height=st.integers(64, 130), width=st.integers(64, 130))
def test_random_specs(spec: GoogLeNetSpec, height: int, width: int) -> None:
    heads = spec.aux is not None
    network = GoogLeNet.from_spec(spec)
    assert cost.parameters(spec) == sum(each.numel() for each in network.parameters())
    expected = torch_multiply_adds(network, height, width, heads=heads)
    assert cost.multiply_adds(spec, (height, width), heads=heads) == expected

    layers = {layer.name: layer for layer in cost.layers(spec, (height, width))}
    endpoints = network.eval().endpoints(torch.zeros(1, 3, height, width), layers)
    for name, activation in endpoints.items():
        layer = layers[name]
        shape = (1, layer.out_channels, layer.out_height, layer.out_width)
        assert tuple(activation.shape) in (shape, shape[:2]), name

    for block in {layer.block for layer in layers.values()}:
        module = network.get_submodule(block)
        own = sum(layer.parameters for layer in layers.values() if layer.block == block)
        assert own == sum(each.numel() for each in module.parameters()), block


@settings(max_examples=15, deadline=None)
@given(spec=specs)
def test_the_smallest_input_works_and_one_less_does_not(spec: GoogLeNetSpec) -> None:
    least = cost.smallest_input(spec)
    network = GoogLeNet.from_spec(spec).eval()
    assert network(torch.zeros(1, 3, least, least)).shape == (1, spec.num_classes)
    if least == 1:  # SAME pools leave something of anything
        return
    with pytest.raises(InputSizeError, match=f"at least {least}x{least}"):
        network(torch.zeros(1, 3, least - 1, least + 9))
    with pytest.raises(InputSizeError, match=f"at least {least}x{least}"):
        cost.layers(spec, (least + 9, least - 1))
    network.smallest_input = 1  # without our check, torch itself finds nothing left to compute on
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, least - 1, least - 1))


@pytest.mark.parametrize("name", VARIANTS)
def test_receptive_fields_are_where_gradients_reach(name: str) -> None:
    """The gradient of one value, with every weight positive, is nonzero on its receptive field."""
    spec = replace(
        VARIANTS[name].with_options(num_classes=2, aux_logits=False),
        batch_norm=None,
        local_response_norm=None,
    )
    network = GoogLeNet.from_spec(spec).eval().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.01)
    size = 224
    layers = {layer.name: layer for layer in cost.layers(spec, size)}
    for endpoint in ("conv1", "conv3", "inception3a", "inception3b", "inception4a"):
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(1, 3, size, size, generator=generator, dtype=torch.float64)
        images.requires_grad_()
        activation = network.endpoints(images, [endpoint])[endpoint]
        middle = activation.shape[-1] // 2
        # Max pools pass the gradient to one value; a soft sum over channels does not widen it, so
        # the reach is bounded by the receptive field, and meets it up to the pools' choices.
        (gradient,) = torch.autograd.grad(activation[0, :, middle, middle].sum(), images)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        reach = int(rows.max() - rows.min()) + 1
        field = layers[endpoint].receptive_field
        assert reach <= field
        assert reach > field * 0.7, (endpoint, reach, field)
