"""Which layer gives the logits, where fine-tuning has changed it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from googlenet.architecture.variants import variant
from googlenet.errors import ModelError
from googlenet.weights.recognize import recognize
from tests.spoken import file_of, renamed, same_arrays, spoken


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


def test_a_layer_behind_the_logits_is_refused() -> None:
    spec = replace(variant("torchvision"), aux=None)
    arrays = {**spoken(spec, "torchvision"), **linear("1", 1000, 10)}
    with pytest.raises(ModelError, match="several layers, fc and 1"):
        recognize(file_of(arrays))


def test_a_second_classifier_beside_the_known_one_is_asked_for() -> None:
    spec = replace(variant("torchvision"), aux=None)
    arrays = {**spoken(spec, "torchvision"), **linear("head", 1024, 10)}
    with pytest.raises(ModelError, match="could be the classifier: fc, head"):
        recognize(file_of(arrays))
    found = recognize(file_of(arrays), classifier="head")
    assert found.spec.num_classes == 10
    assert "head was taken for the classifier fc, as you said." in found.guessed
    assert recognize(file_of(arrays), classifier="fc").spec.num_classes == 1000


def test_an_average_of_the_whole_network_beside_it_is_left_out() -> None:
    spec = replace(variant("torchvision"), aux=None)
    arrays = spoken(spec, "torchvision")
    copies = {f"ema.{name}": array for name, array in arrays.items()}
    found = recognize(file_of({**arrays, **copies}))
    assert found.match.prefix in ("", "ema.")
    assert found.dropped[0].startswith("No part of a GoogLeNet: ")
