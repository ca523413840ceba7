"""What an ONNX graph says of its network, whole and changed."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import onnx as reader
from googlenet.weights.formats.contents import GraphFacts
from tests.narrow import narrow_network, narrow_spec
from tests.unit.test_onnx import FACTS, LIGHT, problem, saved


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
