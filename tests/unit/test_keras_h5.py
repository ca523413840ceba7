"""Keras weights in HDF5 as h5py and Keras write them, and files that are damaged or lie."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.formats.keras_h5 import read
from tests import foreign_files, fuzz
from tests.oracles import golden

SMALL = Path("tests/golden/small/keras.h5")


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value.what


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_weights_are_those_of_the_layers(tmp_path: Path, version: str) -> None:
    file = read(foreign_files.write_keras(tmp_path / "a.h5", libver=version))
    assert file.format == "keras"
    assert file.producer == "Keras 2.2.4"
    assert file.facts == GraphFacts(input_size=64, batch_norm_eps=1e-3)
    assert file.notes == ("Left out the optimizer's state.",)
    expected = {
        "conv1/7x7_s2/kernel": foreign_files.KERNEL.T,
        "conv1/7x7_s2/bias": foreign_files.BIAS,
        "old/kernel": foreign_files.KERNEL.T.astype(np.float16).astype(np.float32),
        "old/bias": foreign_files.BIAS.astype(np.float64),
    }
    assert list(file.arrays) == list(expected)
    for name, values in expected.items():
        assert file.arrays[name].dtype == values.dtype
        assert np.array_equal(file.arrays[name], values), name


def test_kerass_own_file_is_read() -> None:
    file = read(SMALL)
    assert file.producer == "Keras 2.21.0"
    for layer, leaf, shape in (
        ("conv1/3x3", "kernel", (3, 3, 3, 4)),
        ("conv1/3x3", "bias", (4,)),
        ("loss/classifier", "kernel", (144, 5)),
        ("loss/classifier", "bias", (5,)),
    ):
        expected = golden.draw_shift(f"{layer}/{leaf}", shape)
        assert np.array_equal(file.arrays[f"{layer}/{leaf}"], expected)


def test_keras_3_numbers_its_layers(tmp_path: Path) -> None:
    file = read(foreign_files.write_modern_keras(tmp_path / "a.weights.h5"))
    assert list(file.arrays) == [
        "batch_normalization/beta",
        "batch_normalization/moving_mean",
        "batch_normalization/moving_variance",
        *(
            f"conv2d{number}/{leaf}"
            for number in ("", "_1", "_2", "_10")
            for leaf in ("kernel", "bias")
        ),
    ]
    assert np.array_equal(
        file.arrays["conv2d_10/kernel"], foreign_files.KERNEL.T[..., :2] + np.float32(10)
    )
    assert np.array_equal(file.arrays["batch_normalization/moving_mean"], foreign_files.BIAS + 1)


def with_dataset(path: Path, **options: object) -> Path:
    """Write one layer of which the kernel is kept in an unusual way."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv"]
        group = file.create_group("conv")
        group.attrs["weight_names"] = [b"kernel:0"]
        group.create_dataset("kernel:0", **options)
    return path


def test_chunks_are_put_together(tmp_path: Path) -> None:
    kernel = np.arange(1000, dtype=np.float32).reshape(10, 100)
    path = with_dataset(tmp_path / "a.h5", data=kernel, chunks=(3, 40))
    assert np.array_equal(read(path).arrays["conv/kernel"], kernel)


def test_compressed_weights_are_refused_with_advice(tmp_path: Path) -> None:
    """What is compressed would unpack to any size."""
    path = with_dataset(tmp_path / "a.h5", data=np.zeros(10**7, np.float32), compression="gzip")
    with pytest.raises(ModelError, match="compressed") as caught:
        read(path)
    assert "h5repack" in str(caught.value.fix)


def test_numbers_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """HDF5 keeps no bytes for what was never written, and no end to how large it may be."""
    path = with_dataset(tmp_path / "a.h5", shape=(2**20, 2**20), dtype="f4", chunks=(1024, 1024))
    assert path.stat().st_size < 20_000
    with fuzz.bounded_memory():
        assert "larger than the file" in problem(path)


def test_the_same_numbers_over_and_over_are_refused(tmp_path: Path) -> None:
    path = with_dataset(tmp_path / "a.h5", data=np.zeros(1000, np.float32))
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [f"conv{number}".encode() for number in range(100)]
        for number in range(100):
            file[f"conv{number}"] = file["conv"]  # a hard link
    assert "larger than the file" in problem(path)


