"""``googlenet convert`` and ``inspect FILE``: real files of other tools in, models out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
import torchvision

from googlenet.weights.model_config import read_config
from googlenet.weights.model_directory import load_network, save_model
from tests.cli.command import assert_fails, googlenet
from tests.cli.conftest import LABELS, SIZE
from tests.conftest import photograph
from tests.narrow import narrow_network, narrow_spec


def convert(desk: Path, *words: str | Path) -> CompletedProcess[str]:
    return googlenet("convert", desk / "x.caffemodel", *words)


def test_a_caffe_model_becomes_a_directory_that_predicts(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "converted"
    done = convert(
        desk,
        *("--prototxt", desk / "x.prototxt", "--labels", desk / "x.labels.txt"),
        *("--verify", desk / "outputs.npz", "-o", out),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    for sentence in (
        "x.caffemodel: caffemodel",
        "found:",
        "  - The names are caffe's: BVLC's Caffe, Places, and their heirs.",
        "no auxiliary heads and 3 classes.",
        "guessed:",
        "  - It is taken for caffe, the nearest published version.",
        "blue, green, red from 0 to 255, less (104, 117, 123)",
        "inception_4a/output: differs by ",
        "prob: differs by ",
    ):
        assert sentence in done.stderr
    config = read_config(out)
    assert config.classes == LABELS
    assert config.preprocessing.size == SIZE
    assert config.metadata["converted_from"] == "x.caffemodel"
    original = load_network(desk / "model").state_dict()
    converted = load_network(out).state_dict()
    assert original.keys() == converted.keys()
    assert all(torch.equal(original[name], converted[name]) for name in original)

    photograph(tmp_path / "new.jpg", "leaf", seed=4)
    rows = [
        googlenet("predict", model, tmp_path / "new.jpg", "--json")
        for model in (desk / "model", out)
    ]
    first, second = (json.loads(row.stdout)["predictions"][0] for row in rows)
    assert first["probability"] == second["probability"]
    assert second["label"] in LABELS


def test_a_file_predicts_as_it_stands(desk: Path, tmp_path: Path) -> None:
    photograph(tmp_path / "new.jpg", "leaf", seed=4)
    done = googlenet("predict", desk / "x.caffemodel", tmp_path / "new.jpg", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "class_" in done.stdout


def assert_last_error(done: CompletedProcess[str], code: int, what: str) -> None:
    """Check the three lines of an error after what the command said before it."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[-3].startswith(f"error: {what}")


