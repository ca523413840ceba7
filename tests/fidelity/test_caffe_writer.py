"""What we write for Caffe computes in OpenCV what our network computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.spec import GoogLeNetSpec, LocalResponseNorm
from googlenet.architecture.variants import variant
from googlenet.nn.googlenet import GoogLeNet
from googlenet.nn.layers import ConvUnit
from googlenet.weights.formats import caffe
from googlenet.weights.formats.caffe_writer import caffemodel, deploy_prototxt
from googlenet.weights.recognize import recognize

from . import caffe_files
from .conftest import Agree
from .test_caffe import weights_that_matter

CLASSES = 23
CAFFE = DIALECTS["caffe"]


def network_that_matters(spec: GoogLeNetSpec) -> GoogLeNet:
    """Draw weights and statistics that keep the activations' spread and that all show."""
    network = GoogLeNet.from_spec(spec).eval()
    stream = np.random.default_rng(20140917)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            shape = tuple(tensor.shape)
            if tensor.ndim > 1:
                values = stream.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
            elif name.endswith(("running_var", "bn.weight")):
                values = stream.uniform(0.5, 2, shape)
            else:
                values = stream.normal(0, 0.3, shape)
            tensor.copy_(torch.from_numpy(np.asarray(values)))
    return network


def arrays(network: GoogLeNet) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def write(folder: Path, network: GoogLeNet, **options: object) -> tuple[Path, Path]:
    net, weights = folder / "deploy.prototxt", folder / "net.caffemodel"
    net.write_text(deploy_prototxt(network.spec, **options))
    weights.write_bytes(caffemodel(arrays(network), network.spec))
    return net, weights


def rectified(layer: str) -> str:
    """Caffe's layer that rectifies another's output in place."""
    scope, part = layer.split("/")
    return f"{scope}/relu_{part.removesuffix('_s2')}"


def endpoint_layers(network: GoogLeNet, heads: bool) -> dict[str, str]:
    """Each endpoint of ours that is compared, with the layer that computes it for OpenCV."""
    left_out = ("norm",) if network.spec.local_response_norm is None else ()
    left_out += () if heads else ("aux",)
    units = {name for name, module in network.named_modules() if isinstance(module, ConvUnit)}
    return {
        ours: rectified(theirs) if ours in units or ours.endswith(".relu") else theirs
        for ours, theirs in CAFFE.activations.items()
        if not ours.startswith(left_out)
    }


def differences(
    network: GoogLeNet, net: Path, weights: Path, size: int, heads: bool
) -> dict[str, float]:
    """Run both, and give each endpoint's largest difference as a share of its largest value."""
    reader = cv2.dnn.readNetFromCaffe(str(net), str(weights))
    reader.enableFusion(False)  # each layer's own output, not that of a merged one
    reader.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    images = np.random.default_rng(7).normal(0, 60, (1, 3, size, size)).astype(np.float32)
    reader.setInput(images)

    names = endpoint_layers(network, heads)
    *outputs, probabilities = reader.forward([*names.values(), "prob"])
    expected = dict(zip(names, outputs, strict=True))
    with torch.inference_mode():
        endpoints = network.endpoints(torch.from_numpy(images), names)
    norms, in_heads = 2 * bool(network.spec.local_response_norm), 2 * 4 * heads
    assert len(names) == 57 + 9 + 9 + 4 + norms + 1 + 1 + in_heads
    found = {}
    for name, mine in endpoints.items():
        theirs = expected[name].reshape(mine.shape)
        assert theirs.std() > 1e-2, f"{name}: the activations vanished"
        assert (theirs != 0).mean() > 0.1, f"{name}: nearly all is zero"
        found[name] = float(np.abs(mine.numpy() - theirs).max() / np.abs(theirs).max())
    assert np.allclose(
        probabilities.reshape(1, -1), endpoints["logits"].softmax(1).numpy(), atol=1e-5
    )
    return found


def caffe_spec(**changes: object) -> GoogLeNetSpec:
    return replace(variant("caffe"), num_classes=CLASSES, **changes)


def test_opencv_computes_what_we_wrote_with_heads(tmp_path: Path, agree: Agree) -> None:
    network = network_that_matters(caffe_spec())
    net, weights = write(tmp_path, network, heads=True)
    found = differences(network, net, weights, 224, heads=True)
    agree("caffe with heads, written by us <-> OpenCV's Caffe importer", "float32", found, 1e-4)


