"""Writing Caffe's files: what the text says, how batch normalization folds, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.spec import BatchNorm, GoogLeNetSpec, LocalResponseNorm
from googlenet.errors import UsageError
from googlenet.weights.formats import caffe
from googlenet.weights.formats.caffe_writer import caffemodel, deploy_prototxt
from tests.narrow import narrow_network, narrow_spec

Arrays = dict[str, np.ndarray]


def narrow(**changes: object) -> tuple[GoogLeNetSpec, Arrays]:
    """A network of Caffe's kind with narrow layers, and its weights."""
    spec = replace(narrow_spec(name="caffe"), **changes)
    return spec, {name: value.numpy() for name, value in narrow_network(spec).state_dict().items()}


def written(folder: Path, arrays: Arrays, spec: GoogLeNetSpec, **options: object) -> Path:
    (folder / "deploy.prototxt").write_text(deploy_prototxt(spec, **options))
    path = folder / "net.caffemodel"
    path.write_bytes(caffemodel(arrays, spec))
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    spec, arrays = narrow()
    found = caffe.read(written(tmp_path, arrays, spec), tmp_path / "deploy.prototxt")
    parameters = DIALECTS["caffe"].parameters
    assert set(found.arrays) == set(parameters)
    assert all(np.array_equal(found.arrays[its], arrays[ours]) for its, ours in parameters.items())
    assert found.facts.local_response_norm == spec.local_response_norm
    assert (found.facts.input_size, found.facts.dropout) == (64, spec.dropout)
    assert found.facts.aux_pooling is None  # adaptive pools have no words in Caffe


def test_a_network_without_heads_is_written_without(tmp_path: Path) -> None:
    spec, arrays = narrow(aux=None)
    found = caffe.read(written(tmp_path, arrays, spec))
    assert len(found.arrays) == 2 * (57 + 1)


@pytest.mark.parametrize("gamma", [True, False])
def test_batch_normalization_is_folded(gamma: bool, tmp_path: Path) -> None:
    norm = BatchNorm(eps=0.01, gamma=gamma)
    spec, arrays = narrow(batch_norm=norm, local_response_norm=None)
    assert ("conv1.bn.weight" in arrays) == gamma
    found = caffe.read(written(tmp_path, arrays, spec))
    unit = "inception4a.branch2.1"
    scale = 1 / np.sqrt(arrays[f"{unit}.bn.running_var"].astype(np.float64) + 0.01)
    if gamma:
        scale *= arrays[f"{unit}.bn.weight"]
    weight, bias = (found.arrays[f"inception_4a/3x3:{number}"] for number in (0, 1))
    assert np.allclose(weight, arrays[f"{unit}.conv.weight"] * scale[:, None, None, None], 1e-6)
    shift = arrays[f"{unit}.bn.bias"] - arrays[f"{unit}.bn.running_mean"] * scale
    assert np.allclose(bias, shift, 1e-6, 1e-7)
    assert weight.dtype == bias.dtype == np.float32
    assert found.facts.has_local_response_norm is False


def test_double_precision_is_written_as_single(tmp_path: Path) -> None:
    spec, arrays = narrow(aux=None)
    doubles = {name: array.astype(np.float64) for name, array in arrays.items()}
    assert caffemodel(doubles, spec) == caffemodel(arrays, spec)


def test_the_text_is_that_of_the_network() -> None:
    spec, _ = narrow(kernel_5x5=3, last_pool_kernel=2, num_classes=7)
    text = deploy_prototxt(spec, size=96)
    assert text.count('type: "Convolution"') == 57
    assert text.count("kernel_size: 5") == text.count("loss1") == 0
    assert text.count("kernel_size: 2\n") == 1
    assert text.count("input_dim: 96") == 2
    assert text.count("num_output: 7\n") == 1
    assert text.endswith('bottom: "loss3/classifier"\n  top: "prob"\n}\n')


def test_an_undivided_alpha_is_multiplied() -> None:
    norm = LocalResponseNorm(size=11, alpha=1e-4, beta=0.5, k=2.0, divide_alpha=False)
    text = deploy_prototxt(narrow(local_response_norm=norm)[0])
    assert text.count("alpha: 0.0011\n") == text.count(" k: 2.0\n") == 2


def test_dropout_of_nothing_is_left_out() -> None:
    assert "Dropout" not in deploy_prototxt(narrow(dropout=0.0)[0])


def test_heads_are_outputs_when_asked_for() -> None:
    spec, _ = narrow()
    text = deploy_prototxt(spec, size=64, heads=True)
    assert 'name: "loss1/classifier"' in text and 'name: "loss2/classifier"' in text
    assert text.index('name: "loss1/ave_pool"') < text.index('name: "inception_4b/1x1"')


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stem_padding": "same"}, "pads 2 before and 3 after"),
        ({"pool_rounding": "same"}, "'same'"),
        ({"pool_rounding": "floor"}, "'floor'"),
        ({"pool_rounding": "end"}, "'end'"),
    ],
)
def test_what_caffe_cannot_compute_is_refused(changes: dict[str, object], says: str) -> None:
    spec, arrays = narrow(**changes)
    for refused in (lambda: caffemodel(arrays, spec), lambda: deploy_prototxt(spec)):
        with pytest.raises(UsageError) as caught:
            refused()
        assert says in caught.value.what
        assert caught.value.where == "variant caffe" and caught.value.fix


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        (narrow_spec(name="caffe", aux=False), 64),
        (narrow_spec(name="caffe"), 224),
        (narrow_spec(name="caffe"), 1),
    ],
    ids=["no heads", "uneven", "too small"],
)
def test_heads_that_cannot_be_are_refused(spec: GoogLeNetSpec, size: int) -> None:
    with pytest.raises(UsageError) as caught:
        deploy_prototxt(spec, size=size, heads=True)
    assert caught.value.where and caught.value.fix


def test_the_papers_heads_are_refused_at_another_size() -> None:
    spec = narrow_spec(name="caffe")
    assert spec.aux is not None
    spec = replace(spec, aux=replace(spec.aux, pooling="average"))
    assert "kernel_size: 5\n    stride: 3" in deploy_prototxt(spec, size=224, heads=True)
    with pytest.raises(UsageError, match="other than 4x4"):
        deploy_prototxt(spec, size=256, heads=True)


@pytest.mark.parametrize("change", ["missing", "other shape"])
def test_weights_of_another_network_are_refused(change: str) -> None:
    spec, arrays = narrow()
    name = "inception5b.branch4.1.conv.weight"
    if change == "missing":
        del arrays[name]
    else:
        arrays[name] = arrays[name][:1]
    with pytest.raises(UsageError, match=name):
        caffemodel(arrays, spec)
