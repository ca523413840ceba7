"""ONNX's own Inception v1 graph, run by onnxruntime, and what we read from the same file."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.variants import variant
from googlenet.weights.formats.onnx import read
from tests.narrow import narrow_network, narrow_spec
from tests.oracles import golden

from . import goldens
from .conftest import Agree

# Comes with the onnx package: the zoo's graph, its weights left out.
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_inception_v1.onnx"


def filled(rounding: str) -> onnx.ModelProto:
    """Give the graph weights, and the zoo's pads of ``googlenet`` where they are asked for."""
    model = onnx.load(LIGHT)
    graph = model.graph
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            sizes = next(each for each in graph.initializer if each.name == node.input[0])
            shapes[node.output[0]] = tuple(int(size) for size in numpy_helper.to_array(sizes))
            continue
        attributes = {each.name: each for each in node.attribute}
        if rounding == "end" and node.op_type == "MaxPool" and attributes["strides"].ints[0] == 2:
            attributes["pads"].ints[:] = [0, 0, 2, 2]
        if rounding == "end" and node.op_type == "AveragePool":
            attributes["pads"].ints[:] = [0, 0, 0, 0]
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    learned = {name for name in shapes if name.endswith(("_w_0", "_b_0"))}
    others = [each for each in graph.initializer if each.name not in learned]
    del graph.initializer[:]
    graph.initializer.extend(others)
    for name in sorted(learned):
        shape = shapes[name]
        drawn = (
            golden.draw_shift(name, shape)
            if len(shape) == 1
            else golden.draw_weight(name, shape, int(np.prod(shape[1:])))
        )
        graph.initializer.append(numpy_helper.from_array(drawn, name))
    return model


def endpoints_of(model: onnx.ModelProto) -> dict[str, str]:
    """Find each of our endpoints among the graph's numbered values, by the weights around it."""
    layers = {theirs: ours for ours, theirs in DIALECTS["onnx"].layers.items()}
    value_of: dict[str, str] = {}
    name_of: dict[str, str] = {}
    pools = iter(f"maxpool{number}" for number in range(1, 5))
    norms = iter(("norm1", "norm2"))
    for node in model.graph.node:
        name = None
        if node.op_type == "Conv":
            name = f"{layers[node.input[1].removesuffix('_w_0')]}.conv"
        elif node.op_type == "Relu":
            name = name_of[node.input[0]].removesuffix(".conv")
        elif node.op_type == "Concat":
            name = name_of[node.input[0]].removesuffix(".branch1")
        elif node.op_type == "LRN":
            name = next(norms)
        elif node.op_type == "MaxPool":
            strides = helper.get_attribute_value(
                next(each for each in node.attribute if each.name == "strides")
            )
            name = next(pools) if strides[0] == 2 else None
        elif node.op_type == "AveragePool":
            name = "avgpool"
        elif node.op_type == "Gemm":
            name = "logits"
        if name is not None:
            name_of[node.output[0]] = name
            value_of[name] = node.output[0]
    return value_of


@pytest.mark.parametrize(
    ("rounding", "name"), [("floor", "onnx-inception-v1"), ("end", "onnx-googlenet")]
)
def test_every_endpoint_is_onnxruntimes(
    rounding: str, name: str, tmp_path: Path, agree: Agree
) -> None:
    model = filled(rounding)
    path = tmp_path / "graph.onnx"
    onnx.save(model, path)
    found = goldens.recognized(read(path))
    assert found.spec == variant(name)

    values = endpoints_of(model)
    assert len(values) == 2 * 57 + 9 + 4 + 2 + 2
    with_outputs = onnx.load(path)
    del with_outputs.graph.output[:]
    with_outputs.graph.output.extend(
        helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None)
        for value in values.values()
    )
    options = onnxruntime.SessionOptions()
    # Merged layers would hide what is between them.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(with_outputs.SerializeToString(), options)
    images = golden.draw_images(224, 60.0, count=1).astype(np.float32)
    needs = {each.name for each in session.get_inputs()}
    computed = session.run(list(values.values()), {next(iter(needs)): images})

    network = goldens.network(found)
    with torch.inference_mode():
        ours = network.endpoints(torch.from_numpy(images).double(), list(values))
    differences = {}
    for endpoint, theirs in zip(values, computed, strict=True):
        mine = ours[endpoint].numpy()
        largest = np.abs(theirs).max()
        assert theirs.std() > 1e-2 * largest > 0, f"{endpoint}: the activations vanished"
        differences[endpoint] = float(np.abs(mine - theirs.reshape(mine.shape)).max() / largest)
    agree(f"{name} <-> onnxruntime on ONNX's own graph", "float32", differences, 1e-4)


@pytest.mark.parametrize("name", ["caffe", "inception5h", "slim", "torchvision"])
def test_what_pytorch_exports_computes_the_same_once_read(
    name: str, tmp_path: Path, agree: Agree
) -> None:
    """PyTorch writes normalization and padding as the operations that they are made of."""
    path = tmp_path / "graph.onnx"
    spec = replace(narrow_spec(name=name, aux=False), aux=None)
    with warnings.catch_warnings():
        # It says that this is the older of its two exporters.
        warnings.simplefilter("ignore")
        torch.onnx.export(narrow_network(spec), torch.zeros(1, 3, 64, 64), str(path), dynamo=False)
    session = onnxruntime.InferenceSession(path)
    images = golden.draw_images(64, 60.0, count=1).astype(np.float32)
    (theirs,) = session.run(None, {session.get_inputs()[0].name: images})
    file = read(path)
    assert file.facts.conflicts == ()
    network = goldens.network(goldens.recognized(file))
    with torch.inference_mode():
        ours = network(torch.from_numpy(images).double()).numpy()
    largest = np.abs(theirs).max()
    assert theirs.std() > 1e-2 * largest > 0, "the logits vanished"
    difference = float(np.abs(ours - theirs).max() / largest)
    agree(f"{name} <-> onnxruntime on PyTorch's export", "float32", {"logits": difference}, 1e-4)
