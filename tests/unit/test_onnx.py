"""ONNX models as onnx writes them, their data beside them, and files that are damaged or lie."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import onnx as reader
from googlenet.weights.formats.contents import GraphFacts, WeightsFile
from tests import foreign_files
from tests.narrow import narrow_network, narrow_spec

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_inception_v1.onnx"
FACTS = GraphFacts(
    has_local_response_norm=True,
    local_response_norm=LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0),
    stem_padding="symmetric",
    pool_rounding="floor",
    last_pool_kernel=3,
    dropout=0.4,
    input_size=224,
)


def problem(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        reader.read(path)
    assert caught.value.where and caught.value.fix
    return caught.value


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "a.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def named(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def check(file: WeightsFile) -> None:
    coarse = foreign_files.BIAS.view(np.uint32)
    expected = {
        "kernel": foreign_files.KERNEL,
        "plain": foreign_files.BIAS,
        "half": foreign_files.BIAS.astype(np.float16).astype(np.float32),
        "brain": None,
        "double": foreign_files.BIAS.astype(np.float64),
        "constant": foreign_files.BIAS,
        "filled": np.full((2, 3), 0.5, np.float32),
        "linear": foreign_files.LINEAR,
    }
    assert list(file.arrays) == list(expected)  # in the order of the graph
    for name, values in expected.items():
        found = file.arrays[name]
        if values is not None:
            assert found.dtype == values.dtype, name
            assert np.array_equal(found, values), name
        else:
            assert found.dtype == np.float32
            assert np.abs(found.view(np.uint32).astype(np.int64) - coarse).max() < 2**16


def test_tensors_and_facts_are_those_of_the_model(tmp_path: Path) -> None:
    file = reader.read(foreign_files.write_onnx(tmp_path / "a.onnx"))
    check(file)
    assert file.format == "onnx"
    assert file.producer == "tests 1"
    assert (file.facts.dropout, file.facts.input_size) == (0.4, 64)


def test_data_beside_the_model_is_read(tmp_path: Path) -> None:
    path = foreign_files.write_onnx_with_data(tmp_path / "a.onnx")
    assert path.with_name("a.onnx.data").exists()
    check(reader.read(path))


def test_the_light_inception_floors_its_pools() -> None:
    file = reader.read(LIGHT)
    assert len(file.arrays) == 116
    assert list(file.arrays)[:2] == ["conv1/7x7_s2_w_0", "conv1/7x7_s2_b_0"]
    assert file.arrays["loss3/classifier_w_0"].shape == (1, 1, 1000, 1024)
    assert (file.facts, file.notes) == (FACTS, ())
    assert file.producer == "onnx-caffe2"


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def changed(folder: Path, kind: str, which: slice = slice(None), **values: object) -> GraphFacts:
    """Read the facts of the light model with other attributes of some nodes."""
    model = onnx.load(LIGHT)
    nodes = [each for each in model.graph.node if each.op_type == kind]
    if kind == "MaxPool":
        nodes = [each for each in nodes if attributes(each)["strides"] == [2, 2]]
    for node in nodes[which]:
        kept = {name: value for name, value in {**attributes(node), **values}.items() if value}
        node.CopyFrom(helper.make_node(kind, node.input, node.output, **kept))
    return reader.read(saved(folder, model)).facts


def replaced(folder: Path, kind: str, by: str, **values: object) -> GraphFacts:
    """Read the facts of the light model with another operation in the place of one."""
    model = onnx.load(LIGHT)
    for node in model.graph.node:
        if node.op_type == kind:
            node.CopyFrom(helper.make_node(by, node.input[:1], node.output[:1], **values))
    return reader.read(saved(folder, model)).facts


@pytest.mark.parametrize(
    ("values", "rounding"),
    [
        ({}, "floor"),
        ({"ceil_mode": 1}, "ceil"),
        ({"auto_pad": "SAME_UPPER", "pads": None}, "same"),
        ({"pads": [0, 0, 2, 2]}, "end"),
        ({"pads": [0, 0, 1, 1]}, "same"),  # of even sides
    ],
)
def test_rounding_is_read_from_the_pools(
    tmp_path: Path, values: dict[str, object], rounding: str
) -> None:
    # The sides of floored maps, 55 and 27, are odd.
    facts = changed(tmp_path, "MaxPool", **values)
    assert facts == replace(FACTS, pool_rounding=rounding)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pads": [1, 1, 1, 1]}, "a max pool of stride 2 is padded by 1"),
        ({"pads": [1, 1, 1, 1], "ceil_mode": 1}, "a max pool of stride 2 is padded by 1"),
        ({"pads": [0, 1, 0, 1]}, "a max pool of stride 2 is padded by 0, 1, 0, 1"),
        (
            {"auto_pad": "SAME_LOWER", "pads": None},
            "the odd pixel of padding before what MaxPool reads",
        ),
        ({"kernel_shape": [2, 2]}, "the max pools of stride 2 are 2x2, 2x2, 2x2, 2x2"),
        ({"strides": [2, 1]}, "there are 0 max pools of stride 2, not four"),
    ],
)
def test_other_pools_are_conflicts(tmp_path: Path, values: dict[str, object], said: str) -> None:
    facts = changed(tmp_path, "MaxPool", **values)
    assert facts.pool_rounding is None
    assert said in "; ".join(facts.conflicts)


def test_the_last_pool_may_be_smaller(tmp_path: Path) -> None:
    facts = changed(tmp_path, "MaxPool", slice(3, 4), kernel_shape=[2, 2])
    assert facts == replace(FACTS, last_pool_kernel=2)


def test_pools_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    facts = changed(tmp_path, "MaxPool", slice(1), ceil_mode=1)
    assert facts.conflicts == ("the max pools of stride 2 round differently",)
    assert facts.pool_rounding is None


@pytest.mark.parametrize(
    ("values", "padding"),
    [
        ({"pads": [2, 2, 3, 3]}, "same"),
        ({"auto_pad": "SAME_UPPER", "pads": None}, "same"),
        ({"pads": [3, 3, 3, 3]}, "symmetric"),
        # The weight tells the kernel's size as well.
        ({"pads": [3, 3, 3, 3], "kernel_shape": None}, "symmetric"),
    ],
)
def test_padding_is_read_from_the_first_convolution(
    tmp_path: Path, values: dict[str, object], padding: str
) -> None:
    facts = changed(tmp_path, "Conv", slice(1), **values)
    assert facts == replace(FACTS, stem_padding=padding)


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [3, 3, 2, 2], [2, 3, 2, 3], None])
def test_other_padding_of_it_is_a_conflict(tmp_path: Path, pads: list[int] | None) -> None:
    facts = changed(tmp_path, "Conv", slice(1), pads=pads)
    assert facts.stem_padding is None
    assert "the 7x7 convolution is padded by" in facts.conflicts[0]


@pytest.mark.parametrize(
    ("kind", "by", "said"),
    [
        ("Relu", "Sigmoid", "the operation Sigmoid, which is not understood"),
        ("Relu", "Identity", "a layer without a ReLU behind it"),
        ("LRN", "MeanVarianceNormalization", "MeanVarianceNormalization, which is not understood"),
    ],
)
def test_other_operations_are_conflicts(tmp_path: Path, kind: str, by: str, said: str) -> None:
    facts = replaced(tmp_path, kind, by)
    assert said in "; ".join(facts.conflicts)
    if kind == "LRN":
        assert (facts.has_local_response_norm, facts.local_response_norm) == (None, None)


def test_no_normalization_is_none_where_all_else_is_understood(tmp_path: Path) -> None:
    facts = replaced(tmp_path, "LRN", "Identity")
    assert facts == replace(FACTS, has_local_response_norm=False, local_response_norm=None)


def test_normalizations_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    facts = changed(tmp_path, "LRN", slice(1), size=9)
    assert (facts.has_local_response_norm, facts.local_response_norm) == (True, None)
    assert "size=9" in facts.conflicts[0] and "size=5" in facts.conflicts[0]


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("LRN", {"size": 4}, "size 4"),
        ("LRN", {"size": -1}, "size -1"),
        ("LRN", {"alpha": float("nan")}, "alpha nan"),
        ("LRN", {"beta": float("inf")}, "beta inf"),
        ("LRN", {"bias": -1.0}, "k -1.0"),
        ("Dropout", {"ratio": float("nan")}, "dropout has a ratio of nan"),
        ("Dropout", {"ratio": 1.0}, "dropout has a ratio of 1.0"),
    ],
)
def test_constants_that_cannot_be_are_refused(
    tmp_path: Path, kind: str, values: dict[str, object], said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        changed(tmp_path, kind, **values)


def test_an_image_without_bounds_is_no_size(tmp_path: Path) -> None:
    model = onnx.load(LIGHT)
    image = next(each for each in model.graph.input if each.name == "data_0")
    for size in (4097, 0):
        for axis in (2, 3):
            image.type.tensor_type.shape.dim[axis].dim_value = size
        assert reader.read(saved(tmp_path, model)).facts.input_size is None


def test_what_happens_to_the_image_first_is_said(tmp_path: Path) -> None:
    model = onnx.load(LIGHT)
    first = next(each for each in model.graph.node if each.op_type == "Conv")
    first.input[0] = "scaled"
    model.graph.node.insert(0, helper.make_node("Mul", ["data_0", "factor"], ["scaled"]))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "factor"))
    file = reader.read(saved(tmp_path, model))
    assert file.facts == FACTS
    assert file.notes == ("Left out is what the graph does to its image first: Mul.",)


def exported(folder: Path, variant: str, size: int = 64) -> Path:
    """Let PyTorch write a network of ours, its normalization as the operations it is made of."""
    spec = replace(narrow_spec(name=variant, aux=False), aux=None)
    path = folder / f"{variant}.onnx"
    with warnings.catch_warnings():
        # It says that this is the older of its two exporters.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            narrow_network(spec), torch.zeros(1, 3, size, size), str(path), dynamo=False
        )
    return path


@pytest.mark.parametrize("variant", ["caffe", "inception5h", "torchvision", "slim", "bn"])
def test_what_pytorch_exports_is_read_whole(tmp_path: Path, variant: str) -> None:
    spec = narrow_spec(name=variant)
    file = reader.read(exported(tmp_path, variant))
    # A convolution and its bias, or its batch normalization folded into both.
    assert len(file.arrays) == 2 * 58
    norm = spec.local_response_norm
    if norm is not None and not norm.divide_alpha:
        norm = replace(norm, alpha=norm.alpha * norm.size, divide_alpha=True)
    assert file.facts == GraphFacts(
        has_local_response_norm=norm is not None,
        local_response_norm=norm,
        stem_padding=spec.stem_padding,
        pool_rounding=spec.pool_rounding,
        last_pool_kernel=spec.last_pool_kernel,
        input_size=64,
    )


@pytest.mark.parametrize(
    ("constant", "value", "said"),
    [("Pow", 0.5, None), ("Pow", float("nan"), "beta nan"), ("Add", 2.0, None)],
)
def test_constants_are_those_that_the_operations_have(
    tmp_path: Path, constant: str, value: float, said: str | None
) -> None:
    model = onnx.load(exported(tmp_path, "caffe"))
    names = {each.input[1] for each in model.graph.node if each.op_type == constant}
    for node in model.graph.node:
        if node.output[0] in names:
            node.attribute[0].t.CopyFrom(numpy_helper.from_array(np.float32(value)))
    if said is not None:
        assert said in problem(saved(tmp_path, model)).what
        return
    changes = {"beta": value} if constant == "Pow" else {"k": value}
    norm = reader.read(saved(tmp_path, model)).facts.local_response_norm
    assert norm == replace(LocalResponseNorm(), **changes)


def test_almost_a_normalization_is_none(tmp_path: Path) -> None:
    """Of a window that is not in the middle, and so of other channels."""
    model = onnx.load(exported(tmp_path, "caffe"))
    for node in model.graph.node:
        values = numpy_helper.to_array(node.attribute[0].t) if node.op_type == "Constant" else ()
        if list(np.atleast_1d(values)) == [0, 0, 0, 0, 2, 2]:
            moved = np.array([0, 0, 0, 0, 1, 3])
            node.attribute[0].t.CopyFrom(numpy_helper.from_array(moved))
    facts = reader.read(saved(tmp_path, model)).facts
    assert facts.has_local_response_norm is None
    assert "the operations Div, If, Mul, Pow, which are not understood" in facts.conflicts


def test_batch_normalization_and_heads_are_read(tmp_path: Path) -> None:
    model = onnx.load(LIGHT)
    pools = [each for each in model.graph.node if each.op_type == "MaxPool"]
    third = [each for each in pools if attributes(each)["strides"] == [2, 2]][2]
    head = helper.make_node("AveragePool", third.output, ["a"], kernel_shape=[5, 5], strides=[3, 3])
    norm = helper.make_node("BatchNormalization", ["a", "g", "b", "m", "v"], ["bn"], epsilon=1e-3)
    last = helper.make_node("Gemm", ["bn", "loss3/classifier_w_0"], ["c"])
    model.graph.node.extend([head, norm, last])
    facts = reader.read(saved(tmp_path, model)).facts
    assert facts == replace(FACTS, batch_norm_eps=1e-3, aux_pooling="average")
    norm.output[0], norm.attribute[0].f = "other", 1e-5
    model.graph.node.extend([norm, helper.make_node("Gemm", ["other", "x"], ["d"])])
    facts = reader.read(saved(tmp_path, model)).facts
    assert facts.batch_norm_eps is None
    assert facts.conflicts == ("the eps of batch normalization is 0.001 and 1e-05",)


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/../../secret", "", "a\0b", "link", "missing", "long" * 1000],
)
def test_data_outside_the_models_folder_is_never_read(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(foreign_files.KERNEL.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    model = foreign_files.onnx_model()
    kernel = named(model, "kernel")
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value=location)
    error = problem(saved(folder, model))
    inside = location in ("missing", "long" * 1000)
    assert error.what == (
        "ONNX model lacks the data file that it names"
        if inside
        else f"ONNX model keeps kernel outside its own folder: {location!r}"
    )


@pytest.mark.parametrize(
    ("offset", "length"),
    [("0", "5"), ("-4", None), ("4", None), ("99999", "1"), ("x", None), ("0", str(2**70))],
)
def test_data_that_is_not_all_there_is_refused(
    tmp_path: Path, offset: str, length: str | None
) -> None:
    (tmp_path / "data").write_bytes(foreign_files.KERNEL.tobytes())
    model = foreign_files.onnx_model()
    kernel = named(model, "kernel")
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    said = {"location": "data", "offset": offset, "length": length}
    for key, value in said.items():
        if value is not None:
            kernel.external_data.add(key=key, value=value)
    assert "'kernel'" in problem(saved(tmp_path, model)).what


def test_tensors_that_share_their_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(foreign_files.KERNEL.tobytes())
    model = foreign_files.onnx_model()
    for number in range(3):
        tensor = model.graph.initializer.add(name=f"copy{number}", data_type=1, data_location=1)
        tensor.dims.extend(foreign_files.KERNEL.shape)
        tensor.external_data.add(key="location", value="data")
    assert "overlap" in problem(saved(tmp_path, model)).what


def test_quantized_models_are_refused(tmp_path: Path) -> None:
    for operation in ("QLinearConv", "DequantizeLinear", "ConvInteger"):
        model = foreign_files.onnx_model()
        model.graph.node.append(helper.make_node(operation, ["c"], ["q"]))
        error = problem(saved(tmp_path, model))
        assert operation in error.what
        assert "floating-point model" in str(error.fix)
    model = foreign_files.onnx_model()
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.int8), "q"))
    assert "8 bits" in problem(saved(tmp_path, model)).what


@pytest.mark.parametrize("dims", [[2, 2], [-1], [2**62, 2**62], [4, 2**61], [1] * 20])
def test_shapes_that_their_data_do_not_fill_are_refused(tmp_path: Path, dims: list[int]) -> None:
    model = foreign_files.onnx_model()
    named(model, "linear").dims[:] = dims
    assert "'linear'" in problem(saved(tmp_path, model)).what


def test_constants_without_end_are_refused(tmp_path: Path) -> None:
    model = foreign_files.onnx_model()
    for sizes, said in (([2**20, 2**20], "would take"), ([-1, 2], "shape"), ([1] * 12, "shape")):
        named(model, "shape").CopyFrom(numpy_helper.from_array(np.array(sizes), "shape"))
        assert said in problem(saved(tmp_path, model)).what


def test_two_tensors_of_one_name_are_refused(tmp_path: Path) -> None:
    model = foreign_files.onnx_model()
    model.graph.initializer.append(named(model, "linear"))
    assert "two tensors 'linear'" in problem(saved(tmp_path, model)).what


def test_messages_without_number_are_refused(tmp_path: Path) -> None:
    """Two bytes each in the file, some hundred in memory."""
    nodes = b"\x0a\x00" * 100_000
    length = len(nodes)
    varint = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14])
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x07\x3a" + varint + nodes)
    assert "100,000 messages" in problem(path).what


def test_truncated_models_are_refused(tmp_path: Path) -> None:
    path = foreign_files.write_onnx(tmp_path / "a.onnx")
    data = path.read_bytes()
    for length in range(40, len(data) - 40, 61):
        path.write_bytes(data[:length])
        assert "ONNX file is damaged" in problem(path).what
    # A length of 2 GB is believed no more than another.
    path.write_bytes(b"\x08\x07\x3a\xff\xff\xff\xff\x07" + data)
    assert "no protocol buffer" in problem(path).what


def test_truncated_data_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_onnx_with_data(tmp_path / "a.onnx")
    data = path.with_name("a.onnx.data")
    data.write_bytes(data.read_bytes()[:-1])
    assert "not all in the file" in problem(path).what


def test_a_model_is_read_through_a_link_to_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    foreign_files.write_onnx_with_data(folder / "a.onnx")
    (tmp_path / "link").symlink_to(folder)
    check(reader.read(tmp_path / "link" / "a.onnx"))
    shutil.rmtree(folder)