def test_text_is_refused(tmp_path: Path) -> None:
    assert "is of type" in problem(with_dataset(tmp_path / "a.h5", data=np.array([b"text"])))


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Neither to other files nor round in circles."""
    foreign_files.write_keras(tmp_path / "other.h5")
    for link in (
        h5py.ExternalLink(str(tmp_path / "other.h5"), "model_weights/old"),
        h5py.SoftLink("/conv"),
    ):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"conv"]
            file["conv"] = link
        assert "Keras HDF5 file is damaged" in problem(path)


def test_a_group_in_itself_is_no_end(tmp_path: Path) -> None:
    path = foreign_files.write_keras(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["model_weights/conv1/itself"] = file["model_weights"]
        file["layers"] = file["/"]
    assert len(read(path).arrays) == 4


def test_other_hdf5_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(4)
    assert "no layers as Keras saves them" in problem(path)


def test_a_weight_that_is_missing_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_keras(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file["model_weights/old/old_b"]
    assert "old_b" in problem(path)


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    data = SMALL.read_bytes()
    for length in range(0, len(data) // 2, 499):
        path.write_bytes(data[:length])
        assert "Keras HDF5 file is damaged" in problem(path)


def described(folder: Path, *layers: tuple[str, dict[str, object]]) -> GraphFacts:
    """Read the facts of a model with these layers, each reading the one before."""
    path = foreign_files.write_keras(folder / "a.h5")
    names = [f"layer_{number}" for number in range(len(layers))]
    entries = [
        {
            "name": name,
            "class_name": kind,
            "config": config,
            "inbound_nodes": [[[before, 0, 0, {}]]] if before else [],
        }
        for name, before, (kind, config) in zip(names, ["", *names], layers, strict=False)
    ]
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Model", "config": {"layers": entries}}
        )
    return read(path).facts


def test_a_whole_model_says_layout_and_dropout(tmp_path: Path) -> None:
    facts = described(
        tmp_path,
        ("InputLayer", {"batch_input_shape": [None, 3, 224, 224]}),
        ("Conv2D", {"data_format": "channels_first"}),
        ("LRN", {}),  # a port's own, whose constants are in its code
        ("AveragePooling2D", {"data_format": "channels_first"}),
        ("Flatten", {}),
        ("Dropout", {"rate": 0.4}),
        ("Dense", {}),
        ("Dropout", {"rate": 0.7}),
    )
    assert facts == GraphFacts(input_size=224, dropout=0.4, channels_last=False)


@pytest.mark.parametrize(
    ("maps", "flattening", "expected"),
    [
        ({"data_format": "channels_last"}, {}, True),
        ({"dim_ordering": "th"}, {}, False),
        ({"dim_ordering": "tf"}, {}, True),
        # Flatten turns what it is told has its channels first.
        ({"data_format": "channels_first"}, {"data_format": "channels_first"}, True),
        ({"data_format": "channels_first"}, {"data_format": "channels_last"}, False),
        ({"data_format": ["channels_first"]}, {}, None),
        ({}, {}, None),
    ],
)
def test_flattened_maps_have_their_channels_where_the_layers_say(
    tmp_path: Path, maps: dict[str, object], flattening: dict[str, object], expected: bool | None
) -> None:
    facts = described(tmp_path, ("Conv2D", maps), ("Flatten", flattening))
    assert (facts.channels_last, facts.conflicts) == (expected, ())


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            ("Conv2D", {"data_format": "channels_last"}),
            ("Conv2D", {"data_format": "channels_first"}),
            "that channels are last is True and False",
        ),
        (
            ("Conv2D", {"data_format": "channels_last"}),
            ("Flatten", {"data_format": "channels_first"}),
            "maps with their channels last are flattened as if they were first",
        ),
        (
            ("BatchNormalization", {"epsilon": 1e-3}),
            ("BatchNormalization", {"epsilon": 1e-5}),
            "the eps of batch normalization is 0.001 and 1e-05",
        ),
        (
            ("InputLayer", {"batch_input_shape": [None, 64, 64, 3]}),
            ("InputLayer", {"batch_shape": [None, 96, 96, 3]}),
            "the size of the image is 64 and 96",
        ),
    ],
)
def test_layers_that_disagree_are_a_conflict(
    tmp_path: Path,
    one: tuple[str, dict[str, object]],
    other: tuple[str, dict[str, object]],
    said: str,
) -> None:
    facts = described(tmp_path, one, other)
    assert facts == GraphFacts(conflicts=(said,))


@pytest.mark.parametrize("eps", [0, -1e-3, float("nan"), float("inf"), "0.001", None, True, [1]])
def test_an_eps_that_cannot_be_is_refused(tmp_path: Path, eps: object) -> None:
    with pytest.raises(ModelError, match="eps of"):
        described(tmp_path, ("BatchNormalization", {"epsilon": eps}))


@pytest.mark.parametrize("rate", [1, -0.1, float("nan"), "0.4", None])
def test_a_dropout_that_cannot_be_is_refused(tmp_path: Path, rate: object) -> None:
    with pytest.raises(ModelError, match="rate of"):
        described(tmp_path, ("AveragePooling2D", {}), ("Dropout", {"rate": rate}))


@pytest.mark.parametrize("side", [0, -224, 4097, 10**400, 224.0, "224", None, True, [224]])
def test_a_size_that_cannot_be_is_none(tmp_path: Path, side: object) -> None:
    facts = described(tmp_path, ("InputLayer", {"batch_input_shape": [None, side, side, 3]}))
    assert facts == GraphFacts()


@pytest.mark.parametrize(
    "description",
    ["[]", "3", "null", "{}", '{"config": 3}', '{"config": {"layers": [3, null, [], {}]}}'],
)
def test_a_description_of_another_kind_says_nothing(tmp_path: Path, description: str) -> None:
    path = foreign_files.write_keras(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = description
    assert read(path).facts == GraphFacts()


@pytest.mark.parametrize("description", ["", "{", "[" * 20_000])
def test_a_description_that_is_no_json_is_refused(tmp_path: Path, description: str) -> None:
    path = foreign_files.write_keras(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = description
    assert "Keras HDF5 file is damaged" in problem(path)
