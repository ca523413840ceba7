"""Reading caffemodels: both generations of layers, both precisions, and what is no caffemodel."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from googlenet.architecture.spec import LocalResponseNorm
from googlenet.errors import ModelError
from googlenet.weights.formats import caffe
from googlenet.weights.formats.contents import GraphFacts
from tests import caffe_wire as wire

STREAM = np.random.default_rng(20140917)
WEIGHT = STREAM.normal(size=(4, 3, 7, 7)).astype(np.float32)
BIAS = STREAM.normal(size=4).astype(np.float32)
LINEAR = STREAM.normal(size=(5, 4)).astype(np.float32)
LINEAR_BIAS = STREAM.normal(size=5).astype(np.float32)

# kernel_size 7, stride 2, pad 3, num_output 4; the same message in both generations
STEM = wire.number(1, 4) + wire.number(3, 3) + wire.number(4, 7) + wire.number(6, 2)
MAX_POOL = wire.number(1, 0) + wire.number(2, 3) + wire.number(3, 2)
HEAD_POOL = wire.number(1, 1) + wire.number(2, 5) + wire.number(3, 3)
NORM = wire.number(1, 5) + wire.single(2, 1e-4) + wire.single(3, 0.75)
TRANSFORM = wire.number(3, 224) + b"".join(wire.single(5, mean) for mean in (104, 117, 123))


CONV_1X1 = wire.number(1, 4) + wire.number(4, 1)
CONV_3X3 = wire.number(1, 4) + wire.number(4, 3) + wire.number(3, 1)


def small_net(*, norms: bool = True, round_mode: int = 0) -> bytes:
    """A caffemodel as Caffe's solver leaves it: the whole training graph, blobs in two layers."""
    pool = wire.message(121, MAX_POOL + (wire.number(13, round_mode) if round_mode else b""))
    net = wire.Chain("data")
    net.add("conv1/7x7_s2", "Convolution", WEIGHT, BIAS, settings=wire.message(106, STEM))
    net.add("relu1", "ReLU")
    net.add("pool1", "Pooling", settings=pool)
    if norms:
        net.add("norm1", "LRN", settings=wire.message(118, NORM))
    net.add("conv2", "Convolution", settings=wire.message(106, CONV_1X1))
    net.add("relu2", "ReLU")
    net.add("conv3", "Convolution", settings=wire.message(106, CONV_3X3))
    net.add("relu3", "ReLU")
    if norms:
        net.add("norm2", "LRN", settings=wire.message(118, NORM))
    net.add("pool2", "Pooling", settings=pool)
    net.add("pool3", "Pooling", settings=pool)
    head = wire.Chain(net.top)
    head.add("loss1/ave_pool", "Pooling", settings=wire.message(121, HEAD_POOL))
    head.add("loss1/fc", "InnerProduct")
    net.add("pool4", "Pooling", settings=pool)
    net.add("pool5", "Pooling", settings=wire.message(121, wire.number(1, 1) + wire.number(2, 7)))
    net.add("drop", "Dropout", settings=wire.message(108, wire.single(1, 0.4)))
    net.add("fc", "InnerProduct", LINEAR, LINEAR_BIAS)
    data = wire.layer(
        "data", "Data", settings=wire.message(4, b"data") + wire.message(100, TRANSFORM)
    )
    return b"".join([wire.message(1, b"small"), data, *net.layers, *head.layers])


def legacy_net(dtype: type = np.float32) -> bytes:
    values = [array.astype(dtype) for array in (WEIGHT, BIAS, LINEAR, LINEAR_BIAS)]
    blobs = [wire.blob(array, legacy=True) for array in values]
    pool = wire.message(19, MAX_POOL)
    small = wire.message(10, CONV_1X1)
    norm = wire.message(18, NORM)
    return b"".join(
        wire.legacy_layer(name, kind, *held, settings=wire.linked(below, name, legacy=True) + more)
        for name, below, kind, held, more in (
            ("conv1/7x7_s2", "data", wire.CONVOLUTION, blobs[:2], wire.message(10, STEM)),
            ("relu1", "conv1/7x7_s2", wire.RELU, [], b""),
            ("pool1", "relu1", wire.POOLING, [], pool),
            ("norm1", "pool1", wire.LRN, [], norm),
            ("conv2", "norm1", wire.CONVOLUTION, [], small),
            ("relu2", "conv2", wire.RELU, [], b""),
            ("conv3", "relu2", wire.CONVOLUTION, [], wire.message(10, CONV_3X3)),
            ("relu3", "conv3", wire.RELU, [], b""),
            ("norm2", "relu3", wire.LRN, [], norm),
            ("pool2", "norm2", wire.POOLING, [], pool),
            ("pool3", "pool2", wire.POOLING, [], pool),
            ("pool4", "pool3", wire.POOLING, [], pool),
            ("fc", "pool4", wire.INNER_PRODUCT, blobs[2:], b""),
        )
    )


def read(folder: Path, data: bytes, prototxt: str | None = None) -> caffe.WeightsFile:
    path = folder / "net.caffemodel"
    path.write_bytes(data)
    if prototxt is None:
        return caffe.read(path)
    (folder / "net.prototxt").write_text(prototxt)
    return caffe.read(path, folder / "net.prototxt")


