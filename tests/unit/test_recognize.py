"""What a weights file is recognized as, by its names, its shapes and its graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.spec import GoogLeNetSpec, InceptionWidths, LocalResponseNorm
from googlenet.architecture.variants import VARIANTS, variant
from googlenet.errors import ModelError
from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.recognize import recognize
from tests.spoken import SPOKEN, arrays_of, file_of, of_dialect, renamed, same_arrays, spoken


@pytest.mark.parametrize("prefix", ["", "module.", "InceptionV1/InceptionV1/"])
@pytest.mark.parametrize("dialect", SPOKEN)
def test_every_dialect_is_recognized_and_turned_into_our_layout(dialect: str, prefix: str) -> None:
    spec = of_dialect(dialect)
    found = recognize(file_of(spoken(spec, dialect, prefix)))
    assert found.match.dialect.layers == DIALECTS[dialect].layers
    assert found.match.prefix == prefix
    assert found.spec == spec
    assert same_arrays(found.arrays, spec)
    assert found.dropped == ()


def test_every_variant_is_told_by_its_shapes_or_asked_for() -> None:
    for name, spec in VARIANTS.items():
        found = recognize(file_of(spoken(spec, "torchvision")), lineage=name)
        assert found.spec == spec
        assert found.guessed[0] == f"It is taken for {name}, as you said."


def test_the_shapes_tell_bn_from_torchvision_and_say_so() -> None:
    found = recognize(file_of(spoken(variant("bn"), "torchvision")))
    assert found.spec.variant == "bn"
    assert (
        found.found[1] == "The shapes are of 5x5 kernels in the 5x5 branches, batch normalization "
        "with a scale, both auxiliary heads and 1000 classes."
    )


def test_widths_of_no_published_version_are_kept_and_named() -> None:
    widths = {**variant("caffe").inception, "4b": InceptionWidths(80, 56, 112, 12, 32, 32)}
    spec = replace(variant("caffe"), inception=widths, aux=None, num_classes=7)
    found = recognize(file_of(spoken(spec, "caffe")))
    assert found.spec == spec
    assert "The widths of 4b are not those of Table 1." in found.found


def test_the_graph_overrules_the_lineage() -> None:
    norm = LocalResponseNorm(size=7, alpha=3e-4, beta=0.5, k=2.0)
    facts = GraphFacts(
        has_local_response_norm=True,
        local_response_norm=norm,
        pool_rounding="floor",
        dropout=0.1,
        input_size=192,
        mean=(1.0, 2.0, 3.0),
    )
    found = recognize(file_of(spoken(variant("caffe"), "caffe"), facts))
    assert found.spec.local_response_norm == norm
    assert found.spec.pool_rounding == "floor"
    assert found.spec.dropout == 0.1
    assert found.spec.preprocessing.size == 192
    assert found.spec.preprocessing.mean == (1.0, 2.0, 3.0)
    assert "pool rounding floor" in found.found[-1]
    assert not any("pool rounding" in sentence for sentence in found.guessed)


def test_a_graph_of_the_zoo_that_rounds_down_is_the_other_network() -> None:
    spec = variant("onnx-inception-v1")
    found = recognize(file_of(spoken(spec, "onnx"), GraphFacts(pool_rounding="floor")))
    assert found.spec == spec


def test_layers_without_names_are_told_by_order_and_shape() -> None:
    spec = replace(variant("torchvision"), aux=None, batch_norm=None)
    arrays = {f"onnx::Conv_{n}": each for n, each in enumerate(arrays_of(spec).values())}
    found = recognize(file_of(arrays))
    assert same_arrays(found.arrays, spec)
    assert found.match.by_order
    assert found.spec.kernel_5x5 == 3
    assert found.spec.batch_norm is None
    assert "The names are no known tool's." in found.found


def test_heads_named_the_other_way_round_are_refused_and_exchanged() -> None:
    spec = variant("torchvision")
    swapped = {
        name: array
        for original, array in spoken(spec, "torchvision").items()
        for name in [
            original.replace("aux1.", "aux2.")
            if original.startswith("aux1.")
            else original.replace("aux2.", "aux1.")
        ]
    }
    with pytest.raises(ModelError, match="other way round") as caught:
        recognize(file_of(swapped))
    assert caught.value.fix == "Exchange them with --swap-aux."
    assert same_arrays(recognize(file_of(swapped), swap_aux=True).arrays, spec)


def test_a_bias_before_batch_normalization_moves_into_the_mean() -> None:
    spec = replace(variant("torchvision"), aux=None)
    arrays = spoken(spec, "torchvision")
    biases = {
        name.replace("bn.bias", "conv.bias"): np.full_like(array, 0.25)
        for name, array in arrays.items()
        if name.endswith("bn.bias")
    }
    found = recognize(file_of({**arrays, **biases}))
    mean = "conv1.bn.running_mean"
    assert np.allclose(found.arrays[mean], arrays[mean] - 0.25)


def test_half_a_pair_of_heads_is_left_out_and_said() -> None:
    arrays = spoken(variant("caffe"), "caffe")
    del arrays["loss1/fc:0"]
    found = recognize(file_of(arrays))
    assert found.spec.aux is None
    assert any("heads are not whole; their 11 arrays are left out" in x for x in found.dropped)


def test_old_caffe_files_pad_every_shape_to_four_sizes() -> None:
    spec = variant("caffe")
    arrays = {
        name: array.reshape((1,) * (4 - array.ndim) + array.shape)
        for name, array in spoken(spec, "caffe").items()
    }
    assert same_arrays(recognize(file_of(arrays)).arrays, spec)


def test_surplus_arrays_are_named() -> None:
    arrays = spoken(variant("caffe"), "caffe") | {"extra/conv:0": np.zeros((3, 3), np.float32)}
    assert recognize(file_of(arrays)).dropped == ("No part of a GoogLeNet: extra/conv:0.",)


def test_a_graph_that_no_spec_can_hold_is_refused() -> None:
    facts = GraphFacts(conflicts=("a stride-2 pool is padded by 1 before",))
    with pytest.raises(ModelError, match="a stride-2 pool is padded by 1 before"):
        recognize(file_of(spoken(variant("caffe"), "caffe"), facts))
    # Whoever says what it is, such as the list of published weights, knows better.
    found = recognize(file_of(spoken(variant("caffe"), "caffe"), facts), lineage="caffe")
    assert any("a stride-2 pool is padded by 1 before" in sentence for sentence in found.guessed)


def test_constants_that_the_graph_does_not_say_are_guessed() -> None:
    facts = GraphFacts(has_local_response_norm=True)
    found = recognize(file_of(spoken(variant("caffe"), "caffe"), facts))
    assert found.spec.local_response_norm == variant("caffe").local_response_norm
    assert not any("local response" in sentence for sentence in found.found)
    assert any("local response normalization" in sentence for sentence in found.guessed)


def test_a_scale_becomes_the_policy() -> None:
    facts = GraphFacts(mean=(104.0, 117.0, 123.0), scale=1 / 256, channel_order="bgr")
    found = recognize(file_of(spoken(variant("caffe"), "caffe"), facts))
    policy = found.spec.preprocessing
    # (x - mean) * scale, as x * scale - mean
    assert policy.scale == 1 / 256
    assert policy.mean == (104 / 256, 117 / 256, 123 / 256)
    assert policy.std == (1.0, 1.0, 1.0)


def test_batch_normalization_under_unknown_names_is_refused() -> None:
    arrays = spoken(variant("caffe"), "caffe")
    beside = {
        name.replace(":0", f"/bn:{blob}"): np.ones(array.shape[0], np.float32)
        for name, array in arrays.items()
        if name.endswith(":0") and array.ndim == 4
        for blob in (0, 1)
    }
    with pytest.raises(ModelError, match="look like batch normalization"):
        recognize(file_of({**arrays, **beside}))


@pytest.mark.parametrize("dialect", ["mxnet", "matlab"])
def test_names_without_a_lineage_are_recognized_by_shape(dialect: str) -> None:
    spec = replace(variant("caffe"), aux=None)
    found = recognize(file_of(spoken(spec, dialect)), lineage="caffe")
    assert same_arrays(found.arrays, spec)
    assert recognize(file_of(spoken(spec, dialect))).spec.kernel_5x5 == 5


def theano(spec: GoogLeNetSpec) -> dict[str, np.ndarray]:
    """Keras on Theano: kernels as ours, but turned; linear weights (in, out)."""
    dialect = DIALECTS["keras"]
    ours = arrays_of(spec)
    theirs = {}
    for name, our_name in dialect.parameters.items():
        if our_name in ours:
            array = ours[our_name]
            theirs[name] = (
                array[:, :, ::-1, ::-1]
                if array.ndim == 4
                else (array.T if array.ndim == 2 else array)
            )
    return theirs


def test_keras_on_theano_is_turned() -> None:
    spec = replace(variant("caffe"), num_classes=10)
    found = recognize(file_of(theano(spec)))
    assert same_arrays(found.arrays, spec)
    assert "Kernels are in Theano's order, so they were turned by 180 degrees." in found.guessed


def test_channels_first_keras_heads_stay_in_order() -> None:
    spec = variant("caffe")
    arrays = spoken(spec, "keras")
    for head in (1, 2):  # kernels channels last, maps channels first
        ours = arrays_of(spec)[f"aux{head}.fc1.weight"]
        arrays[f"loss{head}/fc/kernel"] = ours.T
    found = recognize(file_of(arrays, GraphFacts(channels_last=False)))
    assert same_arrays(found.arrays, spec)


@pytest.mark.parametrize("dialect", ["caffe", "inception5h", "keras"])
def test_a_square_classifier_is_laid_as_its_tool_lays_it(dialect: str) -> None:
    spec = replace(variant(SPOKEN[dialect]), num_classes=1024)
    assert same_arrays(recognize(file_of(spoken(spec, dialect))).arrays, spec)


def test_heads_on_modules_of_equal_width_are_exchanged_when_asked() -> None:
    widths = {**variant("caffe").inception, "4d": variant("caffe").inception["4c"]}
    spec = replace(variant("caffe"), inception=widths)
    arrays = spoken(spec, "caffe")
    swapped = renamed(arrays, {"loss1/": "LOSS/", "loss2/": "loss1/", "LOSS/": "loss2/"})
    assert same_arrays(recognize(file_of(swapped), swap_aux=True).arrays, spec)


def test_a_variance_below_zero_is_refused() -> None:
    arrays = spoken(variant("slim"), "slim")
    arrays["Conv2d_1a_7x7/BatchNorm/moving_variance"] = np.full(64, -1.0, np.float32)
    with pytest.raises(ModelError, match="below zero"):
        recognize(file_of(arrays))


def test_arrays_that_are_dropped_may_hold_anything() -> None:
    arrays = spoken(variant("caffe"), "caffe") | {"rest": np.array([np.nan, 1.0])}
    assert recognize(file_of(arrays)).spec == variant("caffe")


def test_a_network_folded_for_caffe_is_not_taken_for_caffes() -> None:
    spec = replace(variant("bn"), aux=None, batch_norm=None)
    facts = GraphFacts(has_local_response_norm=False, pool_rounding="ceil")
    found = recognize(file_of(spoken(spec, "caffe"), facts))
    assert found.spec.variant == "bn"
    assert found.spec.local_response_norm is None
    assert found.spec.preprocessing == variant("bn").preprocessing
    assert "Its batch normalization was folded into the convolutions." in found.guessed


def test_slim_can_be_taken_as_torchvision_runs_it() -> None:
    found = recognize(file_of(spoken(variant("slim"), "slim")), lineage="torchvision")
    assert found.spec.stem_padding == "symmetric"
    assert found.spec.batch_norm is not None
    assert not found.spec.batch_norm.gamma


def test_a_caffemodel_without_names_is_still_caffes() -> None:
    spec = replace(variant("caffe"), aux=None)
    arrays = {f"layer{n}": each for n, each in enumerate(arrays_of(spec).values())}
    found = recognize(replace(file_of(arrays), format="caffemodel"))
    assert found.spec == spec


def test_a_wrong_kernel_is_blamed_and_not_what_is_beside_it() -> None:
    arrays = spoken(variant("torchvision"), "torchvision")
    arrays["inception4a.branch1.conv.weight"] = np.ones((5, 480, 1, 1), np.float32)
    with pytest.raises(ModelError, match=r"inception4a\.branch1\.conv\.weight has the shape"):
        recognize(file_of(arrays))


def test_slim_with_its_batch_normalization_folded_is_still_slim() -> None:
    spec = replace(variant("slim"), batch_norm=None)
    found = recognize(file_of(spoken(spec, "slim")))
    assert found.spec == spec
    assert "Its batch normalization was folded into the convolutions." in found.guessed
    assert recognize(file_of(spoken(spec, "slim")), lineage="slim").spec == spec


def test_of_layers_told_by_order_the_classifier_may_be_named() -> None:
    spec = replace(variant("torchvision"), aux=None, batch_norm=None)
    arrays = {f"layer{n}.weight": each for n, each in enumerate(arrays_of(spec).values())}
    last = list(arrays)[-2]
    arrays = {**arrays, "other.weight": np.ones((4, 1024), np.float32)}
    assert recognize(file_of(arrays), classifier=last.removesuffix(".weight")).spec == spec
    with pytest.raises(ModelError, match="not of a GoogLeNet"):
        recognize(file_of(arrays), classifier="nothing")
