"""Frozen graphs, as TensorFlow writes them, and damaged; and what a graph says of its network."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import graphdef
from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.formats.graphdef import read
from tests.oracles import golden

GOLDEN = Path("tests/golden")
GRAPH = GOLDEN / "small" / "graph.pb"
TYPES = graphdef._TYPES
NORM_5H = LocalResponseNorm(size=11, alpha=1e-4, beta=0.5, k=2.0, divide_alpha=False)


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value.what


@pytest.fixture(scope="module")
def inception5h(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return golden.unpack(
        GOLDEN / "inception5h.pb.xz", tmp_path_factory.mktemp("graph") / "inception5h.pb"
    )


def test_the_5h_graphs_weights_are_those_that_were_frozen(inception5h: Path) -> None:
    file = read(inception5h)
    assert (file.format, len(file.arrays)) == ("graphdef", 128)
    assert sum(array.size for array in file.arrays.values()) == 13_461_996
    assert list(file.arrays)[:2] == ["conv2d0_w", "conv2d0_b"]
    assert file.arrays["mixed4a_3x3_w"].shape == (3, 3, 96, 204)
    for name, array in file.arrays.items():
        fan_in = int(np.prod(array.shape[:-1]))
        drawn = (
            golden.draw_weight(name, array.shape, fan_in)
            if name.endswith("_w")
            else golden.draw_shift(name, array.shape)
        )
        np.testing.assert_array_equal(array, drawn, err_msg=name)


def test_the_5h_graph_says_what_it_is(inception5h: Path) -> None:
    assert read(inception5h).facts == GraphFacts(
        has_local_response_norm=True,
        local_response_norm=NORM_5H,
        stem_padding="same",
        pool_rounding="same",
        last_pool_kernel=3,
        aux_pooling="average",
    )


def test_a_zip_is_read_without_being_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "inception5h.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        written.write(GRAPH, "tensorflow_inception_graph.pb")
        written.writestr("imagenet_comp_graph_label_strings.txt", "dummy\nkit fox\n")
    assert list(read(path).arrays) == list(read(GRAPH).arrays)
    assert list(tmp_path.iterdir()) == [path]


def test_constants_are_read_in_every_precision_and_shapes_are_left_out() -> None:
    arrays = read(GRAPH).arrays
    assert list(arrays) == ["conv_w", "zeros", "half", "double"]
    np.testing.assert_array_equal(arrays["conv_w"], golden.draw_weight("conv_w", (7, 7, 3, 4), 147))
    np.testing.assert_array_equal(arrays["zeros"], np.zeros(4, np.float32))
    half = golden.draw_shift("half", (6,)).astype(np.float16)
    np.testing.assert_array_equal(arrays["half"], half)
    assert (arrays["half"].dtype, arrays["double"].dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(arrays["double"], golden.draw_shift("double", (2, 3)))


def test_a_part_of_a_network_says_no_more_than_it_has() -> None:
    """TensorFlow's own graph, whose pools and normalization lead to no classifier."""
    assert read(GRAPH).facts == GraphFacts(stem_padding="same", input_size=64)


# Graphs that TensorFlow does not write by itself are put together from the fields' numbers.


def constant(name: str, shape: tuple[int, ...], dtype: int = 1, **values: Any) -> Any:
    tensor = TYPES["Tensor"](
        dtype=dtype,
        tensor_shape=TYPES["Shape"](dim=[TYPES["Dim"](size=size) for size in shape]),
        **values,
    )
    return node(name, "Const", value=TYPES["Value"](tensor=tensor))


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Any:
    return TYPES["Node"](
        name=name.encode(),
        op=op.encode(),
        input=[each.encode() for each in inputs],
        attr=[
            TYPES["Attribute"](key=key.encode(), value=value) for key, value in attributes.items()
        ],
    )


def test_scales_of_one_stand_for_none_unless_there_are_others(tmp_path: Path) -> None:
    assert read(GRAPH).notes == (
        "Left out scales of batch normalization that are 1 throughout: 1.",
    )
    nodes = [
        constant("ones", (2,), float_val=floats(1)),
        constant("gamma", (2,), float_val=floats(2)),
        node("gamma/read", "Identity", "gamma"),
        node("norm1", "FusedBatchNorm", "x", "ones"),
        node("norm2", "FusedBatchNorm", "norm1", "gamma/read"),
    ]
    file = read(graph(tmp_path / "a.pb", *nodes))
    assert (list(file.arrays), file.notes) == (["ones", "gamma"], ())


def text(value: str) -> Any:
    return TYPES["Value"](s=value.encode())


