"""Write a GoogLeNet as Caffe's two files: weights (``.caffemodel``) and net (``.prototxt``).

Layers have the names and the order of BVLC/caffe: models/bvlc_googlenet. Batch normalization is
folded into the convolutions before it, so that a Caffe without it runs the net too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from googlenet.architecture import cost
from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.spec import (
    AUX_PLACES,
    POOLED_MODULES,
    GoogLeNetSpec,
    InceptionWidths,
)
from googlenet.errors import UsageError
from googlenet.weights.formats.caffe_graph import AVERAGE, MAX
from googlenet.weights.formats.caffe_schema import (
    BlobProto,
    BlobShape,
    LayerParameter,
    NetParameter,
    StoredLayer,
    StoredNet,
)

_CAFFE = DIALECTS["caffe"]
_NET_NAME = b"GoogleNet"
_INPUT = "data"
_PAPERS_HEAD_WINDOW = (5, 3)


def caffemodel(arrays: Mapping[str, NDArray[Any]], spec: GoogLeNetSpec) -> bytes:
    """Return the contents of a ``.caffemodel``, the heads included where the network has them.

    Args:
        arrays: Parameters by our names, such as ``inception3a.branch1.conv.weight``, of any float
            type; they are written as float32.
        spec: The network that they belong to.

    Raises:
        UsageError: Caffe cannot compute this network, or the arrays are not its parameters.
    """
    # Weights are found by their layer's name, and no input size is known here: so a head that pools
    # adaptively is written without its pool.
    average = spec.aux is not None and spec.aux.pooling == "average"
    net = _Net(spec, spec.aux is not None, _PAPERS_HEAD_WINDOW if average else None)
    stored = StoredNet(name=_NET_NAME)
    for layer in net.layers:
        data = layer.SerializeToString()
        learned = net.learned.get(layer.name.decode())
        if learned is not None:
            blobs = _learned_blobs(arrays, spec, *learned)
            # Messages merge by concatenation.
            data += StoredLayer(blobs=map(_blob, blobs)).SerializeToString()
        stored.layer.append(data)
    contents: bytes = stored.SerializeToString()
    return contents


def deploy_prototxt(spec: GoogLeNetSpec, *, size: int | None = None, heads: bool = False) -> str:
    """Return the text of a net that computes class probabilities, ``prob``, for one image.

    Args:
        spec: The network.
        size: Side of the input in pixels; None for that of the spec's preprocessing.
        heads: Whether the heads' logits, ``loss1/classifier`` and ``loss2/classifier``, come out
            too.

    Raises:
        UsageError: Caffe cannot compute this network, or its heads at this size.
    """
    size = spec.preprocessing.size if size is None else size
    sides = {each.name: each.out_height for each in cost.layers(spec, size, heads=False)}
    window = _head_window(spec, size, sides) if heads else None
    # The oldest way to declare an input, which the newest Caffe still takes.
    message = NetParameter(
        name=_NET_NAME,
        input=[_INPUT.encode()],
        input_dim=[1, 3, size, size],
        layer=_Net(spec, heads, window).layers,
    )
    classifier = _CAFFE.layers["fc"]
    message.layer.append(_layer("Softmax", "prob", [classifier], "prob"))
    return text_format.MessageToString(message)


class _Net:
    """Collect the layers of a net in order, and the shapes of the weights that they need.

    Attributes:
        layers: The messages.
        learned: Our path and the weight's shape, by Caffe's name of the layer.
    """

    def __init__(
        self, spec: GoogLeNetSpec, heads: bool, head_window: tuple[int, int] | None
    ) -> None:
        _check(spec)
        self.spec = spec
        self.layers: list[Any] = []
        self.learned: dict[str, tuple[str, tuple[int, ...]]] = {}
        first, reduce, last = spec.stem

        top = self._unit("conv1", _INPUT, 3, first, 7, stride=2)
        top = self._norm("norm1", self._pool("maxpool1", top, MAX, 3, 2))
        top = self._unit("conv2", top, first, reduce, 1)
        top = self._norm("norm2", self._unit("conv3", top, reduce, last, 3))
        top = self._pool("maxpool2", top, MAX, 3, 2)
        channels = last
        places = {module: head for head, module in AUX_PLACES.items()}
        pools = iter((("maxpool3", 3), ("maxpool4", spec.last_pool_kernel)))
        for module, widths in spec.inception.items():
            top = self._inception(f"inception{module}", top, channels, widths)
            channels = widths.out_channels
            if heads and module in places:
                self._head(places[module], top, channels, head_window)
            if module in POOLED_MODULES:
                name, kernel = next(pools)
                top = self._pool(name, top, MAX, kernel, 2)
        top = self._average(top)
        self._dropout("pool5/drop_7x7_s1", top, spec.dropout)
        self._linear("fc", top, channels, spec.num_classes)

    def _inception(self, path: str, bottom: str, channels: int, widths: InceptionWidths) -> str:
        unit = self._unit
        ones = unit(f"{path}.branch1", bottom, channels, widths.n1x1, 1)
        reduced = unit(f"{path}.branch2.0", bottom, channels, widths.n3x3_reduce, 1)
        threes = unit(f"{path}.branch2.1", reduced, widths.n3x3_reduce, widths.n3x3, 3)
        reduced = unit(f"{path}.branch3.0", bottom, channels, widths.n5x5_reduce, 1)
        fives = unit(
            f"{path}.branch3.1", reduced, widths.n5x5_reduce, widths.n5x5, self.spec.kernel_5x5
        )
        pooled = self._pool(f"{path}.branch4.0", bottom, MAX, 3, 1, pad=1)
        projected = unit(f"{path}.branch4.1", pooled, channels, widths.pool_proj, 1)
        return self._add("Concat", _CAFFE.activations[path], [ones, threes, fives, projected])

    def _head(self, head: str, bottom: str, channels: int, window: tuple[int, int] | None) -> None:
        aux = self.spec.aux
        assert aux is not None
        pooled = _CAFFE.activations[f"{head}.pool"]
        if window is not None:
            self._pool(f"{head}.pool", bottom, AVERAGE, *window)
        top = self._unit(f"{head}.conv", pooled, channels, aux.conv_channels, 1)
        features = aux.conv_channels * cost.AUX_GRID**2
        top = self._linear(f"{head}.fc1", top, features, aux.hidden)
        self._relu(top)
        self._dropout(top.replace("/", "/drop_"), top, aux.dropout)
        self._linear(f"{head}.fc2", top, aux.hidden, self.spec.num_classes)

    def _unit(
        self, path: str, bottom: str, channels: int, out: int, kernel: int, stride: int = 1
    ) -> str:
        name = _CAFFE.layers[path]
        settings: dict[str, Any] = {"num_output": out, "kernel_size": [kernel]}
        if kernel > 1:
            settings["pad"] = [kernel // 2]
        if stride > 1:
            settings["stride"] = [stride]
        self._add("Convolution", name, [bottom], convolution_param=settings)
        self.learned[name] = (path, (out, channels, kernel, kernel))
        self._relu(name)
        return name

    def _linear(self, path: str, bottom: str, features: int, out: int) -> str:
        name = _CAFFE.layers[path]
        self._add("InnerProduct", name, [bottom], inner_product_param={"num_output": out})
        self.learned[name] = (path, (out, features))
        return name

    def _pool(
        self, path: str, bottom: str, method: int, kernel: int, stride: int, pad: int = 0
    ) -> str:
        settings = {"pool": method, "kernel_size": kernel, "stride": stride}
        if pad:
            settings["pad"] = pad
        return self._add("Pooling", _CAFFE.activations[path], [bottom], pooling_param=settings)

    def _average(self, bottom: str) -> str:
        # Caffe's own net averages 7x7, which is the whole map at 224 and not at other sizes.
        settings = {"pool": AVERAGE, "global_pooling": True}
        return self._add("Pooling", _CAFFE.activations["avgpool"], [bottom], pooling_param=settings)

    def _norm(self, path: str, bottom: str) -> str:
        norm = self.spec.local_response_norm
        if norm is None:
            return bottom
        settings: dict[str, Any] = {
            "local_size": norm.size,
            # Caffe divides by the size what it is given.
            "alpha": norm.alpha if norm.divide_alpha else norm.alpha * norm.size,
            "beta": norm.beta,
        }
        if norm.k != 1:
            settings["k"] = norm.k
        return self._add("LRN", _CAFFE.activations[path], [bottom], lrn_param=settings)

    def _relu(self, top: str) -> None:
        scope, _, part = top.partition("/")
        self.layers.append(_layer("ReLU", f"{scope}/relu_{part.removesuffix('_s2')}", [top], top))

    def _dropout(self, name: str, top: str, ratio: float) -> None:
        if ratio > 0:  # Caffe takes no dropout of nothing
            settings = {"dropout_ratio": ratio}
            self.layers.append(_layer("Dropout", name, [top], top, dropout_param=settings))

    def _add(self, kind: str, name: str, bottoms: Sequence[str], **settings: Any) -> str:
        self.layers.append(_layer(kind, name, bottoms, name, **settings))
        return name


def _layer(kind: str, name: str, bottoms: Sequence[str], top: str, **settings: Any) -> Any:
    return LayerParameter(
        name=name.encode(),
        type=kind.encode(),
        bottom=[bottom.encode() for bottom in bottoms],
        top=[top.encode()],
        **settings,
    )


def _check(spec: GoogLeNetSpec) -> None:
    where = f"variant {spec.variant}"
    if spec.stem_padding != "symmetric":
        raise UsageError(
            "Caffe pads both sides of an image alike, and the first convolution of this network "
            "pads 2 before and 3 after",
            where,
            "Write it as safetensors.",
        )
    if spec.pool_rounding != "ceil":
        raise UsageError(
            f"Caffe's pools round up, and those of this network round by the rule "
            f"{spec.pool_rounding!r}",
            where,
            "Write it as safetensors.",
        )


def _head_window(spec: GoogLeNetSpec, size: int, sides: Mapping[str, int]) -> tuple[int, int]:
    where = f"variant {spec.variant}"
    if spec.aux is None:
        raise UsageError("this network has no auxiliary heads", where, "Leave heads out.")
    if spec.aux.pooling == "average":
        if not cost.heads_fit(spec, size, size):
            raise UsageError(
                "the heads of this network pool 5x5 with stride 3, which leaves other than 4x4 of "
                f"an input of {size}x{size}",
                where,
                "Leave heads out, or give the size that they were trained at.",
            )
        return _PAPERS_HEAD_WINDOW
    window, rest = divmod(sides[f"inception{AUX_PLACES['aux1']}"], cost.AUX_GRID)
    if rest:
        raise UsageError(
            "Caffe has no adaptive pools, and the heads of this network pool "
            f"{window * cost.AUX_GRID + rest} rows to {cost.AUX_GRID}",
            where,
            "Leave heads out, or give a size that the network brings to a multiple of "
            f"{cost.AUX_GRID} there, such as 256.",
        )
    return window, window


def _learned_blobs(
    arrays: Mapping[str, NDArray[Any]], spec: GoogLeNetSpec, path: str, shape: tuple[int, ...]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the weight and the bias of a convolution or a linear layer, a float32 of each."""

    def parameter(leaf: str, shape: tuple[int, ...]) -> NDArray[Any]:
        name = f"{path}.{leaf}"
        found = arrays.get(name)
        if found is None or found.shape != shape:
            raise UsageError(
                f"the network needs {name} of shape {shape}; "
                f"{'it is not there' if found is None else f'this one has {found.shape}'}",
                f"variant {spec.variant}",
                "Give the weights that belong to this description.",
            )
        return found

    out = shape[:1]
    norm = spec.batch_norm
    if len(shape) == 2:
        weight, bias = parameter("weight", shape), parameter("bias", out)
    elif norm is None:
        weight, bias = parameter("conv.weight", shape), parameter("conv.bias", out)
    else:
        variance = parameter("bn.running_var", out).astype(np.float64)
        scale = 1 / np.sqrt(variance + norm.eps)
        if norm.gamma:
            scale = scale * parameter("bn.weight", out)
        weight = parameter("conv.weight", shape) * scale[:, None, None, None]
        bias = parameter("bn.bias", out) - parameter("bn.running_mean", out) * scale
    return weight.astype("<f4", copy=False), bias.astype("<f4", copy=False)


def _blob(array: NDArray[Any]) -> bytes:
    shape = BlobShape(dim=array.shape).SerializeToString()
    data: bytes = BlobProto(shape=shape, data=[array.tobytes()]).SerializeToString()
    return data
