"""What a weights file is recognized as, by its names, its shapes and its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.parameters import parameter_shapes
from googlenet.architecture.spec import GoogLeNetSpec, InceptionWidths, LocalResponseNorm
from googlenet.architecture.variants import VARIANTS, variant
from googlenet.errors import ModelError
from googlenet.weights.formats.contents import GraphFacts, WeightsFile
from googlenet.weights.recognize import recognize

# The variant whose weights are published in each dialect.
SPOKEN = {
    "torchvision": "torchvision",
    "caffe": "caffe",
    "slim": "slim",
    "inception5h": "inception5h",
    "lucent": "inception5h",
    "captum": "inception5h",
    "captum-old": "inception5h",
    "onnx": "onnx-googlenet",
    "chainer": "caffe",
    "keras": "caffe",
    "caffe-torch": "caffe",
    "gluoncv": "gluoncv",
}
CHANNELS_LAST = ("slim", "inception5h", "keras")


def arrays_of(spec: GoogLeNetSpec) -> dict[str, np.ndarray]:
    """Draw every parameter of a spec; running variances are positive."""
    random = np.random.default_rng(5)
    return {
        name: np.abs(random.standard_normal(shape, np.float32)) + 0.1
        for name, shape in parameter_shapes(spec).items()
    }


def spoken(spec: GoogLeNetSpec, dialect_name: str, prefix: str = "") -> dict[str, np.ndarray]:
    """Write a spec's arrays under a dialect's names and in its layout."""
    dialect = DIALECTS[dialect_name]
    ours = arrays_of(spec)
    theirs = {}
    for name, our_name in dialect.parameters.items():
        if our_name not in ours:
            continue
        array = ours[our_name]
        if dialect_name in CHANNELS_LAST:
            if our_name.endswith("fc1.weight"):
                array = array.reshape(-1, 128, 4, 4).transpose(0, 2, 3, 1).reshape(array.shape)
            if array.ndim == 4:
                array = array.transpose(2, 3, 1, 0)
            elif array.ndim == 2:
                array = array.T
        theirs[prefix + name] = array
    return theirs


def file_of(
    arrays: Mapping[str, np.ndarray], facts: GraphFacts | None = None, **more: Any
) -> WeightsFile:
    facts = facts or GraphFacts()
    return WeightsFile(format="torch", path=Path("x.bin"), arrays=arrays, facts=facts, **more)


def same_arrays(found: Mapping[str, np.ndarray], spec: GoogLeNetSpec) -> bool:
    expected = arrays_of(spec)
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


def of_dialect(name: str) -> GoogLeNetSpec:
    spec = variant(SPOKEN[name])
    has_heads = any(layer.startswith("aux") for layer in DIALECTS[name].layers)
    return spec if has_heads else replace(spec, aux=None)


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


def renamed(arrays: Mapping[str, np.ndarray], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    result = {}
    for name, array in arrays.items():
        for old, new in names.items():
            name = name.replace(old, new)
        result[name] = array
    return result


def test_classifiers_renamed_by_fine_tuning_are_found() -> None:
    spec = replace(variant("caffe"), num_classes=20)
    names = {f"loss{n}/classifier": f"loss{n}/classifier_cars" for n in (1, 2, 3)}
    found = recognize(file_of(renamed(spoken(spec, "caffe"), names)))
    assert found.spec == spec
    assert same_arrays(found.arrays, spec)
    assert any("loss3/classifier_cars was taken for the classifier fc" in x for x in found.guessed)

    spec = replace(spec, aux=None)
    found = recognize(file_of(renamed(spoken(spec, "caffe"), {"loss3/classifier": "cars"})))
    assert same_arrays(found.arrays, spec)


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


def alexnet() -> dict[str, np.ndarray]:
    shapes = {
        "conv1:0": (96, 3, 11, 11),
        "conv1:1": (96,),
        "conv2:0": (256, 48, 5, 5),
        "conv2:1": (256,),
        "conv3:0": (384, 256, 3, 3),
        "fc8:0": (1000, 4096),
    }
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


BAD: dict[str, tuple[Mapping[str, Any], str]] = {
    "another network": (
        alexnet(),
        r"not of a GoogLeNet: its arrays begin with conv1:0 \(96, 3, 11, 11",
    ),
    "nothing": ({}, "it has no arrays"),
}


@pytest.mark.parametrize("case", BAD)
def test_another_network_is_refused(case: str) -> None:
    arrays, message = BAD[case]
    with pytest.raises(ModelError, match=message) as caught:
        recognize(file_of(arrays))
    assert caught.value.where == "x.bin"
    assert caught.value.fix


@pytest.mark.parametrize("layer", ["conv2/3x3:0", "inception_4e/5x5:0", "loss3/classifier:0"])
def test_a_missing_array_is_named(layer: str) -> None:
    arrays = spoken(replace(variant("caffe"), aux=None), "caffe")
    del arrays[layer]
    with pytest.raises(ModelError, match=r"lacks") as caught:
        recognize(file_of(arrays))
    if "classifier" not in layer:
        assert layer in caught.value.what


def test_missing_running_statistics_are_named() -> None:
    arrays = spoken(variant("slim"), "slim")
    del arrays["Mixed_4b/Branch_0/Conv2d_0a_1x1/BatchNorm/moving_variance"]
    with pytest.raises(ModelError, match="Mixed_4b/Branch_0/Conv2d_0a_1x1/BatchNorm/moving_var"):
        recognize(file_of(arrays))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("inception_4e/3x3:0", (320, 99, 3, 3)),
        ("inception_4e/3x3:0", (320, 160, 3)),
        ("inception_4e/3x3:1", (319,)),
        ("inception_3a/5x5:0", (32, 16, 4, 4)),
        ("loss3/classifier:0", (1000, 1000)),
        ("loss1/fc:0", (1024, 1152)),
    ],
)
def test_a_wrong_shape_is_named(name: str, shape: tuple[int, ...]) -> None:
    arrays = spoken(variant("caffe"), "caffe") | {name: np.ones(shape, np.float32)}
    with pytest.raises(ModelError, match="shape") as caught:
        recognize(file_of(arrays))
    assert name in caught.value.what
    assert str(shape) in caught.value.what


def test_values_that_are_not_finite_and_integers_are_refused() -> None:
    arrays = spoken(variant("caffe"), "caffe")
    broken = arrays | {"conv2/3x3:1": np.full(192, np.nan, np.float32)}
    with pytest.raises(ModelError, match="conv2/3x3:1 that are not finite"):
        recognize(file_of(broken))
    quantized = arrays | {"conv2/3x3:0": np.zeros((192, 64, 3, 3), np.int8)}
    with pytest.raises(ModelError, match="as int8"):
        recognize(file_of(quantized))


def test_a_variant_that_the_shapes_contradict_is_refused() -> None:
    with pytest.raises(ModelError, match="not of the variant slim"):
        recognize(file_of(spoken(variant("caffe"), "caffe")), lineage="slim")


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


def torch_arrays(classes: int = 1000) -> dict[str, np.ndarray]:
    spec = replace(variant("torchvision"), aux=None, num_classes=classes)
    arrays = spoken(spec, "torchvision")
    del arrays["fc.weight"], arrays["fc.bias"]
    return arrays


def linear(name: str, inputs: int, outputs: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(outputs)
    return {
        f"{name}.weight": random.standard_normal((outputs, inputs), np.float32),
        f"{name}.bias": np.zeros(outputs, np.float32),
    }


def test_a_classifier_of_several_layers_is_refused() -> None:
    chain = {**linear("fc.0", 1024, 256), **linear("fc.2", 256, 10)}
    with pytest.raises(ModelError, match=r"several layers, fc\.0 and fc\.2"):
        recognize(file_of({**torch_arrays(), **chain}))


def test_of_two_classifiers_the_user_says_which() -> None:
    arrays = {**torch_arrays(), **linear("age", 1024, 8), **linear("gender", 1024, 2)}
    with pytest.raises(ModelError, match="several layers could be the classifier: age, gender"):
        recognize(file_of(arrays))
    found = recognize(file_of(arrays), classifier="age")
    assert found.spec.num_classes == 8
    assert np.array_equal(found.arrays["fc.weight"], arrays["age.weight"])
    with pytest.raises(ModelError, match="no layer height"):
        recognize(file_of(arrays), classifier="height")


def test_a_trained_classifier_beside_the_old_one_is_asked_for() -> None:
    arrays = spoken(replace(variant("caffe"), aux=None), "caffe")
    arrays["loss3/classifier_cars:0"] = np.ones((5, 1024), np.float32)
    arrays["loss3/classifier_cars:1"] = np.zeros(5, np.float32)
    with pytest.raises(ModelError, match="several layers could be") as caught:
        recognize(file_of(arrays))
    assert caught.value.fix == "Say which: --classifier loss3/classifier_cars"
    found = recognize(file_of(arrays), classifier="loss3/classifier_cars")
    assert found.spec.num_classes == 5
    kept = recognize(file_of(arrays), classifier="loss3/classifier")
    assert kept.spec.num_classes == 1000


def test_heads_for_other_classes_are_left_out_and_said() -> None:
    arrays = spoken(variant("torchvision"), "torchvision") | linear("fc", 1024, 10)
    found = recognize(file_of(arrays))
    assert found.spec.aux is None
    assert found.spec.num_classes == 10
    assert "The auxiliary heads are for other classes than the classifier." in found.dropped


def test_a_classifier_without_a_bias_has_zeros() -> None:
    arrays = {**torch_arrays(), **linear("fc", 1024, 10)}
    del arrays["fc.bias"]
    found = recognize(file_of(arrays))
    assert not found.arrays["fc.bias"].any()
    assert "fc has no bias; zeros are taken." in found.guessed


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