def refusal(folder: Path, data: bytes, prototxt: str | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read(folder, data, prototxt)
    assert caught.value.where and caught.value.fix
    return caught.value


def test_reads_layers_of_today(tmp_path: Path) -> None:
    found = read(tmp_path, small_net())
    assert found.format == "caffemodel"
    assert list(found.arrays) == ["conv1/7x7_s2:0", "conv1/7x7_s2:1", "fc:0", "fc:1"]
    for array, wanted in zip(
        found.arrays.values(), (WEIGHT, BIAS, LINEAR, LINEAR_BIAS), strict=True
    ):
        assert array.dtype == np.float32
        assert np.array_equal(array, wanted)
    assert found.facts == GraphFacts(
        has_local_response_norm=True,
        local_response_norm=LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0),
        stem_padding="symmetric",
        pool_rounding="ceil",
        last_pool_kernel=3,
        aux_pooling="average",
        dropout=0.4,
        input_size=224,
        mean=(104.0, 117.0, 123.0),
        scale=1.0,
        channel_order="bgr",
    )
    assert found.notes == ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reads_layers_of_2014(dtype: type, tmp_path: Path) -> None:
    found = read(tmp_path, legacy_net(dtype))
    shapes = {name: array.shape for name, array in found.arrays.items()}
    assert shapes == {
        "conv1/7x7_s2:0": (4, 3, 7, 7),
        "conv1/7x7_s2:1": (1, 1, 1, 4),
        "fc:0": (1, 1, 5, 4),
        "fc:1": (1, 1, 1, 5),
    }
    assert {array.dtype for array in found.arrays.values()} == {np.dtype(dtype)}
    assert np.array_equal(found.arrays["fc:0"][0, 0], LINEAR.astype(dtype))
    assert found.facts.stem_padding == "symmetric"
    assert found.facts.local_response_norm == LocalResponseNorm()
    assert (found.facts.pool_rounding, found.facts.last_pool_kernel) == ("ceil", 3)
    assert found.facts.conflicts == ()


def test_joins_values_that_come_in_runs(tmp_path: Path) -> None:
    halves = BIAS.tobytes()[:4], BIAS.tobytes()[4:]
    blob = wire.message(7, wire.message(1, b"\4")) + b"".join(wire.message(5, h) for h in halves)
    found = read(tmp_path, wire.layer("a", "Convolution", wire.blob(WEIGHT), blob))
    assert np.array_equal(found.arrays["a:1"], BIAS)


def test_a_file_of_weights_alone_says_nothing_of_the_graph(tmp_path: Path) -> None:
    for settings in (b"", wire.message(106, STEM)):
        layers = [
            wire.layer(name, "Convolution", wire.blob(WEIGHT), settings=settings)
            for name in ("a", "b")
        ]
        assert read(tmp_path, b"".join(layers)).facts == GraphFacts()


def test_a_graph_with_pools_and_no_norm_has_none(tmp_path: Path) -> None:
    facts = read(tmp_path, small_net(norms=False, round_mode=1)).facts
    assert (facts.has_local_response_norm, facts.local_response_norm) == (False, None)
    assert (facts.pool_rounding, facts.conflicts) == ("floor", ())


def test_gradients_are_left_out_and_said(tmp_path: Path) -> None:
    blob = wire.blob(BIAS) + wire.message(6, BIAS.tobytes())
    found = read(tmp_path, wire.layer("a", "Bias", blob))
    assert np.array_equal(found.arrays["a:0"], BIAS)
    assert "gradients" in found.notes[0]


def test_reads_another_network(tmp_path: Path) -> None:
    """AlexNet's layers: grouped convolutions, three wide linear layers."""
    shapes = {"conv1": (6, 3, 11, 11), "conv2": (8, 3, 5, 5), "fc6": (9, 32), "fc8": (4, 9)}
    data = b"".join(
        wire.layer(name, "Convolution", wire.blob(np.ones(shape, np.float32)))
        for name, shape in shapes.items()
    )
    found = read(tmp_path, data)
    assert {name[:-2]: array.shape for name, array in found.arrays.items()} == shapes


def test_every_truncation_is_refused_or_lacks_what_was_cut(tmp_path: Path) -> None:
    whole = small_net()
    names = set(read(tmp_path, whole).arrays)
    refused = 0
    for length in range(0, len(whole), 7):
        try:
            assert set(read(tmp_path, whole[:length]).arrays) < names
        except ModelError:
            refused += 1
    assert refused > len(whole) / 7 * 0.9


