"""Where fine-tuning starts from: a model directory, or torchvision's published weights."""

from __future__ import annotations

from pathlib import Path

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
from googlenet.prediction.classifier import load
from googlenet.weights.imagenet import names, synsets
from googlenet.weights.model_directory import save_model
from googlenet.weights.opening import open_weights
from googlenet.weights.start import start_weights
from tests.narrow import narrow_network, narrow_spec


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
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision publishes it, with weights drawn here."""
    path = tmp_path_factory.mktemp("torchvision") / "googlenet-1378be20.pth"
    torch.save(their_network().state_dict(), path)
    return path


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return bool(((ours - theirs).abs().max() / theirs.abs().max()) < 1e-5)


def their_pretrained() -> nn.Module:
    """Their network as their entry builds it around published weights."""
    network = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True)
    network.load_state_dict(their_network().state_dict())
    return network.eval()


def test_the_policy_equals_transform_input(theirs: Path) -> None:
    network, config, _ = open_weights(theirs)
    preset = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    normalized = torchvision.transforms.functional.normalize(
        pixels.permute(0, 3, 1, 2) / 255, preset.mean, preset.std
    )
    with torch.inference_mode():
        expected = their_pretrained()(normalized)
        logits = network(Normalize(config.preprocessing)(pixels))
    assert expected.std() > 1e-3
    assert close(logits, expected)


@pytest.mark.parametrize("size", [(300, 400), (500, 333)])
def test_a_photograph_goes_the_way_of_torchvisions_transforms(
    theirs: Path, size: tuple[int, int]
) -> None:
    classifier = load(theirs)
    transforms = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    photograph = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    with torch.inference_mode():
        expected = their_pretrained()(transforms(photograph)[None]).numpy()
    logits = classifier.logits(prepare(np.asarray(photograph), classifier.preprocessing)[None])
    # Resizing only what the crop keeps moves a few pixels by one level.
    assert np.abs(logits - expected).max() < 0.01 * np.abs(expected).max()
    assert logits.argmax() == expected.argmax()
    best = classifier.predict(photograph)
    assert best.label in synsets(1000)
    assert best.title == names()[best.label]


def test_the_files_heads_keep_their_names_and_values(theirs: Path) -> None:
    network, config, told = open_weights(theirs)
    assert same(dict(network.state_dict()), dict(their_network().state_dict()))
    assert not torch.equal(network.aux1.fc1.weight, network.aux2.fc1.weight)
    assert config.spec == variant("torchvision")
    assert config.metadata["converted_from"] == theirs.name
    assert any("Classes are ImageNet's" in sentence for sentence in told)


def test_fine_tuning_starts_from_another_tools_file(theirs: Path) -> None:
    start = start_weights(theirs, ["cat", "dog"])
    assert start.network.spec.variant == "torchvision"
    assert start.network.fc.weight.shape == (2, 1024)
    assert start.preprocessing.std == (0.5, 0.5, 0.5)
    assert same(trunk(start.network), trunk(their_network()))
    assert torch.equal(start.network.aux1.fc1.weight, their_network().aux1.fc1.weight)
    assert any("taken for torchvision" in note for note in start.notes)


def test_published_weights_without_a_network_say_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("GOOGLENET_OFFLINE", "1")
    for name in ("torchvision", "caffe"):
        with pytest.raises(ModelError, match="GOOGLENET_OFFLINE") as caught:
            start_weights(name, ["cat", "dog"])
        assert f"googlenet weights get {name} --from" in str(caught.value.fix)


def test_a_file_of_a_published_name_that_is_not_the_published_one_is_refused(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("GOOGLENET_OFFLINE", "1")
    place = tmp_path / "hub" / "checkpoints" / theirs.name
    place.parent.mkdir(parents=True)
    place.write_bytes(theirs.read_bytes())
    with pytest.raises(ModelError):
        start_weights("torchvision", ["cat", "dog"])
