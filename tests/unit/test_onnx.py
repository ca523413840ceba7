"""ONNX models as onnx writes them, their data beside them, and files that are damaged or lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import onnx as reader
from googlenet.weights.formats.contents import GraphFacts, WeightsFile
from tests import foreign_files

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
