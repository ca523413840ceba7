"""The variant `caffe` agrees with OpenCV's Caffe importer, endpoint by endpoint."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from googlenet.nn.googlenet import GoogLeNet

from . import caffe_files
from .conftest import Agree

CLASSES = 23


def weights_that_matter(net: caffe_files.Prototxt) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draw weights that keep the activations' spread, and biases that show."""
    stream = np.random.default_rng(20140917)
    drawn = {}
    for layer in net.learned:
        fan_in = int(np.prod(layer.shape[1:]))
        weight = stream.normal(0, np.sqrt(2 / fan_in), layer.shape).astype(np.float32)
        bias = stream.normal(0, 0.3, layer.shape[0]).astype(np.float32)
        drawn[layer.name] = (weight, bias)
    return drawn


def ours(caffe_name: str) -> str:
    """Translate a layer's name from the facts of both projects."""
    fixed = {
        "conv1/7x7_s2": "conv1",
        "conv2/3x3_reduce": "conv2",
        "conv2/3x3": "conv3",
        "loss3/classifier": "fc",
        "pool1/3x3_s2": "maxpool1",
        "pool1/norm1": "norm1",
        "conv2/norm2": "norm2",
        "pool2/3x3_s2": "maxpool2",
        "pool3/3x3_s2": "maxpool3",
        "pool4/3x3_s2": "maxpool4",
        "pool5/7x7_s1": "avgpool",
    }
    if caffe_name in fixed:
        return fixed[caffe_name]
    block, part = caffe_name.split("/")
    branch = {
        "1x1": ".branch1",
        "3x3_reduce": ".branch2.0",
        "3x3": ".branch2.1",
        "5x5_reduce": ".branch3.0",
        "5x5": ".branch3.1",
        "pool": ".branch4.0",
        "pool_proj": ".branch4.1",
        "output": "",
    }[part]
    return block.replace("inception_", "inception") + branch


@pytest.mark.parametrize("size", [224, 231])
def test_main_path_agrees_with_opencv(size: int, tmp_path: Path, agree: Agree) -> None:
    net = caffe_files.googlenet(size, CLASSES)
    weights = weights_that_matter(net)
    (tmp_path / "deploy.prototxt").write_text("\n".join(net.text))
    (tmp_path / "net.caffemodel").write_bytes(caffe_files.caffemodel(net, weights))
    reader = cv2.dnn.readNetFromCaffe(
        str(tmp_path / "deploy.prototxt"), str(tmp_path / "net.caffemodel")
    )
    reader.enableFusion(False)  # each layer's own output, not that of a merged one
    reader.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)

    network = GoogLeNet(CLASSES, aux_logits=False, variant="caffe").eval()
    with torch.no_grad():
        for layer in net.learned:
            module = network.get_submodule(ours(layer.name))
            target = getattr(module, "conv", module)
            target.weight.copy_(torch.from_numpy(weights[layer.name][0]))
            target.bias.copy_(torch.from_numpy(weights[layer.name][1]))

    # Values of the size that Caffe's network sees: 0 to 255 less the mean.
    images = np.random.default_rng(7).normal(0, 60, (1, 3, size, size)).astype(np.float32)
    reader.setInput(images)
    tops = [line.split('top: "')[1].split('"')[0] for line in net.text[1:]]
    tops = [top for top in tops if f"{top}_relu" not in tops]  # the rectified one of each pair
    layers = [line.split('name: "')[1].split('"')[0] for line in net.text[1:]]
    top_of = dict(
        zip(layers, [line.split('top: "')[1].split('"')[0] for line in net.text[1:]], strict=True)
    )
    wanted = [layer for layer in layers if top_of[layer] in tops]
    expected = dict(zip(wanted, reader.forward(wanted), strict=True))
    names = {layer: ours(top_of[layer].removesuffix("_relu")) for layer in wanted}
    with torch.inference_mode():
        endpoints = network.endpoints(torch.from_numpy(images), names.values())

    assert len(wanted) == 57 + 9 + 9 + 4 + 2 + 1 + 1  # convs, outputs, pools, LRNs, average, logits
    differences = {}
    for layer, name in names.items():
        theirs = expected[layer].reshape(endpoints[name].shape)
        mine = endpoints[name].numpy()
        spread = theirs.std()
        assert spread > 1e-2, f"{layer}: the activations vanished"
        assert (theirs != 0).mean() > 0.1, f"{layer}: nearly all is zero"
        differences[name] = float(np.abs(mine - theirs).max() / np.abs(theirs).max())
    agree(f"caffe, at {size} <-> OpenCV's Caffe importer", "float32", differences, 1e-4)
