"""What a prototxt tells of a network, and which do not belong to the weights beside them."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import caffe
from googlenet.weights.formats.caffe_schema import NetParameter
from googlenet.weights.formats.contents import GraphFacts, WeightsFile
from tests import caffe_wire as wire
from tests.fidelity import caffe_files

# Caffe's own net, a layer a line, and as many outputs of each as it declares.
DEPLOY = caffe_files.googlenet(224, 5)
BLOBS = {
    layer.name: (layer.kind, wire.blob(np.ones((layer.shape[0], 1), np.float32)))
    for layer in DEPLOY.learned
}
WEIGHTS = b"".join(wire.layer(name, kind, blob) for name, (kind, blob) in BLOBS.items())
DECLARED = DEPLOY.text[0]
NO_INPUT = "\n".join(["", *DEPLOY.text[1:], ""]).replace(
    'layer { name: "loss3/classifier" type: "InnerProduct" bottom: "pool5/7x7_s1"',
    'layer { name: "drop" type: "Dropout" bottom: "pool5/7x7_s1" top: "drop" '
    "dropout_param { dropout_ratio: 0.3 } }\n"
    'layer { name: "loss3/classifier" type: "InnerProduct" bottom: "drop"',
)
LAYERS = DECLARED + NO_INPUT
NORM = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
OTHER_NORM = "lrn_param { local_size: 11 alpha: 0.0011 beta: 0.5 k: 2 }"
STEM = "kernel_size: 7 stride: 2 pad: 3"
POOL = "kernel_size: 3 stride: 2 pad: 0"
FACTS = GraphFacts(
    has_local_response_norm=True,
    local_response_norm=LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0),
    stem_padding="symmetric",
    pool_rounding="ceil",
    last_pool_kernel=3,
    dropout=0.3,
    input_size=224,
)


def read(folder: Path, prototxt: str | bytes, weights: bytes = WEIGHTS) -> WeightsFile:
    (folder / "net.caffemodel").write_bytes(weights)
    data = prototxt.encode() if isinstance(prototxt, str) else prototxt
    (folder / "net.prototxt").write_bytes(data)
    return caffe.read(folder / "net.caffemodel", folder / "net.prototxt")


def facts(folder: Path, prototxt: str | bytes) -> GraphFacts:
    return read(folder, prototxt).facts


def refusal(folder: Path, prototxt: str | bytes) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read(folder, prototxt)
    assert caught.value.where and caught.value.fix
    return caught.value


def conflicts(folder: Path, prototxt: str) -> str:
    """Give what of a net no spec can hold."""
    return "; ".join(facts(folder, prototxt).conflicts)


def without(kind: str, name: str, text: str = LAYERS) -> str:
    """Take a layer out, and let what reads it read what it reads."""
    line = next(each for each in text.splitlines() if f'name: "{name}" type: "{kind}"' in each)
    below, above = re.search(r'bottom: "(.+?)" top: "(.+?)"', line).groups()
    return text.replace(line + "\n", "").replace(f'bottom: "{above}"', f'bottom: "{below}"')


def test_a_nets_facts_are_read(tmp_path: Path) -> None:
    assert facts(tmp_path, LAYERS) == FACTS
    other = LAYERS.replace(NORM, OTHER_NORM).replace("kernel_size: 7", "kernel_h: 7 kernel_w: 7")
    norm = LocalResponseNorm(size=11, alpha=0.0011, beta=0.5, k=2.0)
    assert facts(tmp_path, other) == replace(FACTS, local_response_norm=norm)


@pytest.mark.parametrize(
    "declared",
    [
        'input: "data" input_dim: 10 input_dim: 3 input_dim: 231 input_dim: 231',
        'input: "data" input_shape { dim: 1 dim: 3 dim: 231 dim: 231 }',
        'layer { name: "data" type: "Input" input_param { shape: { dim: [1, 3, 231, 231] } } }',
        'layer { name: "data" type: "Data" transform_param { crop_size: 231 } }',
    ],
)
def test_an_input_is_declared_in_four_ways(declared: str, tmp_path: Path) -> None:
    assert facts(tmp_path, declared + NO_INPUT).input_size == 231


@pytest.mark.parametrize(
    "declared",
    [
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 224 input_dim: 200',
        'input: "data" input_dim: 1 input_dim: 3 input_dim: -4 input_dim: -4',
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 4097 input_dim: 4097',
        'input: "data" input_dim: 1 input_dim: 1 input_dim: 28 input_dim: 28',
    ],
)
def test_an_input_of_another_kind_is_no_size(declared: str, tmp_path: Path) -> None:
    assert facts(tmp_path, declared + NO_INPUT).input_size is None


@pytest.mark.parametrize(
    ("settings", "rounding"),
    [("", "ceil"), ("round_mode: CEIL", "ceil"), ("round_mode: FLOOR", "floor")],
)
def test_pools_round_as_they_say(settings: str, rounding: str | None, tmp_path: Path) -> None:
    text = LAYERS.replace(POOL, f"kernel_size: 3 stride: 2 {settings}")
    assert facts(tmp_path, text) == replace(FACTS, pool_rounding=rounding)
    before, last = text.rsplit("kernel_size: 3 stride: 2", 1)
    two = f"{before}kernel_size: 2 stride: 2{last}"
    assert facts(tmp_path, two) == replace(FACTS, pool_rounding=rounding, last_pool_kernel=2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (STEM, "kernel_size: 7 stride: 2 pad: 0", "the 7x7 convolution is padded by 0"),
        (STEM, "kernel_size: 7 stride: 2 pad_h: 3", "padded by 3, 0, 3, 0"),
        (STEM, "kernel_size: 7 stride: 1 pad: 3", "the 7x7 convolution has a stride of 1"),
        ("kernel_size: 5 stride: 1 pad: 2", "kernel_size: 5", "a 5x5 convolution is padded by 0"),
        (POOL, "kernel_size: 3 stride: 2 pad: 1", "a max pool of stride 2 is padded by 1"),
        (POOL, "kernel_size: 3 stride: 1 pad: 1", "there are 0 max pools of stride 2, not four"),
        (POOL, "kernel_size: 2 stride: 2", "the max pools of stride 2 are 2x2, 2x2, 2x2, 2x2"),
        ("pool: MAX", "pool: STOCHASTIC", "stochastic pool, which is not understood"),
        ("kernel_size: 3 stride: 1 pad: 1", "kernel_size: 5 stride: 1 pad: 2", "5x5 max pool"),
        ('type: "ReLU"', 'type: "Sigmoid"', "the operation Sigmoid, which is not understood"),
        ('type: "ReLU"', 'type: "PReLU"', "the operation PReLU, which is not understood"),
        ('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: 0.1 }', "a slope of 0.1"),
        (NORM, f"{NORM[:-1]} norm_region: WITHIN_CHANNEL }}", "normalization within channels"),
    ],
)
def test_what_no_spec_can_hold_is_a_conflict(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in LAYERS
    assert said in conflicts(tmp_path, LAYERS.replace(old, new))


def test_pools_that_disagree_say_nothing(tmp_path: Path) -> None:
    found = facts(tmp_path, LAYERS.replace(POOL, f"{POOL} round_mode: FLOOR", 1))
    assert found.pool_rounding is None
    assert found.conflicts == ("the max pools of stride 2 round differently",)


def test_norms_that_differ_are_there_without_constants(tmp_path: Path) -> None:
    found = facts(tmp_path, LAYERS.replace(NORM, OTHER_NORM, 1))
    assert (found.has_local_response_norm, found.local_response_norm) == (True, None)
    assert "local response normalization is Local" in found.conflicts[0]


def test_norms_stand_where_they_stand_in_a_googlenet(tmp_path: Path) -> None:
    bare = without("LRN", "pool1/norm1")
    assert "one of the two" in conflicts(tmp_path, bare)
    none = facts(tmp_path, without("LRN", "conv2/norm2", bare))
    assert (none.has_local_response_norm, none.conflicts) == (False, ())
    late = 'layer { name: "late" type: "LRN" bottom: "pool2/3x3_s2" top: "pool2/3x3_s2" }'
    at = 'layer { name: "inception_3a/1x1" '
    third = LAYERS.replace(at, f"{late}\n{at}").replace("}\n\nlayer", "}\nlayer")
    assert "there are 3" in conflicts(tmp_path, third)
    elsewhere = without("LRN", "pool1/norm1", third)
    assert "not behind the first pool and third convolution" in conflicts(tmp_path, elsewhere)


@pytest.mark.parametrize("kind", ["BatchNorm", "Scale"])
def test_caffes_batch_normalization_is_a_conflict(kind: str, tmp_path: Path) -> None:
    more = f'layer {{ name: "bn" type: "{kind}" bottom: "conv2/3x3" top: "conv2/3x3" }}\n'
    relu = 'layer { name: "conv2/relu_3x3" '
    text = LAYERS.replace(relu, more + relu)
    assert text != LAYERS
    assert conflicts(tmp_path, text) == "batch normalization layers, which are not converted"


def test_a_layer_without_a_rectifier_is_a_conflict(tmp_path: Path) -> None:
    text = without("ReLU", "conv2/relu_3x3")
    assert conflicts(tmp_path, text) == "a layer without a ReLU behind it"


def test_caffes_defaults_stand_for_what_is_not_written(tmp_path: Path) -> None:
    text = LAYERS.replace("local_size: 5 alpha: 0.0001 beta: 0.75", "")
    found = facts(tmp_path, text.replace("dropout_ratio: 0.3", ""))
    assert found.local_response_norm == LocalResponseNorm(size=5, alpha=1.0, beta=0.75, k=1.0)
    assert found.dropout == 0.5


def data_layer(phase: str, *means: float, more: str = "") -> str:
    values = " ".join(f"mean_value: {mean}" for mean in means)
    return (
        f'layer {{ name: "data" type: "Data" include {{ phase: {phase} }} '
        f"transform_param {{ {values} {more} }} data_param {{ backend: LMDB }} }}"
    )


def test_the_mean_is_that_of_evaluation(tmp_path: Path) -> None:
    text = data_layer("TRAIN", 1, 2, 3) + data_layer("TEST", 104.01, 116.67, 122.68)
    assert facts(tmp_path, text + LAYERS).mean == (104.01, 116.67, 122.68)
    assert facts(tmp_path, data_layer("TRAIN", 117) + LAYERS).mean == (117.0, 117.0, 117.0)
    assert facts(tmp_path, text + LAYERS).channel_order == "bgr"
    assert facts(tmp_path, text + LAYERS).scale == 1.0
    assert facts(tmp_path, data_layer("TRAIN") + LAYERS).channel_order is None


def test_what_makes_the_input_otherwise_is_said(tmp_path: Path) -> None:
    text = data_layer("TEST", more='mean_file: "mean.binaryproto" scale: 0.00390625')
    found = read(tmp_path, text + LAYERS)
    assert found.facts.scale == 0.00390625
    assert len(found.notes) == 1 and "'mean.binaryproto'" in found.notes[0]


def test_the_older_generation_is_read(tmp_path: Path) -> None:
    text = LAYERS.replace("layer {", "layers {")
    for new, old in (("Convolution", "CONVOLUTION"), ("InnerProduct", "INNER_PRODUCT")):
        text = text.replace(f'type: "{new}"', f"type: {old}")
    text = re.sub('type: "(.+?)"', lambda found: f"type: {found[1].upper()}", text)
    assert facts(tmp_path, text) == FACTS
    sigmoid = text.replace("type: RELU", "type: SIGMOID", 1)
    assert "Sigmoid" in conflicts(tmp_path, sigmoid)


def test_a_prototxt_goes_before_the_file_and_says_where_they_disagree(tmp_path: Path) -> None:
    stored = caffemodel(LAYERS.replace(NORM, OTHER_NORM).replace(STEM, "kernel_size: 7 stride: 2"))
    assert read(tmp_path, LAYERS, stored).facts == FACTS
    floor = LAYERS.replace(POOL, f"{POOL} round_mode: FLOOR").replace("dropout_ratio: 0.3", "")
    bare = without("LRN", "pool1/norm1", without("LRN", "conv2/norm2", floor))
    found = read(tmp_path, bare, stored)
    assert found.facts == replace(
        FACTS,
        pool_rounding="floor",
        has_local_response_norm=False,
        local_response_norm=None,
        dropout=0.5,
    )
    assert len(found.notes) == 3 and all("disagree" in note for note in found.notes)


def test_what_a_prototxt_says_and_cannot_be_held_is_not_taken_from_the_file(
    tmp_path: Path,
) -> None:
    odd = LAYERS.replace(STEM, "kernel_size: 7 stride: 2")
    found = read(tmp_path, odd, caffemodel(LAYERS)).facts
    assert found.conflicts == ("the 7x7 convolution is padded by 0",)


def caffemodel(prototxt: str) -> bytes:
    """Put the weights into a net, as a snapshot has it."""
    net = text_format.Parse(prototxt, NetParameter(), allow_unknown_field=True)
    return b"".join(
        wire.message(100, layer.SerializeToString() + wire.message(7, BLOBS[name][1]))
        if (name := layer.name.decode()) in BLOBS
        else wire.message(100, layer.SerializeToString())
        for layer in net.layer
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "num_output: 5 }",
            "num_output: 7 }",
            "has 5 outputs for the layer 'loss3/classifier', not 7",
        ),
        (
            "num_output: 64 kernel_size: 7",
            "num_output: 4 kernel_size: 7",
            "has 64 outputs for the layer 'conv1/7x7_s2', not 4",
        ),
        ('name: "conv2/3x3"', 'name: "mine"', "has no weights for the layer 'mine'"),
    ],
)
def test_a_net_of_other_weights_is_refused(old: str, new: str, says: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, LAYERS.replace(old, new))
    assert says in error.what
    assert "net.caffemodel" in error.what and "net.prototxt" in error.what


def test_a_legacy_linear_layer_counts_its_outputs(tmp_path: Path) -> None:
    legacy = wire.legacy_layer(
        "fc", wire.INNER_PRODUCT, wire.blob(np.ones((5, 4), np.float32), legacy=True)
    )
    text = 'layers { name: "fc" type: INNER_PRODUCT inner_product_param { num_output: 5 } }'
    assert read(tmp_path, text, legacy).arrays["fc:0"].shape == (1, 1, 5, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no layers"),
        ("layer {", "line 1: Expected"),
        ("\n\nlayer ]", "line 3: Expected"),
        ('layer { type: "a" type: "b" }', "should not have multiple"),
        ("layer { lrn_param { local_size: -1 } }", "line 1: "),
        ("layer { lrn_param { local_size: 1e9 } }", "line 1: "),
        ("layer { pooling_param { pool: MEDIAN } }", "MEDIAN"),
        (b"\xff\xfe\x00\x80\x1b[2J", "line 1: "),
        ("layer { " * 20_000, "bytes; no net needs"),
        ("layer {\n" * 20_000, "RecursionError"),
        ("other {\n" * 20_000, "RecursionError"),
        ("a:[\n" * 20_000, "line "),
        ('layer { name: "\\I" }', "it is no net in text"),
        ("# a comment\n" * 2**17, "a net needs no"),
        ('layer { type: "LRN" lrn_param { local_size: 4 } }', "size 4"),
        ('layer { type: "LRN" lrn_param { beta: inf } }', "beta inf"),
        ('layer { type: "LRN" lrn_param { local_size: 0 } }', "size 0"),
        ('layer { type: "LRN" lrn_param { k: 0 } }', "k 0.0"),
        (LAYERS.replace("0.3", "1.0"), "dropout has a ratio of 1.0"),
        (LAYERS.replace("0.3", "nan"), "dropout has a ratio of nan"),
        ("layer { transform_param { scale: nan } }", "its scale is nan"),
        ("layer { transform_param { scale: 0 } }", "its scale is 0.0"),
        ("layer { transform_param { mean_value: inf } }", "its mean is inf"),
        ("layer { transform_param { mean_value: 1 mean_value: 2 } }", "its mean is 1.0, 2.0"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_net_is_refused(text: str | bytes, says: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, text)
    assert says in error.what
    assert len(error.what) < 300 and "\x1b" not in error.what


def test_a_comment_in_any_encoding_does_no_harm(tmp_path: Path) -> None:
    assert facts(tmp_path, "# mod\xe8le\n".encode("latin-1") + LAYERS.encode()).dropout == 0.3


def test_the_worst_text_takes_seconds(tmp_path: Path) -> None:
    line = "x:1 " * (caffe.LONGEST_LINE // 4) + "\n"
    text = line * (caffe.LARGEST_PROTOTXT // len(line))
    began = time.perf_counter()
    assert "no layers" in refusal(tmp_path, text).what
    assert time.perf_counter() - began < 60
