"""Write a GoogLeNet as Caffe's own files, for programs that read them.

The prototxt is text; the caffemodel is protocol buffers, written here byte by byte from the field
numbers of BVLC/caffe:src/caffe/proto/caffe.proto: NetParameter.layer 100, LayerParameter.name 1,
type 2, blobs 7, BlobProto.data 5, shape 7, BlobShape.dim 1. The layers follow
BVLC/caffe:models/bvlc_googlenet/deploy.prototxt as a description, not our network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

# name, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
MODULES = [
    ("3a", 64, 96, 128, 16, 32, 32),
    ("3b", 128, 128, 192, 32, 96, 64),
    ("4a", 192, 96, 208, 16, 48, 64),
    ("4b", 160, 112, 224, 24, 64, 64),
    ("4c", 128, 128, 256, 24, 64, 64),
    ("4d", 112, 144, 288, 32, 64, 64),
    ("4e", 256, 160, 320, 32, 128, 128),
    ("5a", 256, 160, 320, 32, 128, 128),
    ("5b", 384, 192, 384, 48, 128, 128),
]


@dataclass(frozen=True)
class Learned:
    """A layer with weights: (out, in, kernel, kernel) and (out,)."""

    name: str
    kind: str
    shape: tuple[int, ...]


class Prototxt:
    """Collect layers as Caffe's text format, and the weights that they need."""

    def __init__(self, size: int) -> None:
        self.text = [
            'name: "GoogLeNet" input: "data"\n'
            f"input_shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }}"
        ]
        self.learned: list[Learned] = []

    def layer(self, kind: str, name: str, bottoms: list[str], top: str, body: str = "") -> str:
        lines = "".join(f' bottom: "{bottom}"' for bottom in bottoms)
        self.text.append(f'layer {{ name: "{name}" type: "{kind}"{lines} top: "{top}" {body} }}')
        return top

    def conv(
        self,
        name: str,
        bottom: str,
        channels: int,
        out: int,
        kernel: int,
        stride: int = 1,
        pad: int = 0,
    ) -> str:
        body = (
            f"convolution_param {{ num_output: {out} kernel_size: {kernel} "
            f"stride: {stride} pad: {pad} }}"
        )
        self.layer("Convolution", name, [bottom], name, body)
        self.learned.append(Learned(name, "Convolution", (out, channels, kernel, kernel)))
        # A top of its own for the rectified values, so that both can be read.
        short = name.rsplit("/", 1)
        return self.layer("ReLU", f"{short[0]}/relu_{short[1]}", [name], f"{name}_relu")

    def pool(
        self, name: str, bottom: str, kind: str, kernel: int, stride: int, pad: int = 0
    ) -> str:
        return self.layer(
            "Pooling",
            name,
            [bottom],
            name,
            f"pooling_param {{ pool: {kind} kernel_size: {kernel} stride: {stride} pad: {pad} }}",
        )

    def lrn(self, name: str, bottom: str) -> str:
        return self.layer(
            "LRN", name, [bottom], name, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
        )


def googlenet(size: int, classes: int) -> Prototxt:
    """Describe Caffe's deploy network."""
    net = Prototxt(size)
    top = net.conv("conv1/7x7_s2", "data", 3, 64, 7, 2, 3)
    top = net.pool("pool1/3x3_s2", top, "MAX", 3, 2)
    top = net.lrn("pool1/norm1", top)
    top = net.conv("conv2/3x3_reduce", top, 64, 64, 1)
    top = net.conv("conv2/3x3", top, 64, 192, 3, 1, 1)
    top = net.lrn("conv2/norm2", top)
    top = net.pool("pool2/3x3_s2", top, "MAX", 3, 2)
    channels = 192
    for name, n1, r3, n3, r5, n5, proj in MODULES:
        block = f"inception_{name}"
        a = net.conv(f"{block}/1x1", top, channels, n1, 1)
        b = net.conv(
            f"{block}/3x3", net.conv(f"{block}/3x3_reduce", top, channels, r3, 1), r3, n3, 3, 1, 1
        )
        c = net.conv(
            f"{block}/5x5", net.conv(f"{block}/5x5_reduce", top, channels, r5, 1), r5, n5, 5, 1, 2
        )
        d = net.conv(
            f"{block}/pool_proj", net.pool(f"{block}/pool", top, "MAX", 3, 1, 1), channels, proj, 1
        )
        top = net.layer("Concat", f"{block}/output", [a, b, c, d], f"{block}/output")
        channels = n1 + n3 + n5 + proj
        if name == "3b":
            top = net.pool("pool3/3x3_s2", top, "MAX", 3, 2)
        if name == "4e":
            top = net.pool("pool4/3x3_s2", top, "MAX", 3, 2)
    top = net.layer(
        "Pooling",
        "pool5/7x7_s1",
        [top],
        "pool5/7x7_s1",
        "pooling_param { pool: AVE global_pooling: true }",
    )
    net.layer(
        "InnerProduct",
        "loss3/classifier",
        [top],
        "loss3/classifier",
        f"inner_product_param {{ num_output: {classes} }}",
    )
    net.learned.append(Learned("loss3/classifier", "InnerProduct", (classes, channels)))
    return net


def caffemodel(net: Prototxt, weights: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Encode the weights, (weight, bias) by layer name, as a NetParameter."""
    return b"".join(
        _message(
            100,
            _text(1, layer.name)
            + _text(2, layer.kind)
            + b"".join(_message(7, _blob(array)) for array in weights[layer.name]),
        )
        for layer in net.learned
    )


def _blob(array: np.ndarray) -> bytes:
    dims = b"".join(_varint(size) for size in array.shape)
    data = np.ascontiguousarray(array, "<f4").tobytes()
    return _message(7, _message(1, dims)) + _message(5, data)


def _message(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _varint(number: int) -> bytes:
    return bytes(_groups(number))


def _groups(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number
