"""Formats are told by what is in a file, whatever its name; what is no weights file is named."""

from __future__ import annotations

import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from googlenet.errors import ModelError
from googlenet.weights.formats import contents
from googlenet.weights.formats.detect import read_weights
from tests import foreign_files, fuzz
from tests.unit.test_caffe import legacy_net, small_net

SMALL = Path("tests/golden/small")


def refused(path: Path, prototxt: Path | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_weights(path, prototxt=prototxt)
    assert caught.value.where and caught.value.fix
    return caught.value


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


WRITERS = {
    "caffemodel": lambda path: write(path, small_net()),
    "caffemodel legacy": lambda path: write(path, legacy_net()),
    "onnx": foreign_files.write_onnx,
    "torch": foreign_files.write_torch,
    "torch stream": lambda path: foreign_files.write_torch(path, zipped=False),
    "safetensors": foreign_files.write_safetensors,
    "keras": foreign_files.write_keras,
    "graphdef": lambda path: write(path, (SMALL / "graph.pb").read_bytes()),
    "tensorflow-checkpoint": lambda path: write(path, (SMALL / "slices.ckpt").read_bytes()),
}


@pytest.mark.parametrize("name", ["weights", "weights.bin", "weights.pb", "weights.caffemodel"])
@pytest.mark.parametrize("kind", WRITERS)
def test_the_name_does_not_matter(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    WRITERS[kind](path)
    file = read_weights(path)
    assert file.format == kind.partition(" ")[0]
    assert file.arrays


def test_npz_has_no_name_of_its_own_either(tmp_path: Path) -> None:
    path = shutil.move(foreign_files.write_npz(tmp_path / "a.npz"), tmp_path / "a.pth")
    assert read_weights(Path(path)).format == "chainer"


@pytest.mark.parametrize(
    "name",
    [
        "training",
        "training/model.ckpt-7",
        "training/model.ckpt-7.index",
        "training/model.ckpt-7.data-00000-of-00001",
        "saved_model",
    ],
)
def test_a_checkpoint_goes_by_any_of_its_names(name: str) -> None:
    file = read_weights(SMALL / name)
    assert file.format == "tensorflow-checkpoint"
    assert "conv/weights" in file.arrays


@pytest.mark.parametrize(
    ("source", "inside", "kind"),
    [
        ("slices.ckpt", "inception_v1.ckpt", "tensorflow-checkpoint"),
        ("graph.pb", "tensorflow_inception_graph.pb", "graphdef"),
    ],
)
def test_published_archives_are_opened(tmp_path: Path, source: str, inside: str, kind: str) -> None:
    packed = tmp_path / "a.tar.gz"
    with tarfile.open(packed, "w:gz", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(SMALL / source, inside)
    assert read_weights(packed).format == kind
    zipped = tmp_path / "a.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(SMALL / source, inside)
        archive.writestr("labels.txt", "dummy\n")
    assert read_weights(zipped).format == kind


def test_a_prototxt_goes_with_a_caffemodel_alone(tmp_path: Path) -> None:
    prototxt = tmp_path / "deploy.prototxt"
    prototxt.write_text('layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" }\n')
    path = write(tmp_path / "a.caffemodel", small_net())
    assert read_weights(path, prototxt=prototxt).format == "caffemodel"
    path = foreign_files.write_torch(tmp_path / "a.pth")
    assert "prototxt goes with a .caffemodel" in refused(path, prototxt).what


def test_other_things_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 8)).save(picture)
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 28000000\n"
    for data, said in {
        b"": "is empty",
        lfs: "pointer of Git LFS",
        b"\n<!DOCTYPE html>\n<html><title>404</title></html>": "web page",
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>': "web page",
        picture.read_bytes(): "picture",
        (0x112).to_bytes(8, "little") + bytes(100): "MXNet",
        pickle.dumps({"conv.weight": np.ones(3)}): "pickle, which could run code",
        b"layer { name: 'conv1' }\n": "text",
        "Größe\r\n".encode(): "text",
        bytes(1000): "no format",
        b"\xff" * 1000: "no format",
    }.items():
        path.write_bytes(data)
        assert said in refused(path).what
    assert "Paddle" in refused(write(tmp_path / "a.pdparams", pickle.dumps({"w": 1}))).what


def test_archives_of_other_things_say_what_is_in_them(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"")
    assert refused(path).fix == "Unpack it, and give model.weights.h5."


def test_a_saved_models_graph_is_told_from_a_frozen_one() -> None:
    assert "SavedModel" in refused(SMALL / "saved_model" / "saved_model.pb").what


def test_a_model_directory_needs_no_reader(model: Path) -> None:
    assert "model directory already" in refused(model).what


def test_what_is_not_there_or_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "missing").what
    assert "no TensorFlow checkpoint" in refused(tmp_path).what
    assert "special file" in refused(Path("/dev/zero")).what


def test_files_without_end_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(contents.LARGEST_FILE + 1)
    assert "no GoogLeNet needs more" in refused(path).what


def test_a_length_of_two_gigabytes_is_not_believed(tmp_path: Path) -> None:
    for tag, kind in (
        (b"\xa2\x06", "caffemodel"),
        (b"\x08\x07\x3a", "ONNX"),
        (b"\x0a", "GraphDef"),
    ):
        path = write(tmp_path / "a", tag + b"\xff\xff\xff\xff\x07" + bytes(range(1, 200)))
        assert f"{kind} file is damaged" in refused(path).what


def test_no_more_of_an_archive_is_unpacked_than_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("graph.pb", bytes(600 * 2**20))
        archive.getinfo("graph.pb").file_size = 10  # what the directory will say
    with fuzz.bounded_memory():
        assert "zip file is damaged" in refused(path).what
