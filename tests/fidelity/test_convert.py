"""Every format goes through the command to a model directory that computes what its source did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from googlenet.weights.model_config import read_config
from googlenet.weights.model_directory import load_network
from tests import caffe_wire as wire
from tests.cli.command import googlenet
from tests.oracles import golden

from . import caffe_files, goldens
from .conftest import Agree
from .test_caffe import weights_that_matter
from .test_onnx import filled
from .test_torchvision import twins

# A file of a tool; and its golden endpoints, dialect, deviation of the images, and variant.
GOLDENS = {
    "slim_v1.ckpt": ("slim_224", "slim", 0.5, "slim"),
    "slim_v2.ckpt": ("slim_224", "slim", 0.5, "slim"),
    "inception5h.pb": ("inception5h_224", "inception5h", 60.0, "inception5h"),
    "keras.h5": ("keras_224", "keras", 60.0, "caffe"),
    "chainer.npz": ("chainer_224", "chainer", 60.0, "caffe"),
}


def converted(file: Path, folder: Path, variant: str) -> Path:
    """Convert by the command; nothing but one line goes to standard output."""
    out = folder / "model"
    done = googlenet("convert", file, "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    assert read_config(out).spec.variant == variant
    return out


@pytest.mark.parametrize("name", GOLDENS)
def test_files_of_tools_that_live_elsewhere(name: str, tmp_path: Path) -> None:
    endpoints, dialect, scale, variant = GOLDENS[name]
    parts = [name]
    if name == "slim_v2.ckpt":
        parts = [f"{name}.index", f"{name}.data-00000-of-00001"]
    for part in parts:
        goldens.unpacked(part, tmp_path)
    network = load_network(converted(tmp_path / name, tmp_path, variant)).double()
    goldens.largest_difference(network, endpoints, dialect, 224, scale, 1e-4)


def torch_zip(path: Path) -> Path:
    torch.save(twins(9)[1].state_dict(), path / "x.pth")
    return path / "x.pth"


def torch_legacy(path: Path) -> Path:
    state = {"model": {f"module.{n}": t for n, t in twins(9)[1].state_dict().items()}}
    torch.save(state, path / "x.pt", _use_new_zipfile_serialization=False)
    return path / "x.pt"


def safetensors_file(path: Path) -> Path:
    save_file(twins(9)[1].state_dict(), path / "x.safetensors")
    return path / "x.safetensors"


@pytest.mark.parametrize("make", [torch_zip, torch_legacy, safetensors_file])
def test_torchvisions_network(make: Callable[[Path], Path], tmp_path: Path) -> None:
    network = load_network(converted(make(tmp_path), tmp_path, "torchvision"))
    theirs = twins(9)[1].eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        assert torch.equal(network(images), theirs(images))


@pytest.mark.parametrize("external", [False, True])
def test_onnx_with_weights_inside_and_beside(external: bool, tmp_path: Path, agree: Agree) -> None:
    path = tmp_path / "x.onnx"
    onnx.save(filled("end"), path, save_as_external_data=external, location="x.weights")
    assert (tmp_path / "x.weights").exists() == external
    network = load_network(converted(path, tmp_path, "onnx-googlenet"))
    images = golden.draw_images(224, 60.0, count=1).astype(np.float32)
    session = onnxruntime.InferenceSession(path)
    (expected,) = session.run(None, {session.get_inputs()[0].name: images})
    with torch.inference_mode():
        ours = network(torch.from_numpy(images)).softmax(1).numpy()
    assert expected.max() > 2 / expected.size
    agree(
        "an .onnx made a model directory <-> onnxruntime, probabilities",
        "float32",
        {"prob": float(np.abs(ours - expected.reshape(1, -1)).max() / expected.max())},
        1e-4,
    )


# Old files were written by the exporter that PyTorch now warns of.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_export_of_torchvisions_network_by_order_and_shape(tmp_path: Path) -> None:
    """An exporter folds batch normalization away, and with it every name."""
    theirs = twins(9)[1].eval()
    path = tmp_path / "x.onnx"
    graph = folded_export(theirs, path)
    assert not any("inception" in each.name for each in graph.initializer)
    done = googlenet("convert", path, "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert "The names say nothing; layers were told by their order and shapes." in done.stderr
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(5))
    network = load_network(tmp_path / "model")
    session = onnxruntime.InferenceSession(path)
    (expected,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.inference_mode():
        ours = network(images).numpy()
    assert np.abs(ours - expected).max() <= 1e-4 * np.abs(expected).max()


def folded_export(network: torchvision.models.GoogLeNet, path: Path) -> onnx.GraphProto:
    """Export the network with its batch normalization folded, as runtimes save it."""
    whole = path.with_name("whole.onnx")
    torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), whole, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(whole, options)
    model = onnx.load(path)
    for index, tensor in enumerate(model.graph.initializer):
        renamed = f"onnx::{index}"
        for node in model.graph.node:
            node.input[:] = [renamed if each == tensor.name else each for each in node.input]
        tensor.name = renamed
    onnx.save(model, path)
    return model.graph


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_caffe_file_of_legacy_layers(dtype: type, tmp_path: Path, agree: Agree) -> None:
    net = caffe_files.googlenet(224, 23)
    drawn = weights_that_matter(net)
    kinds = {"Convolution": wire.CONVOLUTION, "InnerProduct": wire.INNER_PRODUCT}
    layers = [
        wire.legacy_layer(
            layer.name,
            kinds[layer.kind],
            *(wire.blob(array.astype(dtype), legacy=True) for array in drawn[layer.name]),
        )
        for layer in net.learned
    ]
    path = tmp_path / "old.caffemodel"
    path.write_bytes(b"".join(layers))
    network = load_network(converted(path, tmp_path, "caffe"))
    # OpenCV has no double blobs; the same numbers in the new layers are read from float32.
    (tmp_path / "new.caffemodel").write_bytes(caffe_files.caffemodel(net, drawn))
    (tmp_path / "deploy.prototxt").write_text("\n".join(net.text))
    given = path if dtype is np.float32 else tmp_path / "new.caffemodel"
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "deploy.prototxt"), str(given))
    images = golden.draw_images(224, 60.0, count=1).astype(np.float32)
    reader.setInput(images)
    expected = reader.forward("loss3/classifier")
    with torch.inference_mode():
        ours = network(torch.from_numpy(images)).numpy()
    difference = float(np.abs(ours - expected).max() / np.abs(expected).max())
    pair = "a legacy .caffemodel made a model directory <-> OpenCV's Caffe importer, logits"
    agree(pair, "float32", {"logits": difference}, 1e-4)