@pytest.mark.parametrize(
    "norm",
    [
        LocalResponseNorm(size=5, alpha=2e-4, beta=0.75, k=1.0, divide_alpha=False),
        LocalResponseNorm(size=3, alpha=1e-2, beta=0.5, k=1.0),
    ],
)
def test_opencv_normalizes_with_our_constants(
    norm: LocalResponseNorm, tmp_path: Path, agree: Agree
) -> None:
    network = network_that_matters(caffe_spec(local_response_norm=norm))
    net, weights = write(tmp_path, network, size=231)
    found = differences(network, net, weights, 231, heads=False)
    constants = f"local response normalization of {norm.size} channels"
    agree(f"caffe with {constants}, at 231 <-> OpenCV's Caffe importer", "float32", found, 1e-4)


def test_opencv_computes_what_we_folded(tmp_path: Path, agree: Agree) -> None:
    network = network_that_matters(replace(variant("torchvision"), num_classes=CLASSES))
    net, weights = write(tmp_path, network)
    assert "LRN" not in net.read_text() and "pad: 2" not in net.read_text()
    found = differences(network, net, weights, 224, heads=False)
    agree(
        "torchvision, folded and written by us for Caffe <-> OpenCV's Caffe importer",
        "float32",
        found,
        1e-4,
    )


def test_opencv_computes_adaptive_heads_where_they_are_even(tmp_path: Path, agree: Agree) -> None:
    network = network_that_matters(replace(variant("torchvision"), num_classes=CLASSES))
    net, weights = write(tmp_path, network, size=256, heads=True)
    found = differences(network, net, weights, 256, heads=True)
    agree(
        "torchvision, folded, with heads, at 256 <-> OpenCV's Caffe importer",
        "float32",
        found,
        1e-4,
    )


def test_our_reader_gives_the_same_numbers_back(tmp_path: Path) -> None:
    network = network_that_matters(caffe_spec())
    net, weights = write(tmp_path, network)
    found = caffe.read(weights, net)
    state = arrays(network)
    assert len(found.arrays) == len(state) == 2 * (57 + 2 + 5)
    for theirs, ours in CAFFE.parameters.items():
        assert found.arrays[theirs].dtype == np.float32
        assert np.array_equal(found.arrays[theirs], state[ours]), theirs
    facts = found.facts
    assert facts.local_response_norm == network.spec.local_response_norm
    assert (facts.stem_padding, facts.pool_rounding) == ("symmetric", "ceil")
    assert (facts.last_pool_kernel, facts.aux_pooling) == (3, "average")
    assert (facts.dropout, facts.input_size) == (0.4, 224)
    assert found.notes == ()


def test_our_writer_and_the_independent_one_agree(tmp_path: Path) -> None:
    """Our reader gives the same of both, and each net computes the same from either."""
    net = caffe_files.googlenet(224, CLASSES)
    drawn = weights_that_matter(net)
    ours = {theirs: name for name, theirs in CAFFE.layers.items()}
    state = {}
    for layer in net.learned:
        stem = ours[layer.name] + (".conv" if layer.kind == "Convolution" else "")
        state[f"{stem}.weight"], state[f"{stem}.bias"] = drawn[layer.name]
    (tmp_path / "ours.caffemodel").write_bytes(caffemodel(state, caffe_spec(aux=None)))
    (tmp_path / "theirs.caffemodel").write_bytes(caffe_files.caffemodel(net, drawn))
    (tmp_path / "ours.prototxt").write_text(deploy_prototxt(caffe_spec(aux=None)))
    (tmp_path / "theirs.prototxt").write_text("\n".join(net.text))
    images = np.random.default_rng(7).normal(0, 60, (1, 3, 224, 224)).astype(np.float32)
    read = [caffe.read(tmp_path / f"{name}.caffemodel").arrays for name in ("ours", "theirs")]
    assert list(read[0]) == list(read[1])
    assert all(np.array_equal(read[0][name], array) for name, array in read[1].items())
    logits = []
    for nets, weights in (("ours", "theirs"), ("theirs", "ours")):
        reader = cv2.dnn.readNetFromCaffe(
            str(tmp_path / f"{nets}.prototxt"), str(tmp_path / f"{weights}.caffemodel")
        )
        reader.setInput(images)
        logits.append(reader.forward("loss3/classifier"))
    assert np.array_equal(*logits)


@pytest.mark.parametrize("name", ["caffe", "bn", "torchvision"])
@pytest.mark.parametrize("heads", [False, True])
def test_what_we_write_is_told_without_its_prototxt(name: str, heads: bool, tmp_path: Path) -> None:
    spec = replace(variant(name), num_classes=CLASSES)
    network = network_that_matters(spec if heads else replace(spec, aux=None))
    _, weights = write(tmp_path, network)
    found = recognize(caffe.read(weights))
    assert found.spec.variant == name
    assert found.spec.pool_rounding == "ceil"
    assert (found.spec.aux is None) != heads
    assert found.spec.preprocessing == spec.preprocessing
    assert found.spec.local_response_norm == spec.local_response_norm
    assert not any("pool rounding" in sentence for sentence in found.guessed)