def graph(path: Path, *nodes: Any) -> Path:
    path.write_bytes(TYPES["Graph"](node=nodes).SerializeToString())
    return path


def floats(*values: float) -> list[bytes]:
    return [np.array(values, "<f4").tobytes()]


def test_the_last_number_stands_for_the_rest_and_none_for_zeros(tmp_path: Path) -> None:
    path = graph(
        tmp_path / "a.pb",
        constant("one", (2, 3), float_val=floats(5)),
        constant("two", (4,), float_val=floats(1, 2)),
        constant("none", (3,)),
        constant("half", (3,), 19, half_val=[0x3C00, 0xC000]),
        constant("brain", (3,), 14, half_val=[0x3F80, 0xC000]),
        constant("double", (2,), 2, double_val=[np.array([0.1, 0.2]).tobytes()]),
    )
    arrays = {name: array.tolist() for name, array in read(path).arrays.items()}
    assert arrays == {
        "one": [[5, 5, 5], [5, 5, 5]],
        "two": [1, 2, 2, 2],
        "none": [0, 0, 0],
        "half": [1, -2, -2],
        "brain": [1, -2, -2],
        "double": [0.1, 0.2],
    }


FACTS_5H = GraphFacts(
    has_local_response_norm=True,
    local_response_norm=NORM_5H,
    stem_padding="same",
    pool_rounding="same",
    last_pool_kernel=3,
    aux_pooling="average",
)


def test_a_graph_that_goes_round_in_circles_is_refused(tmp_path: Path) -> None:
    nodes = [
        constant("w", (2,), float_val=floats(1)),
        node("a", "Relu", "b"),
        node("b", "Relu", "a"),
    ]
    assert "in a circle" in problem(graph(tmp_path / "a.pb", *nodes))


# Bad input.


def test_a_saved_model_is_recognized() -> None:
    path = GOLDEN / "small" / "saved_model" / "saved_model.pb"
    assert "is a SavedModel" in problem(path)


def test_missing_ends_are_refused_or_leave_fewer_nodes(tmp_path: Path) -> None:
    data = GRAPH.read_bytes()
    path = tmp_path / "cut.pb"
    refused = 0
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        try:
            assert len(read(path).arrays) <= 4
        except ModelError:
            refused += 1
    assert refused > len(data) / 7 * 0.9


@pytest.mark.parametrize(
    ("shape", "values", "said"),
    [
        ((2**40, 2**40), {"float_val": floats(1)}, "would take"),
        ((2**31, 2**33), {"float_val": floats(1)}, "would take"),
        ((20_000_000,), {"float_val": floats(1)}, "would take"),
        ((20_000_000,), {}, "would take"),
        ((3,), {"tensor_content": bytes(8)}, "has 2 values"),
        ((1,), {"tensor_content": bytes(8)}, "has 2 values"),
        ((1,), {"tensor_content": bytes(5)}, "ends within a number"),
        ((1,), {"float_val": floats(1, 2)}, "has 2 values"),
        ((-1,), {"float_val": floats(1)}, "shape"),
        ((0,), {}, "shape"),
        ((1,) * 20, {"float_val": floats(1)}, "shape"),
    ],
)
def test_a_shape_is_not_believed(
    tmp_path: Path, shape: tuple[int, ...], values: dict[str, Any], said: str
) -> None:
    assert said in problem(graph(tmp_path / "a.pb", constant("a", shape, **values)))


def test_many_small_claims_are_a_large_one(tmp_path: Path) -> None:
    nodes = [constant(f"a{i}", (1000, 1000), float_val=floats(1)) for i in range(20)]
    assert "would take 80,000,000 bytes" in problem(graph(tmp_path / "a.pb", *nodes))


def test_two_nodes_of_one_name_are_refused(tmp_path: Path) -> None:
    nodes = [constant("a", (1,), float_val=floats(1))] * 2
    assert "two nodes 'a'" in problem(graph(tmp_path / "a.pb", *nodes))


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\xff" * 100, b"PK\x03\x04", b"\x1f\x8b"])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other.pb"
    path.write_bytes(data)
    assert "damaged" in problem(path)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(GRAPH, "graph.pb")
    data = bytearray(written.getvalue())
    path = tmp_path / "graph.zip"
    path.write_bytes(data[:-30])
    assert "zip file is damaged" in problem(path)
    data[200] ^= 1
    path.write_bytes(data)
    assert "zip file is damaged" in problem(path)


def test_a_zip_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("graph.pb", bytes(2_000_000))
    assert "it unpacks to 2,000,000 bytes" in problem(path)
