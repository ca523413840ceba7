"""What a prototxt tells of a network, and which do not belong to the weights beside them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import caffe
from googlenet.weights.formats.contents import GraphFacts, WeightsFile
from tests import caffe_wire as wire

WEIGHTS = b"".join(
    [
        wire.layer("conv", "Convolution", wire.blob(np.ones((4, 3, 7, 7), np.float32))),
        wire.layer("fc", "InnerProduct", wire.blob(np.ones((5, 4), np.float32))),
    ]
)
LAYERS = """
# A comment, with a { in it
layer { name: "conv" type: "Convolution" param { lr_mult: 1 } convolution_param {
  num_output: 4 kernel_h: 7 kernel_w: 7 stride: 2 pad: 3
  weight_filler { type: "xavier" std: 0.1 } } }
layer { name: "n" type: "LRN" lrn_param { local_size: 11 alpha: 0.0011 beta: 0.5 k: 2 } }
layer { name: "ave" type: "Pooling" top: "ave" pooling_param { pool: AVE global_pooling: true } }
layer { name: "drop" type: "Dropout" bottom: "ave" top: "ave" dropout_param { dropout_ratio: 0.3 } }
layer { name: "fc" type: "InnerProduct" inner_product_param { num_output: 5 } }
"""
POOL = 'layer { name: "p%d" type: "Pooling" pooling_param { kernel_size: %d stride: 2 %s } }\n'


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


def test_a_nets_facts_are_read(tmp_path: Path) -> None:
    assert facts(tmp_path, LAYERS) == GraphFacts(
        has_local_response_norm=True,
        local_response_norm=LocalResponseNorm(size=11, alpha=0.0011, beta=0.5, k=2.0),
        stem_padding="symmetric",
        dropout=0.3,
    )


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
    assert facts(tmp_path, declared + LAYERS).input_size == 231


@pytest.mark.parametrize(
    "declared",
    [
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 224 input_dim: 200',
        'input: "data" input_dim: 1 input_dim: 3 input_dim: -4 input_dim: -4',
        'input: "data" input_dim: 1 input_dim: 1 input_dim: 28 input_dim: 28',
    ],
)
def test_an_input_of_another_kind_is_no_size(declared: str, tmp_path: Path) -> None:
    assert facts(tmp_path, declared + LAYERS).input_size is None


@pytest.mark.parametrize(
    ("settings", "rounding"),
    [
        ("", "ceil"),
        ("pool: MAX round_mode: CEIL", "ceil"),
        ("round_mode: FLOOR", "floor"),
        ("pad: 1", None),
    ],
)
def test_pools_round_as_they_say(settings: str, rounding: str | None, tmp_path: Path) -> None:
    pools = "".join(POOL % (number, 3, settings) for number in range(3))
    found = facts(tmp_path, LAYERS + pools + POOL % (3, 2, settings))
    assert (found.pool_rounding, found.last_pool_kernel) == (rounding, 2)


def test_pools_that_disagree_say_nothing(tmp_path: Path) -> None:
    found = facts(tmp_path, LAYERS + POOL % (0, 3, "") + POOL % (1, 3, "round_mode: FLOOR"))
    assert (found.pool_rounding, found.last_pool_kernel) == (None, None)


@pytest.mark.parametrize("norm", ["local_size: 3", "norm_region: WITHIN_CHANNEL local_size: 11"])
def test_norms_that_differ_are_there_without_constants(norm: str, tmp_path: Path) -> None:
    more = LAYERS.replace("local_size: 11", "local_size: 11 norm_region: ACROSS_CHANNELS")
    found = facts(tmp_path, more + f'layer {{ name: "m" type: "LRN" lrn_param {{ {norm} }} }}')
    assert (found.has_local_response_norm, found.local_response_norm) == (True, None)


def test_caffes_defaults_stand_for_what_is_not_written(tmp_path: Path) -> None:
    text = LAYERS.replace("local_size: 11 alpha: 0.0011 beta: 0.5 k: 2", "")
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
    assert facts(tmp_path, data_layer("TRAIN", 1, 2) + LAYERS).mean is None


def test_what_makes_the_input_otherwise_is_said(tmp_path: Path) -> None:
    text = data_layer("TEST", more='mean_file: "mean.binaryproto" scale: 0.00390625')
    notes = read(tmp_path, text + LAYERS).notes
    assert "'mean.binaryproto'" in notes[0] and "0.00390625" in notes[1]


def test_the_older_generation_is_read(tmp_path: Path) -> None:
    text = """
    layers { name: "conv" type: CONVOLUTION blobs_lr: 1 convolution_param {
      num_output: 4 kernel_size: 7 stride: 2 pad: 3 } }
    layers { name: "n" type: LRN lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
    layers { name: "h" type: POOLING pooling_param { pool: AVE kernel_size: 5 stride: 3 } }
    layers { name: "fc" type: INNER_PRODUCT inner_product_param { num_output: 5 } }
    """
    found = facts(tmp_path, text)
    assert (found.stem_padding, found.aux_pooling) == ("symmetric", "average")
    assert found.local_response_norm == LocalResponseNorm()


def test_a_prototxt_goes_before_the_file_and_says_where_they_disagree(tmp_path: Path) -> None:
    pool = wire.layer("p", "Pooling", settings=wire.message(121, wire.number(3, 2)))
    norm = wire.layer("n", "LRN", settings=wire.message(118, wire.number(1, 5)))
    text = LAYERS.replace('layer { name: "n"', POOL % (0, 3, "round_mode: FLOOR") + '# { "')
    found = read(tmp_path, text, WEIGHTS + pool + norm)
    assert found.facts.pool_rounding == "floor"
    assert (found.facts.has_local_response_norm, found.facts.local_response_norm) == (False, None)
    assert len(found.notes) == 2 and all("disagree" in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("num_output: 5", "num_output: 7", "has 5 outputs for the layer 'fc', not 7"),
        ("num_output: 4", "num_output: 64", "has 4 outputs for the layer 'conv', not 64"),
        ('name: "fc"', 'name: "fc_mine"', "has no weights for the layer 'fc_mine'"),
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
        ('layer { type: "LRN" lrn_param { local_size: 4 } }', "local_size 4"),
        ('layer { type: "LRN" lrn_param { beta: inf } }', "beta inf"),
        (LAYERS.replace("0.3", "1.0"), "layer 'drop' drops a share of 1.0"),
        (LAYERS.replace("0.3", "nan"), "layer 'drop' drops a share of nan"),
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
