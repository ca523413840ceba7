"""The variant `torchvision` is torchvision's network, value by value, with its own weights."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from googlenet.nn.googlenet import GoogLeNet, GoogLeNetOutputs

from .conftest import Agree


def twins(num_classes: int) -> tuple[GoogLeNet, nn.Module]:
    torch.manual_seed(3)
    theirs = torchvision.models.googlenet(
        weights=None, init_weights=True, num_classes=num_classes, dropout=0.0, dropout_aux=0.0
    )
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that matter
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.1, 0.2)
    ours = GoogLeNet(num_classes, dropout=0.0, dropout_aux=0.0, variant="torchvision")
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


@pytest.mark.parametrize("size", [(224, 224), (97, 97), (15, 15), (101, 64)])
def test_eval_logits_are_equal(size: tuple[int, int]) -> None:
    ours, theirs = twins(17)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits = ours.eval()(images)
        expected = theirs.eval()(images)
    assert expected.std() > 1e-3
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("size", [224, 97])
def test_training_outputs_and_statistics_are_equal(size: int) -> None:
    ours, theirs = twins(7)
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(2))
    outputs = ours.train()(images)
    expected = theirs.train()(images)
    assert isinstance(outputs, GoogLeNetOutputs)
    assert outputs._fields == expected._fields
    for name in outputs._fields:
        assert torch.equal(getattr(outputs, name), getattr(expected, name)), name
    # The heads are told apart by value: their logits have equal shapes.
    assert not torch.allclose(outputs.aux_logits1, outputs.aux_logits2)
    for (name, mine), (_, peer) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert torch.equal(mine, peer), name


def test_every_state_name_is_torchvisions() -> None:
    ours, theirs = twins(5)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_every_endpoint_is_torchvisions_in_float64(agree: Agree) -> None:
    ours, theirs = twins(11)
    ours, theirs = ours.double().eval(), theirs.double().eval()
    names = [name for name, _ in ours.named_modules() if name and name != "aux1" and name != "aux2"]
    names = [name for name in names if not name.startswith(("aux", "norm"))]
    seen: dict[str, torch.Tensor] = {}
    for name, module in theirs.named_modules():
        module.register_forward_hook(
            lambda _module, _args, output, name=name: seen.update({name: output.clone()})
        )
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(4)).double()
    with torch.inference_mode():
        expected = theirs(images)
        # Their eval mode leaves the heads out; here they read what theirs read.
        theirs.aux1(seen["inception4a"])
        theirs.aux2(seen["inception4d"])
        computed = ours.endpoints(images, [*names, "aux1", "aux2", "logits"])
    seen["logits"] = expected
    differences = {}
    for name, mine in computed.items():
        if name not in seen:  # a module of ours alone
            continue
        largest = seen[name].abs().max().item()
        assert seen[name].std() > 1e-3 * largest, name
        differences[name] = (mine - seen[name]).abs().max().item() / largest
    assert len(differences) > 57 * 3 + 9 + 4
    agree("torchvision <-> torchvision", "float64", differences, 1e-5)
