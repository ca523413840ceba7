"""What a GraphDef says of its network, whole and changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from googlenet.errors import ModelError
from googlenet.weights.formats import graphdef
from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.formats.graphdef import read
from tests.unit.test_graphdef import (
    FACTS_5H,
    TYPES,
    floats,
    graph,
    node,
    text,
)
from tests.unit.test_graphdef import inception5h as inception5h


class Light:
    """The 5h graph with kernels of one value, to be changed.

    Attributes:
        nodes: Each node's name, operation, inputs and attributes, by name.
    """

    def __init__(self, path: Path) -> None:
        self.nodes: dict[str, tuple[str, list[str], dict[str, Any]]] = {}
        for message in TYPES["Graph"].FromString(path.read_bytes()).node:
            each = graphdef._node(message)
            attributes = dict(each.attributes)
            if each.op == "Const":
                shape = each.attributes["value"].tensor.tensor_shape.dim
                sizes = [dim.size for dim in shape[:2]] + [1] * len(shape[2:])
                tensor = TYPES["Tensor"](
                    dtype=1,
                    tensor_shape=TYPES["Shape"](dim=[TYPES["Dim"](size=size) for size in sizes]),
                    float_val=floats(1),
                )
                attributes["value"] = TYPES["Value"](tensor=tensor)
            self.nodes[each.name] = (each.op, list(each.inputs), attributes)

    def of(self, op: str) -> list[str]:
        """Name the nodes of an operation; of pools those of stride 2."""
        return [
            name
            for name, (kind, _, attributes) in self.nodes.items()
            if kind == op and (op != "MaxPool" or list(attributes["strides"].list.i)[1] == 2)
        ]

    def change(self, name: str, *, op: str = "", **attributes: Any) -> None:
        """Give a node another operation or other attributes."""
        kind, inputs, kept = self.nodes[name]
        self.nodes[name] = (op or kind, inputs, {**kept, **attributes})

    def insert(self, before: str, op: str, *inputs: str, **attributes: Any) -> None:
        """Let a node read its first input through another one."""
        kind, (first, *rest), kept = self.nodes[before]
        self.nodes[before] = (kind, [f"{before}/new", *rest], kept)
        self.nodes[f"{before}/new"] = (op, [first, *inputs], attributes)

    def facts(self, folder: Path) -> GraphFacts:
        made = [node(name, op, *read, **more) for name, (op, read, more) in self.nodes.items()]
        return read(graph(folder / "light.pb", *made)).facts


@pytest.fixture
def light(inception5h: Path) -> Light:
    return Light(inception5h)


def listed(*numbers: int) -> Any:
    return TYPES["Value"](list=TYPES["List"](i=numbers))


def real(value: float) -> Any:
    return TYPES["Value"](f=value)


def sized(*sizes: int) -> Any:
    return TYPES["Value"](shape=TYPES["Shape"](dim=[TYPES["Dim"](size=size) for size in sizes]))


def widths(name: str, *numbers: int) -> tuple[str, list[str], dict[str, Any]]:
    """A constant that says how much to pad, two numbers an axis."""
    tensor = TYPES["Tensor"](
        dtype=3,
        tensor_shape=TYPES["Shape"](dim=[TYPES["Dim"](size=4), TYPES["Dim"](size=2)]),
        int_val=numbers,
    )
    return ("Const", [], {"value": TYPES["Value"](tensor=tensor)})


def test_the_light_graph_says_what_the_whole_one_says(tmp_path: Path, light: Light) -> None:
    assert light.facts(tmp_path) == FACTS_5H


def test_nodes_may_come_in_any_order(tmp_path: Path, light: Light) -> None:
    light.nodes = dict(reversed(light.nodes.items()))
    assert light.facts(tmp_path) == FACTS_5H


@pytest.mark.parametrize(
    ("padding", "explicit", "rounding"),
    [
        ("SAME", None, "same"),
        ("VALID", None, "floor"),
        # Before and after of each axis.
        ("EXPLICIT", (0, 0, 0, 1, 0, 1, 0, 0), "same"),
        ("EXPLICIT", (0, 0, 0, 2, 0, 2, 0, 0), "end"),
    ],
)
def test_pools_say_how_they_round(
    tmp_path: Path,
    light: Light,
    padding: str,
    explicit: tuple[int, ...] | None,
    rounding: str,
) -> None:
    for name in light.of("MaxPool"):
        more = {} if explicit is None else {"explicit_paddings": listed(*explicit)}
        light.change(name, padding=text(padding), **more)
    assert light.facts(tmp_path) == replace(FACTS_5H, pool_rounding=rounding)


@pytest.mark.parametrize("sides", [(1, 1, 1, 1), (1, 0, 1, 0), (0, 1, 0, 2)])
def test_pools_with_other_padding_are_a_conflict(
    tmp_path: Path, light: Light, sides: tuple[int, ...]
) -> None:
    for name in light.of("MaxPool"):
        explicit = listed(0, 0, *sides, 0, 0)
        light.change(name, padding=text("EXPLICIT"), explicit_paddings=explicit)
    facts = light.facts(tmp_path)
    assert facts.pool_rounding is None
    assert "a max pool of stride 2 is padded by" in facts.conflicts[0]


@pytest.mark.parametrize(
    ("numbers", "rounding"),
    [((0, 0, 0, 1, 0, 1, 0, 0), "same"), ((0, 0, 0, 2, 0, 2, 0, 0), "end"), ((1,) * 8, None)],
)
def test_pads_of_their_own_count_as_the_pools(
    tmp_path: Path, light: Light, numbers: tuple[int, ...], rounding: str | None
) -> None:
    for name in light.of("MaxPool"):
        light.change(name, padding=text("VALID"))
        light.insert(name, "Pad", f"{name}/widths")
        light.nodes[f"{name}/widths"] = widths(name, *numbers)
    facts = light.facts(tmp_path)
    assert facts.pool_rounding == rounding
    assert bool(facts.conflicts) == (rounding is None)


@pytest.mark.parametrize(
    ("sides", "padding"),
    [((3, 3, 3, 3), "symmetric"), ((2, 3, 2, 3), "same"), ((1,) * 4, None), ((2, 2, 3, 3), None)],
)
@pytest.mark.parametrize("own", [True, False])
def test_the_stems_padding_may_be_written_out(
    tmp_path: Path, light: Light, sides: tuple[int, ...], padding: str | None, own: bool
) -> None:
    stem, numbers = light.of("Conv2D")[0], (0, 0, *sides, 0, 0)
    if own:
        light.change(stem, padding=text("EXPLICIT"), explicit_paddings=listed(*numbers))
    else:
        light.change(stem, padding=text("VALID"))
        light.insert(stem, "Pad", "widths")
        light.nodes["widths"] = widths("widths", *numbers)
    facts = light.facts(tmp_path)
    assert facts.stem_padding == padding
    assert any("7x7" in each for each in facts.conflicts) == (padding is None)


def test_a_second_placeholder_does_not_hide_the_images_size(tmp_path: Path, light: Light) -> None:
    light.change("input", shape=sized(-1, 224, 224, 3))
    light.nodes = {"phase_train": ("Placeholder", [], {"shape": sized()}), **light.nodes}
    light.nodes["labels"] = ("Placeholder", [], {"shape": sized(-1)})
    assert light.facts(tmp_path) == replace(FACTS_5H, input_size=224)
    light.nodes["other"] = ("Placeholder", [], {"shape": sized(-1, 299, 299, 3)})
    facts = light.facts(tmp_path)
    assert facts.input_size is None
    assert facts.conflicts == ("the size of the image is 224 and 299",)


@pytest.mark.parametrize("sizes", [(1, 4097, 4097, 3), (1, 224, 200, 3), (1, -1, -1, 3)])
def test_an_image_of_another_kind_is_no_size(
    tmp_path: Path, light: Light, sizes: tuple[int, ...]
) -> None:
    light.change("input", shape=sized(*sizes))
    assert light.facts(tmp_path) == FACTS_5H


@pytest.mark.parametrize(
    ("op", "other", "said"),
    [
        ("Relu", "Sigmoid", "the operation Sigmoid, which is not understood"),
        ("Relu", "Identity", "a layer without a ReLU behind it"),
        ("LRN", "Div", "the operation Div, which is not understood"),
        ("BiasAdd", "Mul", "the operation Mul, which is not understood"),
    ],
)
def test_other_operations_are_conflicts(
    tmp_path: Path, light: Light, op: str, other: str, said: str
) -> None:
    assert light.of(op)
    for name in light.of(op):
        light.change(name, op=other)
    facts = light.facts(tmp_path)
    assert said in facts.conflicts
    if op == "LRN":
        assert (facts.has_local_response_norm, facts.local_response_norm) == (None, None)


def test_normalizations_are_two_and_alike_or_a_conflict(tmp_path: Path, light: Light) -> None:
    first, second = light.of("LRN")
    light.change(first, bias=real(1.0))
    facts = light.facts(tmp_path)
    assert (facts.has_local_response_norm, facts.local_response_norm) == (True, None)
    assert "k=1.0" in facts.conflicts[0] and "k=2.0" in facts.conflicts[0]
    light.change(second, op="Identity")
    assert "one of the two" in light.facts(tmp_path).conflicts[0]
    light.change(first, op="Identity")
    none = replace(FACTS_5H, has_local_response_norm=False, local_response_norm=None)
    assert light.facts(tmp_path) == none


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("alpha", float("nan"), "alpha nan"),
        ("beta", float("inf"), "beta inf"),
        ("bias", 0.0, "k 0.0"),
    ],
)
def test_constants_that_cannot_be_are_refused(
    tmp_path: Path, light: Light, name: str, value: float, said: str
) -> None:
    light.change(light.of("LRN")[0], **{name: real(value)})
    with pytest.raises(ModelError, match=said):
        light.facts(tmp_path)


@pytest.mark.parametrize("eps", [(1e-3,), (1e-3, 1e-5), (0.0,), (float("nan"),)])
def test_batch_normalizations_agree_or_are_a_conflict(
    tmp_path: Path, light: Light, eps: tuple[float, ...]
) -> None:
    for name, value in zip(light.of("Relu"), eps, strict=False):
        light.insert(name, "FusedBatchNormV3", epsilon=real(value))
    if not eps[0] > 0:
        with pytest.raises(ModelError, match="eps of"):
            light.facts(tmp_path)
    elif len(eps) == 1:
        assert light.facts(tmp_path) == replace(FACTS_5H, batch_norm_eps=1e-3)
    else:
        said = ("the eps of batch normalization is 0.001 and 1e-05",)
        assert light.facts(tmp_path) == replace(FACTS_5H, conflicts=said)
