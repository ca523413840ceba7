"""A model directory: what is saved comes back, and whatever is not it is refused by name."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.errors import ModelError, ResultError, UsageError
from googlenet.weights.model_config import ModelConfig, read_config
from googlenet.weights.model_directory import load_network, save_model
from googlenet.weights.tensor_file import read_metadata, tensor_file
from tests.narrow import narrow_network, narrow_spec

CLASSES = ("cat", "Käse", "a\nb")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory; not to be written to."""
    path = tmp_path_factory.mktemp("saved") / "model"
    save_model(path, narrow_network(), classes=CLASSES, metadata={"weights": "raw", "step": 7})
    return path


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **changes}), encoding="utf-8")


def refused(directory: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_network(directory)
    assert caught.value.exit_code == 3
    assert caught.value.where is not None
    assert str(directory) in caught.value.where
    assert caught.value.fix
    return caught.value


def test_everything_comes_back(saved: Path) -> None:
    network = narrow_network()
    config = read_config(saved)
    assert config.spec == network.spec
    assert config.classes == CLASSES
    assert config.preprocessing == network.spec.preprocessing
    assert config.metadata == {"weights": "raw", "step": 7}
    assert config.weights == "raw"
    loaded = load_network(saved)
    assert not loaded.training
    assert loaded.spec == network.spec
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    state = loaded.state_dict()
    assert list(state) == list(network.state_dict())
    for name, tensor in network.state_dict().items():
        assert torch.equal(state[name], tensor), name
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(loaded(images), network(images))


@pytest.mark.parametrize("name", ["paper", "caffe", "torchvision"])
def test_every_variant_with_and_without_heads(name: str, tmp_path: Path) -> None:
    for aux in (True, False):
        network = narrow_network(narrow_spec(2, aux=aux, name=name))
        save_model(tmp_path / "model", network, classes=["a", "b"])
        loaded = load_network(tmp_path / "model")
        assert loaded.spec == network.spec
        assert (loaded.aux1 is not None) == aux
        images = torch.randn(1, 3, 64, 64)
        assert torch.equal(loaded(images), network(images))


def test_loading_leaves_the_random_numbers_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    load_network(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_files_are_those_that_others_know(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "googlenet"
    assert config["architectures"] == ["GoogLeNet"]
    assert config["variant"] == "bn"
    assert config["num_labels"] == 3
    assert config["id2label"] == {"0": "cat", "1": "Käse", "2": "a\nb"}
    assert config["label2id"] == {"cat": 0, "Käse": 1, "a\nb": 2}
    assert config["schema"] == 1
    assert "Käse" in (saved / "config.json").read_text(encoding="utf-8")
    # safetensors' own reader, which any other tool would use.
    tensors = load_file(saved / "model.safetensors")
    assert torch.equal(tensors["conv1.conv.weight"], narrow_network().conv1.conv.weight)
    metadata = read_metadata(saved / "model.safetensors")
    assert metadata["format"] == "pt"
    assert metadata["variant"] == "bn"


def test_equal_models_give_equal_files(saved: Path, tmp_path: Path) -> None:
    network = narrow_network().to(memory_format=torch.channels_last)
    save_model(tmp_path / "m", network, classes=CLASSES, metadata={"weights": "raw", "step": 7})
    for path in saved.iterdir():
        assert (tmp_path / "m" / path.name).read_bytes() == path.read_bytes(), path.name


def test_lower_precision_is_stored_as_float32(tmp_path: Path) -> None:
    network = narrow_network().to(torch.bfloat16)
    save_model(tmp_path / "m", network, classes=CLASSES)
    loaded = load_network(tmp_path / "m")
    assert loaded.fc.weight.dtype == torch.float32
    assert torch.equal(loaded.fc.weight, network.fc.weight.float())


def test_the_policy_of_the_weights_wins_over_the_variants(tmp_path: Path) -> None:
    policy = Preprocessing(size=80, resize_mode="letterbox", mean=(0.1, 0.2, 0.3))
    save_model(tmp_path / "m", narrow_network(), classes=CLASSES, preprocessing=policy)
    assert read_config(tmp_path / "m").preprocessing == policy
    assert load_network(tmp_path / "m").spec.preprocessing == policy


def test_a_class_name_that_is_no_text_survives(tmp_path: Path) -> None:
    names = ["caf\udce9", "b", "c"]  # how Python spells a directory name that is not UTF-8
    save_model(tmp_path / "m", narrow_network(), classes=names)
    assert read_config(tmp_path / "m").classes == tuple(names)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_not_saved(value: float, tmp_path: Path) -> None:
    network = narrow_network()
    save_model(tmp_path / "m", network, classes=CLASSES)
    before = (tmp_path / "m" / "model.safetensors").read_bytes()
    network.inception4a.branch1.bn.running_var[1] = value
    with pytest.raises(ResultError, match=r"inception4a\.branch1\.bn\.running_var"):
        save_model(tmp_path / "m", network, classes=CLASSES)
    with pytest.raises(ResultError):
        save_model(tmp_path / "new", network, classes=CLASSES)
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("classes", "metadata"),
    [(("a", "b"), {}), (("a", "b", "a"), {}), (CLASSES, {"x": object()}), (CLASSES, {"x": 1e999})],
)
def test_classes_and_metadata_that_cannot_be_saved(
    classes: tuple[str, ...], metadata: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        save_model(tmp_path / "m", narrow_network(), classes=classes, metadata=metadata)
    assert not (tmp_path / "m").exists()


def test_a_place_that_cannot_be_written_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="could not be saved"):
        save_model(tmp_path / "file" / "m", narrow_network(), classes=CLASSES)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(name: str, copy: Path) -> None:
    (copy / name).unlink()
    assert refused(copy).what == f"model directory lacks {name}"


def test_a_directory_that_is_none(copy: Path, tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "nowhere").what
    assert "is a file" in refused(copy / "config.json").what
    run = tmp_path / "run"
    shutil.copytree(copy, run / "best")
    error = refused(run)
    assert "a run" in error.what
    assert error.fix is not None
    assert str(run / "best") in error.fix


def test_a_foreign_configuration(copy: Path) -> None:
    edit(copy / "config.json", model_type="resnet")
    assert refused(copy).what == "model is of type 'resnet', not 'googlenet'"


def test_a_newer_schema_says_upgrade(copy: Path) -> None:
    edit(copy / "config.json", schema=2)
    error = refused(copy)
    assert "schema 2" in error.what
    assert error.fix == "Upgrade: pip install --upgrade googlenet"


def spec_with(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["spec"].update(changes)


@pytest.mark.parametrize(
    "garble",
    [
        lambda config: config.pop("spec"),
        lambda config: config.pop("schema"),
        lambda config: config.update(schema="1"),
        lambda config: config.pop("id2label"),
        lambda config: config.update(id2label=["cat", "b", "c"]),
        lambda config: config.update(id2label={"0": "cat", "1": "b", "3": "c"}),
        lambda config: config.update(id2label={"0": "cat", "1": "b"}),
        lambda config: config.update(id2label={"0": "cat", "1": "cat", "2": "c"}),
        lambda config: config.update(id2label={"0": "cat", "1": 5, "2": "c"}),
        lambda config: config.update(num_labels=4),
        lambda config: config.update(variant="caffe"),
        lambda config: config.update(metadata=[]),
        spec_with(dropout="half"),
        spec_with(surprise=1),
        spec_with(stem=None),
        spec_with(stem=[8, 8, -16]),
        spec_with(stem=[8, 8, 2**70]),
        spec_with(stem=[8, 8, "16"]),
        spec_with(inception={}),
        spec_with(num_classes=0),
    ],
)
def test_a_garbled_configuration(garble: Callable[[dict[str, Any]], object], copy: Path) -> None:
    path = copy / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    garble(config)
    path.write_text(json.dumps(config), encoding="utf-8")
    refused(copy)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"{", b"[]", b"null", b'{"schema": NaN}', b"[" * 100_000, b'{"a": 1e999}'],
)
def test_a_configuration_that_is_no_json(name: str, content: bytes, copy: Path) -> None:
    (copy / name).write_bytes(content)
    assert name in str(refused(copy).where)


@pytest.mark.parametrize(
    "change",
    [
        {"image_mean": [0.5]},
        {"image_std": [0.5, 0.0, 0.5]},
        {"resample": 99},
        {"resize_mode": "stretch"},
        {"crop_size": 64},
    ],
)
def test_a_policy_that_is_none(change: dict[str, Any], copy: Path) -> None:
    edit(copy / "preprocessor_config.json", **change)
    assert "preprocessor_config.json" in str(refused(copy).where)


def test_weights_of_another_network_name_the_first_mismatches(copy: Path) -> None:
    state = narrow_network().state_dict()
    state["layer4.0.weight"] = state.pop("fc.weight")
    state["conv1.conv.weight"] = torch.zeros(64, 3, 7, 7)
    state["fc.bias"] = state["fc.bias"].double()
    (copy / "model.safetensors").write_bytes(tensor_file(state, {}))
    what = refused(copy).what
    assert "fc.weight is missing" in what
    assert "layer4.0.weight is unknown" in what
    assert "conv1.conv.weight is F32 (64, 3, 7, 7) in place of F32 (8, 3, 7, 7)" in what
    assert "and 1 more" in what


def test_another_spec_does_not_fit_the_weights(copy: Path, saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    config["spec"]["stem"] = [8, 8, 10**9]  # never allocated: shapes are compared first
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "do not fit" in refused(copy).what


class Gadget:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.canary.write_text, ("ran",))


@pytest.mark.parametrize("protocol", [2, 4, "zip"])
def test_a_pickle_under_the_weights_name_is_not_opened(
    protocol: int | str, copy: Path, tmp_path: Path
) -> None:
    gadget = Gadget(tmp_path / "canary")
    with (copy / "model.safetensors").open("wb") as file:
        if protocol == "zip":
            torch.save({"fc.weight": gadget}, file)
        else:
            pickle.dump(gadget, file, protocol=int(protocol))
    assert "pickle" in refused(copy).what
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        b"\x00" * 8,
        b"\xff" * 64,
        b"version https://git-lfs.github.com/spec/v1\n" * 3,
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"nope",
        (17).to_bytes(8, "little") + b'{"a":{"dtype":1}}',
    ],
)
def test_weights_that_are_something_else(content: bytes, copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(content)
    refused(copy)


def test_weights_without_checksums_say_what_to_do(copy: Path) -> None:
    save_file(narrow_network().state_dict(), copy / "model.safetensors")
    assert "no checksums" in refused(copy).what


def test_a_directory_under_the_weights_name(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors").mkdir()
    refused(copy)


def test_a_flipped_weight_names_its_tensor(copy: Path) -> None:
    path = copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    error = refused(copy)
    assert "the content of" in error.what
    assert error.where == str(path)


def test_a_config_knows_its_classes() -> None:
    spec = replace(narrow_spec(), num_classes=2)
    with pytest.raises(UsageError, match="3 class names for 2 logits"):
        ModelConfig(spec=spec, classes=CLASSES, preprocessing=spec.preprocessing)
