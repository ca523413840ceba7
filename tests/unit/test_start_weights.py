"""Where fine-tuning starts from: a model directory, or torchvision's published weights."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from googlenet.architecture.variants import variant
from googlenet.errors import ModelError
from googlenet.images.policy import prepare
from googlenet.nn.normalize import Normalize
from googlenet.prediction.classifier import Classifier
from googlenet.weights.model_directory import save_model
from googlenet.weights.start import start_weights
from googlenet.weights.torchvision import load_torchvision
from tests.narrow import narrow_network, narrow_spec

PUBLISHED = "googlenet-1378be20.pth"
URL = f"https://download.pytorch.org/models/{PUBLISHED}"


def saved(path: Path, classes: tuple[str, ...] = ("a", "b", "c"), *, aux: bool = True) -> Path:
    network = narrow_network(narrow_spec(len(classes), aux=aux))
    save_model(path, network, classes=classes)
    return path


def trunk(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith(("fc.", "aux1.", "aux2."))
    }


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(first[n], second[n]) for n in first)


def test_classifiers_are_replaced_for_new_classes(tmp_path: Path) -> None:
    trained = narrow_network()
    start = start_weights(saved(tmp_path / "m"), ["x", "y"])
    network = start.network
    assert network.training
    assert network.spec.num_classes == 2
    assert start.preprocessing == trained.spec.preprocessing
    assert same(trunk(network), trunk(trained))
    assert network.fc.weight.shape == (2, 20)
    for head in ("aux1", "aux2"):
        new, old = getattr(network, head), getattr(trained, head)
        assert new.fc2.weight.shape == (2, 8)
        assert torch.equal(new.fc1.weight, old.fc1.weight)
        assert torch.equal(new.conv.conv.weight, old.conv.conv.weight)
    assert start.notes == (
        "The classifier is new: the weights' was for 3 other classes.",
        "The last layer of both auxiliary heads is new.",
    )


def test_the_models_own_classes_keep_the_classifier_by_name(tmp_path: Path) -> None:
    trained = narrow_network()
    start = start_weights(saved(tmp_path / "m"), ["c", "a", "b"])
    for name in ("fc", "aux1.fc2", "aux2.fc2"):
        new, old = start.network.get_submodule(name), trained.get_submodule(name)
        assert torch.equal(new.weight, old.weight[[2, 0, 1]])
        assert torch.equal(new.bias, old.bias[[2, 0, 1]])
    assert start.notes == ("The classifier is kept: its 3 classes are the data's.",)


def test_heads_are_made_where_there_are_none_and_dropped_where_unwanted(tmp_path: Path) -> None:
    start = start_weights(saved(tmp_path / "without", aux=False), ["a", "b", "c"])
    assert start.network.aux1 is not None
    assert start.network.spec.aux == variant("bn").aux
    assert start.network.aux2.fc2.weight.shape == (3, 1024)
    assert "The auxiliary heads are new: the weights have none." in start.notes
    outputs = start.network(torch.randn(2, 3, 64, 64))
    assert [tuple(each.shape) for each in outputs] == [(2, 3)] * 3

    start = start_weights(saved(tmp_path / "with"), ["x", "y"], aux_logits=False)
    assert start.network.aux1 is None
    assert start.network.spec.aux is None
    assert "The weights' auxiliary heads are left out." in start.notes


def test_fresh_layers_follow_the_seed_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "m")
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(start_weights(path, ["x", "y"]).network.state_dict())
    assert same(*drawn)


def test_a_directory_may_be_called_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "torchvision")
    monkeypatch.chdir(tmp_path)
    assert start_weights("./torchvision", ["x", "y"]).network.spec.stem == (8, 8, 16)


def test_a_missing_model_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        start_weights(tmp_path / "nowhere", ["a", "b"])


def their_network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network = torchvision.models.googlenet(weights=None, init_weights=False)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.2)
                module.running_var.uniform_(0.5, 2.0)
    return network


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TORCH_HOME with a file of torchvision's name, made here."""
    home = tmp_path_factory.mktemp("torch")
    (home / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(their_network().state_dict(), home / "hub" / "checkpoints" / PUBLISHED)
    return home


@pytest.fixture
def torch_home(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(published))
    monkeypatch.setenv("GOOGLENET_OFFLINE", "1")  # a file in the cache needs no network
    return published


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return bool(((ours - theirs).abs().max() / theirs.abs().max()) < 1e-5)


@pytest.mark.usefixtures("torch_home")
def test_the_policy_equals_transform_input() -> None:
    network, config = load_torchvision()
    # torchvision's own way in: its weights entry, its normalization, its transform_input.
    weights = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1
    theirs = torchvision.models.googlenet(weights=weights).eval()
    assert theirs.transform_input
    preset = weights.transforms()
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    normalized = torchvision.transforms.functional.normalize(
        pixels.permute(0, 3, 1, 2) / 255, preset.mean, preset.std
    )
    with torch.inference_mode():
        expected = theirs(normalized)
        logits = network(Normalize(config.preprocessing)(pixels))
    assert expected.std() > 1e-3
    assert close(logits, expected)


@pytest.mark.usefixtures("torch_home")
@pytest.mark.parametrize("size", [(300, 400), (500, 333)])
def test_a_photograph_goes_the_way_of_torchvisions_transforms(size: tuple[int, int]) -> None:
    network, config = load_torchvision()
    weights = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1
    theirs = torchvision.models.googlenet(weights=weights).eval()
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    photograph = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    with torch.inference_mode():
        expected = theirs(weights.transforms()(photograph)[None]).numpy()
    classifier = Classifier(network, config.classes, config.preprocessing)
    logits = classifier.logits(prepare(np.asarray(photograph), config.preprocessing)[None])
    # Resizing only what the crop keeps moves a few pixels by one level.
    assert np.abs(logits - expected).max() < 0.01 * np.abs(expected).max()
    assert logits.argmax() == expected.argmax()


@pytest.mark.usefixtures("torch_home")
def test_the_published_heads_keep_their_names_and_values() -> None:
    network, config = load_torchvision()
    expected = their_network().state_dict()
    assert same(dict(network.state_dict()), dict(expected))
    assert not torch.equal(network.aux1.fc1.weight, network.aux2.fc1.weight)
    assert config.spec.preprocessing.mean == (0.5, 0.5, 0.5)
    assert len(config.classes) == 1000
    assert config.metadata["source"] == URL
    assert config.metadata["published"] is False


@pytest.mark.usefixtures("torch_home")
def test_fine_tuning_starts_from_the_published_weights(capfd: pytest.CaptureFixture[str]) -> None:
    start = start_weights("torchvision", ["cat", "dog"])
    assert start.network.spec.variant == "torchvision"
    assert start.network.fc.weight.shape == (2, 1024)
    assert start.preprocessing.std == (0.5, 0.5, 0.5)
    assert same(trunk(start.network), trunk(their_network()))
    assert torch.equal(start.network.aux1.fc1.weight, their_network().aux1.fc1.weight)
    assert "torchvision's auxiliary heads were never trained." in start.notes
    # The file was made here, so its checksum cannot be the published one, and that is said.
    assert any("is not the one that torchvision published" in note for note in start.notes)
    assert capfd.readouterr().out == ""


def refused(match: str) -> ModelError:
    with pytest.raises(ModelError, match=match) as caught:
        load_torchvision()
    return caught.value


def test_offline_without_the_file_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("GOOGLENET_OFFLINE", "1")
    error = refused("GOOGLENET_OFFLINE is set")
    assert error.where == URL
    assert error.fix is not None
    assert str(tmp_path / "hub" / "checkpoints" / PUBLISHED) in error.fix
    assert not list(tmp_path.iterdir())


def test_a_download_that_fails_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("GOOGLENET_OFFLINE", raising=False)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    error = refused("cannot be had")
    assert error.where == URL
    assert error.fix is not None
    assert PUBLISHED in error.fix
    assert capfd.readouterr().out == ""


class Gadget:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (self.command,))


@pytest.mark.parametrize("kind", ["noise", "cut", "gadget", "list", "resnet", "other shapes"])
def test_a_file_in_the_cache_that_is_something_else(
    kind: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / PUBLISHED
    path.parent.mkdir(parents=True)
    canary = tmp_path / "canary"
    match kind:
        case "noise":
            path.write_bytes(b"no weights at all" * 100)
        case "cut":
            whole = (published / "hub" / "checkpoints" / PUBLISHED).read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        case "gadget":
            torch.save({"fc.weight": Gadget(f"touch {canary}")}, path)
        case "list":
            torch.save([torch.zeros(3)], path)
        case "resnet":
            torch.save({"layer1.0.conv1.weight": torch.zeros(3)}, path)
        case _:
            spec = replace(narrow_spec(1000, name="torchvision"))
            torch.save(narrow_network(spec).state_dict(), path)
    error = refused("weights")
    assert str(path) == error.where
    assert not canary.exists()