def test_flipped_bits_are_refused_or_read(tmp_path: Path) -> None:
    whole = small_net()
    stream = np.random.default_rng(3)
    refused = 0
    for _ in range(500):
        data = bytearray(whole)
        # Values fill most of the file; the headers are what can go wrong.
        place = int(stream.integers(len(data)) if stream.random() < 0.3 else stream.integers(120))
        data[place] ^= 1 << int(stream.integers(8))
        try:
            read(tmp_path, bytes(data))
        except ModelError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        (wire.blob(BIAS, dims=(5,)), "needs 20 bytes"),
        (wire.blob(BIAS, dims=(2**62, 2**62)), "bytes of packed numbers"),
        (wire.blob(BIAS, dims=(0,)), "has the shape (0,)"),
        (wire.blob(BIAS, dims=(2**64 - 4,)), "has the shape (-4,)"),
        (wire.blob(BIAS, dims=(1,) * 33), "has the shape"),
        (wire.blob(BIAS, dims=(1,) * 3000), "shape of 3,00"),
        (wire.message(5, BIAS.tobytes()), "has the shape (0, 0, 0, 0)"),
        (wire.message(7, wire.message(1, b"\4")), "0 are there"),
        (wire.message(7, wire.message(1, b"\4")) + b"\x2a\0" * 1001, "1,001 runs"),
        (wire.message(7, b"\xff\xff") + wire.message(5, b""), "no protocol buffer"),
        (
            wire.message(7, wire.message(1, b"\4")) + b"".join(wire.single(5, x) for x in BIAS),
            "packed numbers; 0 are there",
        ),
    ],
    ids=str,
)
def test_blobs_that_do_not_fit_their_shape_are_refused(
    blob: bytes, says: str, tmp_path: Path
) -> None:
    assert says in refusal(tmp_path, wire.layer("a", "Convolution", blob)).what


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no Caffe layer with weights"),
        (b"name: 'GoogleNet' layer { }", "no protocol buffer"),
        (b"\xa2\x06" + wire.varint(2**31) + b"\x0a\x01a", "no protocol buffer"),
        (wire.message(100, b"\x3a" + wire.varint(2**31)), "no protocol buffer"),
        (wire.layer("a", "LRN"), "no Caffe layer with weights"),
        (wire.layer("a", "X", wire.blob(BIAS)) * 2, "two of its layers are called 'a'"),
        (wire.message(100, b"") * 2001, "2,001 layers"),
        (wire.layer("a", "X", *[wire.blob(BIAS)] * 17), "17 blobs"),
        (wire.layer("a" * 70_000, "X", wire.blob(BIAS)), "bytes of settings"),
        (
            wire.layer("a", "X", wire.blob(BIAS))
            + wire.layer("n", "LRN", settings=wire.message(118, wire.number(1, 4))),
            "size 4",
        ),
        (
            wire.layer("a", "X", wire.blob(BIAS))
            + wire.layer("n", "LRN", settings=wire.message(118, wire.single(2, float("nan")))),
            "alpha nan",
        ),
        (
            small_net() + wire.message(100, b"\x0a\x01q" + b"\x12\x03LRN" + b"\xb2\x07\x01"),
            "no protocol buffer",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_caffemodel_is_refused(data: bytes, says: str, tmp_path: Path) -> None:
    assert says in refusal(tmp_path, data).what


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError):
            caffe.read(path)


IMAGE = np.stack([np.full((6, 5), value) for value in (104.5, 117.0, 122.25)]).astype(np.float32)
IMAGE[:, 0, 0] += 3
AVERAGES = (104.6, 117.1, 122.35)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mean_image_is_averaged_by_channel(legacy: bool, dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(wire.blob(IMAGE.astype(dtype), legacy=legacy))
    assert caffe.read_mean(path) == pytest.approx(AVERAGES)


@pytest.mark.parametrize(
    "array",
    [IMAGE, np.asfortranarray(IMAGE), IMAGE.astype(">f8"), IMAGE[None]],
    ids=["image", "columns-first", "big-endian", "batch"],
)
def test_a_mean_may_be_numpys(array: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "mean.npy"
    np.save(path, array)
    assert caffe.read_mean(path) == pytest.approx(AVERAGES)


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1)])
def test_a_mean_may_be_three_values(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "mean.npy"
    np.save(path, np.array([104, 117, 123], np.uint8).reshape(shape))
    assert caffe.read_mean(path) == (104.0, 117.0, 123.0)


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"mean",
        wire.blob(np.ones((1, 4, 4), np.float32)),
        wire.blob(np.ones((2, 3, 4, 4), np.float32)),
        wire.blob(np.ones((3, 4), np.float32)),
        wire.blob(np.full(3, np.nan, np.float32)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", bytes(16)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", bytes(32)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 99999999999, 99999999999)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}", bytes(24)),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", bytes(24)),
        npy("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (3,)}", bytes(24)),
        npy("{'descr': '<f8', 'fortran_order': False}", bytes(24)),
        npy("(" * 5000),
        npy("{"),
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00",
    ],
    ids=lambda value: str(value[:60]),
)
def test_what_is_no_mean_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mean"
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        caffe.read_mean(path)
    assert caught.value.where == str(path) and caught.value.fix


def test_a_pickle_in_a_mean_is_never_run(tmp_path: Path) -> None:
    path, witness = tmp_path / "mean.npy", tmp_path / "ran"

    class Runs:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (witness,))

    np.save(path, np.array([Runs()] * 3, object), allow_pickle=True)
    with pytest.raises(ModelError):
        caffe.read_mean(path)
    assert not witness.exists()
