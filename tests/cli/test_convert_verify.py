"""``convert --verify`` and ``inspect FILE``: proof, and what a file is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from googlenet.architecture.dialects import DIALECTS
from googlenet.nn.googlenet import GoogLeNet
from googlenet.weights.model_config import read_config
from googlenet.weights.model_directory import load_network
from tests.cli.command import googlenet
from tests.cli.conftest import SIZE
from tests.cli.test_convert import assert_last_error, convert
from tests.narrow import narrow_network, narrow_spec


def test_a_reference_that_differs_writes_nothing(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "converted"
    done = convert(desk, "--verify", desk / "wrong.npz", "-o", out)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "does not compute what its source did: inception_4a/output differs by" in done.stderr
    assert "1 of 4 outputs" in done.stderr
    assert not out.exists()


def test_a_reference_without_an_input_is_refused(desk: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", prob=np.ones((1, 3)))
    done = convert(desk, "--verify", tmp_path / "bare.npz", "-o", tmp_path / "x")
    assert_last_error(done, 3, "reference has no input of shape (N, 3, H, W) or (N, H, W, 3)")
    assert not (tmp_path / "x").exists()


def test_inspect_says_what_a_file_is(desk: Path) -> None:
    done = googlenet("inspect", desk / "x.caffemodel")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("x.caffemodel: caffemodel")
    assert "guessed:" in done.stdout
    assert "inception (4e)" in done.stdout
    document = json.loads(googlenet("inspect", desk / "x.caffemodel", "--json").stdout)
    assert document["variant"] == "caffe"
    assert document["num_classes"] == 3
    assert document["found"]
    assert document["guessed"]


def test_inspect_shows_differences_and_names() -> None:
    done = googlenet("inspect", "--diff", "caffe", "torchvision")
    assert done.returncode == 0, done.stderr
    assert "kernels of the 5x5 branches\n  caffe        5x5\n  torchvision  3x3\n" in done.stdout
    assert "kernels" not in googlenet("inspect", "--diff", "caffe", "paper").stdout
    same = googlenet("inspect", "--diff", "caffe", "caffe").stdout
    assert same == "caffe and caffe are the same network\n"
    document = json.loads(googlenet("inspect", "--diff", "bn", "slim", "--json").stdout)
    assert {"fact": "classes", "first": "1000", "second": "1001"} in document["differences"]

    names = googlenet("inspect", "--names").stdout
    assert "inception_4a/3x3_reduce" in names
    assert "Mixed_4b/Branch_1/Conv2d_0a_1x1" in names
    assert max(map(len, names.splitlines())) < 180
    document = json.loads(googlenet("inspect", "--names", "--json").stdout)
    by_name = {each["name"]: each for each in document["dialects"]}
    assert by_name["slim"]["activations"]["inception4a"] == "Mixed_4b"


def test_networks_endpoints_take_any_name(desk: Path) -> None:
    network: GoogLeNet = load_network(desk / "model")
    images = torch.zeros(1, 3, SIZE, SIZE)
    seen = network.endpoints(images, ["mixed4a", "inception_4a/output", "Mixed_4b"])
    assert list(seen) == ["mixed4a", "inception_4a/output", "Mixed_4b"]
    assert torch.equal(seen["mixed4a"], seen["Mixed_4b"])


def test_the_reference_of_1008_goes_with_the_order_of_1000(tmp_path: Path) -> None:
    network = narrow_network(replace(narrow_spec(1008, name="inception5h"), aux=None))
    images = torch.randn(1, 3, SIZE, SIZE) * 60
    with torch.inference_mode():
        seen = network.endpoints(images, ["maxpool2", "logits"])
    np.savez(
        tmp_path / "reference.npz",
        **{
            "input": images.permute(0, 2, 3, 1).numpy(),
            "maxpool1": seen["maxpool2"].permute(0, 2, 3, 1).numpy(),  # 5h's name of the second
            "import/softmax2:0": seen["logits"].softmax(1)[0].numpy(),
        },
    )
    arrays = {}
    dialect = DIALECTS["inception5h"]
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    for theirs, ours in dialect.parameters.items():
        if ours in state:
            array = state[ours]
            order = (2, 3, 1, 0) if array.ndim == 4 else (1, 0) if array.ndim == 2 else (0,)
            arrays[theirs] = torch.from_numpy(array.transpose(order).copy())
    torch.save(arrays, tmp_path / "x.pth")
    done = googlenet(
        *("convert", tmp_path / "x.pth", "--verify", tmp_path / "reference.npz"),
        *("--imagenet-order", "-o", tmp_path / "model"),
    )
    assert done.returncode == 0, done.stderr
    assert "maxpool1: differs by" in done.stderr
    assert read_config(tmp_path / "model").spec.num_classes == 1000


def test_a_reference_that_is_not_finite_is_refused(desk: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", input=np.full((1, 3, 64, 64), np.nan), prob=np.ones((1, 3)))
    done = convert(desk, "--verify", tmp_path / "r.npz", "-o", tmp_path / "x")
    assert_last_error(done, 3, "reference holds values in input that are not finite")