def test_labels_of_another_count_write_nothing(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("cab\ndog\n")
    done = convert(desk, "--labels", tmp_path / "two.txt", "-o", tmp_path / "x")
    assert_fails(
        done,
        3,
        "label file names 2 classes, the weights have 3",
        str(tmp_path / "two.txt"),
        "Give one line for each logit, in their order.",
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["cut", "empty", "text", "picture", "missing", "flipped length"])
def test_files_that_are_none_write_nothing(kind: str, desk: Path, tmp_path: Path) -> None:
    whole = (desk / "x.caffemodel").read_bytes()
    path = tmp_path / "bad.caffemodel"
    match kind:
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("these are no weights\n" * 50)
        case "picture":
            photograph(tmp_path / "p.jpg", "leaf", seed=1)
            path.write_bytes((tmp_path / "p.jpg").read_bytes())
        case "flipped length":
            path.write_bytes(b"\xa2\x06\xff\xff\xff\xff\x07" + whole)  # a layer of 2 GB
        case _:
            pass
    done = googlenet("convert", path, "-o", tmp_path / "x")
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 3
    assert str(path) in done.stderr
    assert not (tmp_path / "x").exists()


def test_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(
        torchvision.models.alexnet(weights=None, num_classes=2).state_dict(), tmp_path / "a.pth"
    )
    done = googlenet("convert", tmp_path / "a.pth", "-o", tmp_path / "x")
    assert_last_error(done, 3, "weights file is not of a GoogLeNet: its arrays begin with")
    assert not (tmp_path / "x").exists()


def test_torchvisions_names_both_ways(tmp_path: Path) -> None:
    torch.manual_seed(2)
    theirs = torchvision.models.googlenet(weights=None, init_weights=False, num_classes=7)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    torch.save({"state_dict": theirs.state_dict(), "epoch": 3}, tmp_path / "there.pth")
    done = googlenet("convert", tmp_path / "there.pth", "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert read_config(tmp_path / "model").spec.variant == "torchvision"
    back = tmp_path / "back.pth"
    done = googlenet("convert", tmp_path / "model", "--to", "torchvision", "-o", back)
    assert done.returncode == 0, done.stderr
    again = torchvision.models.googlenet(weights=None, init_weights=False, num_classes=7)
    again.load_state_dict(torch.load(back, weights_only=True), strict=True)
    images = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(theirs.eval()(images), again.eval()(images))


def test_a_target_that_cannot_hold_the_network_is_refused(desk: Path, tmp_path: Path) -> None:
    done = googlenet("convert", desk / "model", "--to", "torchvision", "-o", tmp_path / "x.pth")
    assert_last_error(done, 2, "torchvision's GoogLeNet does not compute caffe: convolution unit")
    slim = tmp_path / "slim"
    save_model(slim, narrow_network(narrow_spec(name="slim", aux=False)), classes=LABELS)
    done = googlenet("convert", slim, "--to", "torchvision", "-o", tmp_path / "x.pth")
    assert_last_error(done, 2, "torchvision's GoogLeNet does not compute slim: padding of the 7x7")
    done = googlenet("convert", desk / "model", "--to", "caffemodel", "-o", tmp_path / "x.bin")
    assert_last_error(done, 2, "a caffemodel file ends in .caffemodel")
    assert list(tmp_path.iterdir()) == [slim]


def test_what_is_there_is_replaced_only_on_request(desk: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "cars.prototxt"
    theirs.write_text("mine")
    out = tmp_path / "cars.caffemodel"
    words = ("convert", desk / "model", "--to", "caffemodel", "-o", out)
    assert_fails(
        googlenet(*words),
        2,
        "cars.prototxt would be replaced",
        str(out),
        "Give another name, or --overwrite.",
    )
    assert theirs.read_text() == "mine"
    assert not out.exists()
    assert googlenet(*words, "--overwrite").returncode == 0
    assert "inception_3a" in theirs.read_text()

    model = tmp_path / "model"
    assert convert(desk, "-o", model).returncode == 0
    assert_fails(
        convert(desk, "-o", model),
        2,
        "there is a model already",
        str(model),
        "Give another directory, or --overwrite.",
    )
    assert convert(desk, "-o", model, "--overwrite").returncode == 0


def test_options_that_would_not_be_used_are_refused(desk: Path, tmp_path: Path) -> None:
    labels = desk / "x.labels.txt"
    done = googlenet("convert", desk / "model", "--labels", labels, "-o", tmp_path / "x")
    assert_last_error(done, 2, "a model directory is whole; --labels would not be used")
    done = googlenet("convert", "caffe", "--variant", "slim", "-o", tmp_path / "x")
    assert_last_error(done, 2, "the published weights caffe are of the variant caffe")
    file = tmp_path / "x.safetensors"
    googlenet("convert", desk / "model", "--to", "safetensors", "-o", file)
    np.save(tmp_path / "mean.npy", np.array([1.0, 2.0, 3.0]))
    done = googlenet("convert", file, "--mean", tmp_path / "mean.npy", "-o", tmp_path / "x")
    assert_last_error(done, 2, "a mean goes with a .caffemodel, not with safetensors")


def test_a_mean_becomes_the_policy(desk: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.array([101.0, 102.0, 103.0], np.float32))
    done = convert(desk, "--mean", tmp_path / "mean.npy", "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    policy = read_config(tmp_path / "model").preprocessing
    assert policy.mean == (101.0, 102.0, 103.0)
    assert policy.channel_order == "bgr"
    assert "Preprocessing is of the file's mean" in done.stderr
    np.save(tmp_path / "mean.npy", np.array([0.485, 0.456, 0.406], np.float32))
    done = convert(desk, "--mean", tmp_path / "mean.npy", "-o", tmp_path / "other")
    assert_last_error(done, 2, "the means 0.485, 0.456, 0.406 are on a scale of 0 to 1")


def test_safetensors_round_trip(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    assert googlenet("convert", desk / "model", "--to", "safetensors", "-o", out).returncode == 0
    done = googlenet("convert", out, "-o", tmp_path / "model", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "googlenet.convert/1"
    assert document["variant"] == "caffe"
    assert document["found"] == [
        "The file holds its own description: caffe, with its classes and preprocessing."
    ]
    assert document["guessed"] == []
    assert document["written"] == [str(tmp_path / "model")]
    ours, theirs = (read_config(each) for each in (desk / "model", tmp_path / "model"))
    assert (ours.spec, ours.classes, ours.preprocessing) == (
        theirs.spec,
        theirs.classes,
        theirs.preprocessing,
    )
    one, two = (load_network(each).state_dict() for each in (desk / "model", tmp_path / "model"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_imagenets_thousand_from_the_1008(tmp_path: Path) -> None:
    spec = replace(narrow_spec(1008, name="inception5h"), aux=None)
    network = narrow_network(spec)
    save_model(tmp_path / "m", network, classes=[f"c{n}" for n in range(1008)])
    file = tmp_path / "x.safetensors"
    googlenet("convert", tmp_path / "m", "--to", "safetensors", "-o", file)
    done = googlenet(
        *("convert", file, "--variant", "inception5h", "--imagenet-order"),
        *("-o", tmp_path / "model"),
    )
    assert done.returncode == 0, done.stderr
    config = read_config(tmp_path / "model")
    assert config.classes[0] == "n01440764"
    assert config.titles["n01440764"] == "tench, Tinca tinca"
    assert config.spec.num_classes == 1000
    weight = load_network(tmp_path / "model").fc.weight
    # Its first class after the dummy is the kit fox, which ILSVRC has 278th.
    assert config.classes[278] == "n02119789"
    assert torch.equal(weight[278], network.fc.weight[1])


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("convert", "missing.pth", "-o", "x"), 3, "weights file does not exist"),
        (("predict", "missing.caffemodel", "x.jpg"), 3, "weights file does not exist"),
        (("inspect", "missing.pth"), 3, "weights file does not exist"),
        (("inspect", "--diff", "caffe", "missing.pth"), 3, "weights file does not exist"),
        (("convert", "Caffe", "-o", "x"), 3, "model directory does not exist"),
        (("convert", "x.pth", "-o", ""), 2, "there is no name to write to"),
        (("convert", "", "-o", "x"), 3, "model directory"),
        (("convert", "x.pth", "-o", "x", "--tolerance", "nan"), 2, "tolerance cannot be nan"),
    ],
)
def test_what_is_not_there_is_called_so(
    words: tuple[str, ...], code: int, what: str, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"")
    done = googlenet(*words, cwd=tmp_path)
    assert_last_error(done, code, what)


def test_slim_to_torchvisions_network(tmp_path: Path) -> None:
    """torchvision pads symmetrically: what it runs is its own variant, with scales of one."""
    slim = narrow_network(replace(narrow_spec(5, name="slim"), aux=None))
    save_model(tmp_path / "slim", slim, classes=[f"c{n}" for n in range(5)])
    file = tmp_path / "slim.safetensors"
    googlenet("convert", tmp_path / "slim", "--to", "safetensors", "-o", file)
    words = ("convert", file, "--variant", "torchvision", "--to", "torchvision")
    done = googlenet(*words, "-o", tmp_path / "x.pth")
    assert done.returncode == 0, done.stderr
    state = torch.load(tmp_path / "x.pth", weights_only=True)
    assert (state["inception3a.branch1.bn.weight"] == 1).all()
    assert torch.equal(state["conv1.conv.weight"], slim.conv1.conv.weight)


def test_a_caffe_description_says_what_its_input_is(desk: Path) -> None:
    first = (desk / "x.prototxt").read_text().splitlines()[0]
    assert first.startswith("# Input: squashed to 73x73, the centre 64x64; blue, green, red")
