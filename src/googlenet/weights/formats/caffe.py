"""Read Caffe's files: weights (``.caffemodel``), nets (``.prototxt``) and means.

Source of the formats: BVLC/caffe: src/caffe/proto/caffe.proto, src/caffe/blob.cpp (which values
stand for a blob) and src/caffe/net.cpp (how weights find their layers).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.names import visible
from googlenet.weights.formats.caffe_graph import (
    GraphLayer,
    graph_facts,
    graph_layer,
    net_layers,
    text,
)
from googlenet.weights.formats.caffe_schema import (
    BlobProto,
    BlobShape,
    LayerParameter,
    NetParameter,
    StoredLayer,
    StoredNet,
    StoredV1Layer,
    V1LayerParameter,
)
from googlenet.weights.formats.contents import GraphFacts, WeightsFile, damaged, read_bytes
from googlenet.weights.formats.schema import parse

KIND = "caffemodel"

# Caffe's own GoogLeNet has some 170 layers, of at most two blobs, and 1 kB of settings a layer.
MOST_LAYERS = 2_000
MOST_BLOBS = 16
LARGEST_SETTINGS = 2**16
MOST_AXES = 32  # Caffe's own limit
MOST_RUNS = 1_000  # of a blob's numbers; what writes them all at once writes one

# Caffe's own train_val.prototxt has 40 kB, with lines of 60 characters.
LARGEST_PROTOTXT = 2**19
LONGEST_LINE = 16_000


def read(path: Path, prototxt: Path | None = None) -> WeightsFile:
    """Read a ``.caffemodel``, of either generation of layers, in single or double precision.

    Args:
        path: The file.
        prototxt: The net that it belongs to, deploy or train_val, whose facts go before those that
            the file itself has.

    Returns:
        Arrays named ``LAYER:NUMBER``, float32 or float64, read-only, with the shape that the file
        gives: a convolution's weight ``:0`` is (out, in, rows, columns) and its bias ``:1`` (out,);
        the older generation has four axes always, (1, 1, out, in) for a linear layer's weight.

    Raises:
        ModelError: The file is no caffemodel or is damaged, or the prototxt is, or the two do not
            belong together.
    """
    net = parse(StoredNet, read_bytes(path), path, KIND)
    if len(net.layers) + len(net.layer) > MOST_LAYERS:
        raise damaged(path, KIND, f"it has {len(net.layers) + len(net.layer):,} layers")
    layers: list[GraphLayer] = []
    arrays: dict[str, NDArray[Any]] = {}
    gradients = False
    for layer, blobs in _stored_layers(net, path):
        layers.append(layer)
        for number, data in enumerate(blobs):
            name = f"{layer.name}:{number}"
            if name in arrays:
                raise damaged(path, KIND, f"two of its layers are called {layer.name!r}")
            blob = parse(BlobProto, data, path, KIND)
            arrays[name] = _array(blob, path, KIND, f"blob {name!r}")
            gradients |= bool(blob.diff or blob.double_diff)
    if not arrays:
        raise ModelError(
            "file holds no Caffe layer with weights",
            path,
            "Give the .caffemodel; a net without weights (.prototxt) goes beside it.",
        )
    facts, notes = graph_facts(layers, path, KIND)
    if gradients:
        notes = (*notes, "Left out are the weights' gradients, which a snapshot may hold.")
    if prototxt is not None:
        declared, declared_facts, more = _read_prototxt(prototxt)
        _check_fit(declared, arrays, path, prototxt)
        facts, disagreements = _merged(declared_facts, facts)
        notes = (*more, *notes, *disagreements)
    return WeightsFile(format="caffemodel", path=path, arrays=arrays, facts=facts, notes=notes)


def read_mean(path: Path) -> tuple[float, float, float]:
    """Read a mean image and average it to one value a channel.

    Args:
        path: A ``.binaryproto`` of Caffe's, or a ``.npy`` of shape (3,), (3, 1, 1) or (3, H, W).

    Returns:
        Three values on the scale of the file, 0 to 255 for Caffe's, in the order of its channels,
        which is blue, green, red for Caffe's.

    Raises:
        ModelError: The file is neither, is damaged, or has other than three channels.
    """
    data = read_bytes(path)
    if data.startswith(b"\x93NUMPY"):
        values = _numpy_array(data, path)
    else:
        values = _array(parse(BlobProto, data, path, "mean"), path, "mean", "the image")
    shape = values.shape
    if values.ndim == 4 and shape[0] == 1:  # the older generation's batch of one
        values = values[0]
    if values.ndim not in (1, 3) or values.shape[0] != 3:
        raise ModelError(
            f"mean has the shape {shape}, not that of an image of 3 channels",
            path,
            "Give Caffe's mean image (.binaryproto), or a .npy of three values.",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        blue, green, red = values.reshape(3, -1).mean(axis=1, dtype=np.float64).tolist()
    if not all(map(math.isfinite, (blue, green, red))):
        raise damaged(path, "mean", "its average is no number")
    return blue, green, red


def _stored_layers(net: Any, path: Path) -> Iterator[tuple[GraphLayer, list[bytes]]]:
    """Yield each layer, without its blobs, and its blobs."""
    generations = (
        (net.layers, StoredV1Layer, V1LayerParameter),
        (net.layer, StoredLayer, LayerParameter),
    )
    for stored_layers, stored_type, settings_type in generations:
        for data in stored_layers:
            stored = parse(stored_type, data, path, KIND)
            if len(stored.blobs) > MOST_BLOBS:
                raise damaged(path, KIND, f"a layer has {len(stored.blobs):,} blobs")
            blobs = list(stored.blobs)
            stored.ClearField("blobs")
            settings = stored.SerializeToString()
            if len(settings) > LARGEST_SETTINGS:
                raise damaged(path, KIND, f"a layer has {len(settings):,} bytes of settings")
            yield graph_layer(parse(settings_type, settings, path, KIND)), blobs


def _array(blob: Any, path: Path, kind: str, what: str) -> NDArray[Any]:
    """Return a blob's values in its shape.

    Numbers that are not packed are not found here; Caffe has packed them since its first release.
    """
    runs, item = (blob.double_data, "<f8") if blob.double_data else (blob.data, "<f4")
    if len(runs) > MOST_RUNS:
        raise damaged(path, kind, f"{what} comes in {len(runs):,} runs of numbers")
    data = runs[0] if len(runs) == 1 else b"".join(runs)
    shape = _shape(blob, path, kind, what)
    expected = math.prod(shape) * np.dtype(item).itemsize
    if len(data) != expected:
        raise damaged(
            path,
            kind,
            f"{what} of shape {shape} needs {expected:,} bytes of packed numbers; "
            f"{len(data):,} are there",
        )
    return np.frombuffer(data, item).reshape(shape)


def _shape(blob: Any, path: Path, kind: str, what: str) -> tuple[int, ...]:
    if blob.HasField("shape"):
        # An axis takes at most ten bytes, as a negative number does; the rest is the field's own.
        if len(blob.shape) > MOST_AXES * 10 + 8:
            raise damaged(path, kind, f"{what} has a shape of {len(blob.shape):,} bytes")
        shape = tuple(parse(BlobShape, blob.shape, path, kind).dim)
    else:
        shape = (blob.num, blob.channels, blob.height, blob.width)
    if len(shape) > MOST_AXES or any(size < 1 for size in shape):
        raise damaged(path, kind, f"{what} has the shape {shape}")
    return shape


def _numpy_array(data: bytes, path: Path) -> NDArray[Any]:
    """Return the numbers of a ``.npy`` file, whose header is believed only as far as they go."""
    stream = BytesIO(data)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(stream)
        shape, columns_first, dtype = readers[version](stream)
    except Exception as error:  # the header is a text that NumPy lets Python's parser read
        raise damaged(
            path, "mean", f"its header is not NumPy's ({type(error).__name__})"
        ) from error
    body = data[stream.tell() :]
    if dtype.kind not in "fiu" or not all(type(size) is int and size > 0 for size in shape):
        raise damaged(path, "mean", f"it holds {dtype} of shape {shape}, no numbers of an image")
    if math.prod(shape) * dtype.itemsize != len(body):
        raise damaged(path, "mean", f"its shape {shape} does not fit its {len(body):,} bytes")
    if len(shape) > MOST_AXES:
        raise damaged(path, "mean", f"it has {len(shape)} axes")
    values: NDArray[Any] = np.frombuffer(body, dtype)
    return values.reshape(shape[::-1]).T if columns_first else values.reshape(shape)


def _read_prototxt(path: Path) -> tuple[list[GraphLayer], GraphFacts, tuple[str, ...]]:
    kind = "prototxt"
    data = read_bytes(path)
    if len(data) > LARGEST_PROTOTXT:
        raise damaged(
            path, kind, f"it has {len(data):,} bytes; a net needs no {LARGEST_PROTOTXT:,}"
        )
    # The parser's time grows with the length of a line that is not what it expects, squared.
    longest = max(map(len, data.split(b"\n")))
    if longest > LONGEST_LINE:
        raise damaged(path, kind, f"a line has {longest:,} bytes; no net needs {LONGEST_LINE:,}")
    net = NetParameter()
    try:
        text_format.Parse(text(data), net, allow_unknown_field=True)
    except text_format.ParseError as error:
        # What comes before repeats the line.
        problem = visible(str(error).rpartition(": ")[2])
        raise damaged(path, kind, f"line {error.GetLine()}: {problem}") from error
    # Python warns of an escape that it does not know: an exception where warnings are errors.
    except (RecursionError, ValueError, DeprecationWarning) as error:
        raise damaged(path, kind, f"it is no net in text ({type(error).__name__})") from error
    layers = net_layers(net)
    if not layers:
        raise damaged(path, kind, "it has no layers")
    facts, notes = graph_facts(layers, path, kind, net)
    return layers, facts, notes


def _check_fit(
    declared: Sequence[GraphLayer], arrays: dict[str, NDArray[Any]], path: Path, prototxt: Path
) -> None:
    outputs_of = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}
    for layer in declared:
        if layer.kind not in outputs_of:
            continue
        weight = arrays.get(f"{layer.name}:0")
        wanted = getattr(layer.settings, outputs_of[layer.kind]).num_output
        if weight is None:
            problem = f"has no weights for the layer {layer.name!r}"
        elif wanted and wanted != _outputs(weight, layer.kind):
            problem = (
                f"has {_outputs(weight, layer.kind):,} outputs for the layer {layer.name!r}, "
                f"not {wanted:,}"
            )
        else:
            continue
        raise ModelError(
            f"{path.name} {problem}, which {prototxt.name} declares",
            path,
            f"Give the prototxt that belongs to these weights, not {prototxt}.",
        )


def _outputs(weight: NDArray[Any], kind: str) -> int:
    axis = 2 if kind == "InnerProduct" and weight.ndim == 4 else 0
    return weight.shape[axis] if weight.ndim else 1


def _merged(declared: GraphFacts, stored: GraphFacts) -> tuple[GraphFacts, list[str]]:
    """Put a prototxt's facts before those of the caffemodel, and say where the two disagree."""
    facts, notes = stored, []
    for field in fields(GraphFacts):
        ours, theirs = getattr(declared, field.name), getattr(stored, field.name)
        if ours is None or field.name == "conflicts":
            continue
        facts = replace(facts, **{field.name: ours})
        if theirs is not None and theirs != ours:
            notes.append(
                f"Prototxt and caffemodel disagree on {field.name}: {ours} and {theirs}; the "
                "prototxt's is taken."
            )
    # Caffe runs the prototxt: the graph in the caffemodel tells only what that one leaves open.
    if declared.has_local_response_norm is not None or declared.conflicts:
        norm = declared.local_response_norm
        facts = replace(facts, local_response_norm=norm, conflicts=declared.conflicts)
    return facts, notes
