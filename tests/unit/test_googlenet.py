"""The module's contract: counts, shapes, outputs, endpoints, sizes and the loss."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from googlenet.architecture import cost
from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import AuxHeads, LocalResponseNorm
from googlenet.architecture.variants import VARIANTS, variant
from googlenet.errors import InputSizeError, UsageError
from googlenet.nn.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from googlenet.nn.layers import LRN
from googlenet.nn.loss import GoogLeNetLoss
from googlenet.nn.normalize import Normalize

# Channels and side of each endpoint for an input of 224, from the paper's Table 1.
SHAPES_AT_224 = {
    "conv1": (64, 112),
    "maxpool1": (64, 56),
    "conv2": (64, 56),
    "conv3": (192, 56),
    "maxpool2": (192, 28),
    "inception3a": (256, 28),
    "inception3b": (480, 28),
    "maxpool3": (480, 14),
    "inception4a": (512, 14),
    "inception4b": (512, 14),
    "inception4c": (512, 14),
    "inception4d": (528, 14),
    "inception4e": (832, 14),
    "maxpool4": (832, 7),
    "inception5a": (832, 7),
    "inception5b": (1024, 7),
    "avgpool": (1024, 1),
}


@pytest.mark.parametrize(
    ("name", "with_heads", "without"),
    [
        ("bn", 13_385_816, 7_005_832),
        ("paper", 13_378_280, 6_998_552),
        ("caffe", 13_378_280, 6_998_552),
        ("torchvision", 13_004_888, 6_624_904),
    ],
)
def test_published_parameter_counts(name: str, with_heads: int, without: int) -> None:
    def count(network: GoogLeNet) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert count(GoogLeNet(variant=name)) == with_heads
    assert count(GoogLeNet(aux_logits=False, variant=name)) == without


def test_the_factory_is_the_tutorials_network() -> None:
    network = googlenet()
    assert network.spec == VARIANTS["bn"]
    assert (network.dropout.p, network.aux1.dropout.p, network.aux2.dropout.p) == (0.4, 0.7, 0.7)
    positional = GoogLeNet(10, True, 0.1, 0.2)
    assert (positional.dropout.p, positional.aux1.dropout.p) == (0.1, 0.2)


@pytest.mark.parametrize("name", VARIANTS)
def test_endpoint_shapes_at_224(name: str) -> None:
    network = GoogLeNet(10, variant=name).eval()
    with torch.inference_mode():
        endpoints = network.endpoints(torch.zeros(2, 3, 224, 224), [*SHAPES_AT_224, "logits"])
    floor = {56: 55, 28: 27, 14: 13, 7: 6} if name == "onnx-inception-v1" else {}
    for endpoint, (channels, side) in SHAPES_AT_224.items():
        if endpoint.startswith("inception"):
            channels = network.spec.inception[endpoint.removeprefix("inception")].out_channels
        side = floor.get(side, side)
        assert endpoints[endpoint].shape == (2, channels, side, side), endpoint
    assert endpoints["logits"].shape == (2, 10)


@pytest.mark.parametrize("name", VARIANTS)
def test_outputs_by_mode(name: str) -> None:
    network = GoogLeNet(5, variant=name)
    images = torch.randn(2, 3, 224, 224)
    outputs = network.train()(images)
    if VARIANTS[name].aux is None:
        assert outputs.shape == (2, 5)
    else:
        assert isinstance(outputs, GoogLeNetOutputs)
        assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
        assert [each.shape for each in outputs] == [(2, 5)] * 3
    assert network.eval()(images).shape == (2, 5)
    assert GoogLeNet(5, aux_logits=False, variant=name).train()(images).shape == (2, 5)


def test_aux1_reads_4a_and_aux2_reads_4d() -> None:
    network = GoogLeNet(3, dropout_aux=0.0).eval()
    images = torch.randn(2, 3, 96, 96)
    seen = network.endpoints(images, ["inception4a", "inception4d", "aux1", "aux2"])
    assert torch.equal(seen["aux1"], network.aux1(seen["inception4a"]))
    assert torch.equal(seen["aux2"], network.aux2(seen["inception4d"]))


def test_without_heads_there_are_none() -> None:
    network = GoogLeNet(3, aux_logits=False)
    assert network.aux1 is None and network.aux2 is None
    assert not [name for name in network.state_dict() if name.startswith("aux")]


def test_a_variant_without_heads_has_none_by_default() -> None:
    headless = replace(variant("bn"), aux=None)
    assert GoogLeNet.from_spec(headless.with_options(num_classes=3, aux_logits=True)).aux1 is None


@pytest.mark.parametrize("size", [(31, 31), (224, 224), (299, 97), (320, 320)])
def test_any_input_that_is_large_enough(size: tuple[int, int]) -> None:
    assert GoogLeNet(4).eval()(torch.zeros(1, 3, *size)).shape == (1, 4)


def test_an_input_too_small_says_the_smallest() -> None:
    with pytest.raises(InputSizeError, match="at least 31x31") as caught:
        GoogLeNet(4).eval()(torch.zeros(1, 3, 30, 224))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["paper", "caffe"])
def test_fixed_heads_train_near_224_only(name: str) -> None:
    network = GoogLeNet(4, variant=name)
    fits = [size for size in range(150, 300) if cost.heads_fit(network.spec, size, size)]
    assert 224 in fits
    for size in (fits[0], fits[-1]):
        network.train()(torch.zeros(1, 3, size, size))
    for size in (fits[0] - 1, fits[-1] + 1):
        with pytest.raises(InputSizeError, match="adaptive") as caught:
            network.train()(torch.zeros(1, 3, size, size))
        assert "without heads" in str(caught.value)
    assert network.eval()(torch.zeros(1, 3, 300, 300)).shape == (1, 4)
    with pytest.raises(InputSizeError, match="adaptive"):
        network.endpoints(torch.zeros(1, 3, 300, 300), ["aux1"])


def test_the_two_poolings_of_the_heads_differ_at_224() -> None:
    caffe = variant("caffe").with_options(num_classes=2)
    average = GoogLeNet.from_spec(caffe).aux1.pool
    adaptive = GoogLeNet.from_spec(replace(caffe, aux=AuxHeads(pooling="adaptive"))).aux1.pool
    maps = torch.rand(1, 512, 14, 14)
    assert average(maps).shape == adaptive(maps).shape == (1, 512, 4, 4)
    assert torch.allclose(average(maps)[0, 0, 0, 0], maps[0, 0, :5, :5].mean())
    assert torch.allclose(adaptive(maps)[0, 0, 0, 0], maps[0, 0, :4, :4].mean())


def test_endpoints_keep_the_graph_and_leave_no_hook() -> None:
    network = GoogLeNet(3, aux_logits=False).eval()
    images = torch.randn(1, 3, 64, 64)
    seen = network.endpoints(images, ["inception3a.branch1.bn", "inception3a.branch1", "logits"])
    assert list(seen) == ["inception3a.branch1.bn", "inception3a.branch1", "logits"]
    before, after = seen["inception3a.branch1.bn"], seen["inception3a.branch1"]
    assert before.min() < 0  # not overwritten by the rectifier that works in place
    assert torch.equal(after, before.relu())
    (gradient,) = torch.autograd.grad(seen["logits"][0, 0], before)
    assert gradient.abs().sum() > 0
    assert torch.equal(seen["logits"], network(images))
    with pytest.raises(UsageError, match="no endpoint 'mixed9z'"):
        network.endpoints(images, ["mixed9z"])
    with pytest.raises(InputSizeError):
        network.endpoints(torch.zeros(1, 3, 8, 8), ["conv1"])
    assert all(not module._forward_hooks for module in network.modules())


def test_endpoints_in_several_threads_do_not_mix() -> None:
    network = GoogLeNet(3, aux_logits=False).eval()
    inputs = [torch.full((1, 3, 64, 64), float(value)) for value in range(4)]
    expected = [network.endpoints(each, ["inception3a"])["inception3a"] for each in inputs]
    found: dict[int, torch.Tensor] = {}

    def work(place: int) -> None:
        for _ in range(5):
            found[place] = network.endpoints(inputs[place], ["inception3a"])["inception3a"]
            assert torch.equal(found[place], expected[place])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[place], expected[place]) for place in range(4))


@pytest.mark.parametrize("divide", [True, False])
def test_lrn_against_plain_numpy(divide: bool) -> None:
    norm = LocalResponseNorm(size=5, alpha=0.02, beta=0.75, k=1.5, divide_alpha=divide)
    values = np.random.default_rng(0).normal(0, 3, (2, 9, 4, 3))
    expected = np.empty_like(values)
    for channel in range(9):
        window = values[:, max(channel - 2, 0) : channel + 3]
        squares = (window**2).sum(1) * norm.alpha / (norm.size if divide else 1)
        expected[:, channel] = values[:, channel] / (norm.k + squares) ** norm.beta
    found = LRN(norm)(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_loss_weighs_the_heads_by_three_tenths() -> None:
    labels = torch.tensor([0, 2, 1])
    logits = [torch.randn(3, 4) for _ in range(3)]
    each = [F.cross_entropy(value, labels) for value in logits]
    loss = GoogLeNetLoss()
    assert loss.weights == (1.0, 0.3, 0.3)
    total = loss(GoogLeNetOutputs(*logits), labels)
    torch.testing.assert_close(total, each[0] + 0.3 * each[1] + 0.3 * each[2])
    torch.testing.assert_close(loss(logits[0], labels), each[0])


def test_the_loss_smooths_and_balances() -> None:
    labels = torch.tensor([0, 1])
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    weights = torch.tensor([1.0, 3.0])
    expected = F.cross_entropy(logits, labels, weight=weights, label_smoothing=0.1)
    torch.testing.assert_close(GoogLeNetLoss(0.3, 0.1, weights)(logits, labels), expected)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_normalize_against_plain_numpy(order: str) -> None:
    policy = Preprocessing(
        channel_order=order, scale=0.5, mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0)
    )
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    expected = pixels.astype(np.float64)[..., :: 1 if order == "rgb" else -1] * 0.5
    expected = ((expected - [1, 2, 3]) / [1, 2, 4]).transpose(0, 3, 1, 2)
    found = Normalize(policy)(torch.from_numpy(pixels))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_unknown_variants_and_impossible_specs_are_refused() -> None:
    with pytest.raises(UsageError, match="Choose one of: bn, paper, caffe, torchvision"):
        GoogLeNet(variant="v3")
    with pytest.raises(UsageError, match="at least one class"):
        GoogLeNet(0)
    with pytest.raises(UsageError, match="dropout"):
        GoogLeNet(2, dropout=1.0)
    for field, value in (("pool_rounding", "Ceil"), ("stem_padding", 3), ("last_pool_kernel", 9)):
        with pytest.raises(UsageError, match=f"{field} cannot be"):
            replace(variant("bn"), **{field: value})
    with pytest.raises(UsageError, match=r"aux\.pooling cannot be 'mean'"):
        replace(variant("bn"), aux=AuxHeads(pooling="mean"))


@pytest.mark.parametrize(
    "norm",
    [LocalResponseNorm(size=4), LocalResponseNorm(size=0), LocalResponseNorm(alpha=math.nan)],
)
def test_a_normalization_that_cannot_be_is_refused(norm: LocalResponseNorm) -> None:
    with pytest.raises(UsageError, match="local response normalization cannot be"):
        replace(VARIANTS["caffe"], local_response_norm=norm)
