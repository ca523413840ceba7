"""Small weights files of other tools, each written by the tool itself."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

STREAM = np.random.default_rng(2014)
KERNEL = STREAM.normal(size=(4, 3, 7, 7)).astype(np.float32)
BIAS = STREAM.normal(size=4).astype(np.float32)
LINEAR = STREAM.normal(size=(5, 4)).astype(np.float32)


def state_dict() -> dict[str, torch.Tensor]:
    """Give tensors of every precision, one of them a view of more and two of one storage."""
    linear = torch.from_numpy(LINEAR.copy())
    return {
        "conv1.conv.weight": torch.from_numpy(KERNEL.copy()),
        "conv1.bn.num_batches_tracked": torch.tensor(7),
        "half": torch.from_numpy(BIAS.copy()).half(),
        "brain": torch.from_numpy(BIAS.copy()).bfloat16(),
        "double": torch.from_numpy(BIAS.copy()).double(),
        "fc.weight": linear,
        "tied.weight": linear,
        "turned": linear.t(),
        "part": torch.arange(24).reshape(2, 3, 4)[1:, :, 1:3],
        "parameter": torch.nn.Parameter(torch.from_numpy(BIAS.copy())),
    }


def checkpoint() -> dict[str, object]:
    """Give what a training script saves."""
    layer = torch.nn.Linear(4, 5)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    layer(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "best": np.float64(0.5),
        "state_dict": state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def write_torch(path: Path, value: object = None, *, zipped: bool = True) -> Path:
    """Let PyTorch save a state dict, or something else."""
    value = state_dict() if value is None else value
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def write_safetensors(path: Path) -> Path:
    """Let safetensors save the state dict."""
    tensors = {name: tensor.detach().clone() for name, tensor in state_dict().items()}
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        path,
        metadata={"format": "pt"},
    )
    return path


def write_npz(path: Path, **more: object) -> Path:
    """Let NumPy save arrays under Chainer's names."""
    arrays = {
        "conv1/W": KERNEL,
        "conv1/b": BIAS.astype(np.float16),
        "loss3_fc/W": np.asfortranarray(LINEAR),
        "loss3_fc/b": np.zeros(5, ">f8"),
        "persistent": np.int64(3),
    }
    np.savez_compressed(path, **arrays, **more)
    return path


def onnx_model() -> onnx.ModelProto:
    """Build a graph with each kind of node from which a reader takes a fact."""
    half = helper.make_tensor("half", TensorProto.FLOAT16, [4], BIAS.astype(np.float16))
    brain = helper.make_tensor("brain", TensorProto.BFLOAT16, [4], BIAS)
    plain = helper.make_tensor("plain", TensorProto.FLOAT, [4], BIAS)
    double = helper.make_tensor("double", TensorProto.DOUBLE, [4], BIAS)
    raw = [numpy_helper.from_array(KERNEL, "kernel"), numpy_helper.from_array(LINEAR, "linear")]
    shape = numpy_helper.from_array(np.array([2, 3]), "shape")
    filling = helper.make_tensor("filling", TensorProto.FLOAT, [1], [0.5])
    pads = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 2, 2]}
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["filled"], value=filling),
        helper.make_node("Constant", [], ["constant"], value=numpy_helper.from_array(BIAS)),
        helper.make_node(
            "Conv",
            ["input", "kernel", "plain"],
            ["c"],
            strides=[2, 2],
            pads=[3, 3, 3, 3],
            kernel_shape=[7, 7],
        ),
        helper.make_node("LRN", ["c"], ["n"], size=5, alpha=1e-4, beta=0.75, bias=1.0),
        *(
            helper.make_node("MaxPool", [source], [target], **pads)
            for source, target in (("n", "p1"), ("p1", "p2"), ("p2", "p3"), ("p3", "p4"))
        ),
        helper.make_node("Sum", ["half", "brain", "double", "constant", "filled"], ["s"]),
        helper.make_node("Dropout", ["p4"], ["d"], ratio=0.4),
        helper.make_node("Gemm", ["d", "linear"], ["output"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 5])],
        [half, brain, plain, double, *raw, shape],
    )
    return helper.make_model(graph, producer_name="tests", producer_version="1")


def write_onnx(path: Path) -> Path:
    """Let ONNX save the model as one file."""
    onnx.save(onnx_model(), path)
    return path


def write_onnx_with_data(path: Path) -> Path:
    """Let ONNX save the model with its tensors in another file."""
    onnx.save(
        onnx_model(),
        path,
        save_as_external_data=True,
        location=f"{path.name}.data",
        size_threshold=0,
    )
    return path


def write_keras(path: Path, **options: object) -> Path:
    """Write the layout of Keras before 3, in a whole model."""
    with h5py.File(path, "w", **options) as file:
        file.attrs["model_config"] = (
            '{"class_name": "Model", "config": {"layers": [{"class_name": "InputLayer", '
            '"config": {"batch_input_shape": [null, 64, 64, 3]}}, {"class_name": '
            '"BatchNormalization", "config": {"epsilon": 0.001}}]}}'
        )
        file.attrs["keras_version"] = b"2.2.4"
        root = file.create_group("model_weights")
        weights = {
            "conv1/7x7_s2": {"conv1/7x7_s2/kernel:0": KERNEL.T, "conv1/7x7_s2/bias:0": BIAS},
            "old": {"old_W": KERNEL.T.astype(np.float16), "old_b": BIAS.astype(np.float64)},
            "dropout": {},
        }
        root.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, values in arrays.items():
                group.create_dataset(name, data=values)
        file.create_group("optimizer_weights")
    return path


def write_modern_keras(path: Path, **options: object) -> Path:
    """Write the layout of Keras 3."""
    with h5py.File(path, "w", **options) as file:
        for number in (0, 1, 10, 2):
            name = f"layers/conv2d_{number}" if number else "layers/conv2d"
            variables = file.create_group(f"{name}/vars")
            variables["0"] = KERNEL.T[..., :2] + number
            variables["1"] = BIAS[:2] + number
        norm = file.create_group("layers/batch_normalization/vars")
        for number in range(3):
            norm[str(number)] = BIAS + number
        file.create_group("layers/flatten/vars")
        file.create_group("vars")
    return path
