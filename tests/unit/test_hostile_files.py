"""Small files that were made to fill the memory, to take for ever, or to break what reads them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from googlenet.errors import ModelError
from googlenet.weights.formats.detect import read_weights
from googlenet.weights.tensor_file import tensor_file
from googlenet.weights.tensor_header import HEADER_CHECKSUM, NO_CHECKSUM, quoted, sha256
from tests import foreign_files, hostile
from tests.sorted_tables import block, compressed, stored, table, varint

# What a file may take: so much, and some times its own size.
MOST_BYTES = 50 * 2**20
MOST_TIMES = 8
MOST_SECONDS = 5.0
LONGEST_MESSAGE = 2_000

MILLIONS = 4_000_000


def message(number: int, data: bytes) -> bytes:
    """Write a field of a protocol buffer that holds bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def shared_keys(size: int, count: int) -> bytes:
    """Write entries that share all of one key."""
    first = varint(0) + varint(size) + varint(0) + b"k" * size
    return first + (varint(size) + varint(0) + varint(0)) * count + bytes(4) + b"\1\0\0\0"


def with_pickle(path: Path, data: bytes) -> None:
    """Write a file of PyTorch's with this pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", bytes(16))


def tensor(shape: bytes, strides: bytes, size: bytes = b"K\x04") -> bytes:
    """Write a pickle of a tensor under two names; shape, strides, and storage's size as given."""
    return (
        b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"
        b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + size + b"tQK\0" + shape + strides
    ) + b"\x89ccollections\nOrderedDict\n)RtRq\xffsX\x01\0\0\0vh\xffs."


def long_number(value: int) -> bytes:
    """Write a number of any size for a pickle."""
    return pickle.dumps(value, protocol=2)[2:-1]


def views(path: Path, count: int, size: int, kind: int = zipfile.ZIP_STORED) -> None:
    """Let PyTorch save tensors that share one storage; compressed, if so wished."""
    numbers = torch.zeros(size)
    torch.save({f"w{number}": numbers.view(-1) for number in range(count)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def zipped_bomb(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(200 * 2**20))


def many_members(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"")
        for number in range(20_000):
            archive.writestr(f"{number}", b"")


def tar_bomb(path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("a.ckpt")
        member.size = 200 * 2**20
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    path.write_bytes(gzip.compress(packed.getvalue()))


DOUBLED = b"\x80\x02N\x85q\x00" + b"".join(
    b"h%ch%c\x86q%c" % (number, number, number + 1) for number in range(100)
)
NODE = message(1, b"")

CASES: dict[str, Callable[[Path], object]] = {
    "long key shared": lambda path: path.write_bytes(
        table([stored(block([(b"", b"\x08\x01")])), stored(shared_keys(2**20, 2_000))])
    ),
    "many keys": lambda path: path.write_bytes(
        table([compressed(block([(b"", b"")])), compressed(shared_keys(900, 1_000_000))])
    ),
    "listed variables": lambda path: path.write_bytes(
        table([compressed(block([(b"", message(1, NODE * MILLIONS))]))])
    ),
    "slices of a variable": lambda path: path.write_bytes(
        table([compressed(block([(b"", message(1, message(1, message(4, b"") * MILLIONS)))]))])
    ),
    "axes of a variable": lambda path: path.write_bytes(
        table([compressed(block([(b"", message(1, message(1, message(2, NODE * MILLIONS))))]))])
    ),
    "nodes": lambda path: path.write_bytes(NODE * MILLIONS),
    "nodes, packed": lambda path: path.write_bytes(gzip.compress(NODE * MILLIONS)),
    "inputs": lambda path: path.write_bytes(
        message(1, message(2, b"Add") + message(3, b"") * MILLIONS)
    ),
    "attributes": lambda path: path.write_bytes(
        message(1, message(2, b"Add") + message(5, b"") * MILLIONS)
    ),
    "axes of a constant": lambda path: path.write_bytes(
        message(
            1,
            message(2, b"Const")
            + message(
                5,
                message(1, b"value")
                + message(2, message(8, message(2, message(2, b"") * MILLIONS))),
            ),
        )
    ),
    "axes of an attribute": lambda path: path.write_bytes(
        message(
            1,
            message(2, b"Placeholder")
            + message(5, message(1, b"shape") + message(2, message(7, message(2, b"") * MILLIONS))),
        )
    ),
    "meta graphs": lambda path: path.write_bytes(b"\x08\x01" + message(2, b"") * MILLIONS),
    "layers": lambda path: path.write_bytes(message(100, b"") * MILLIONS),
    "older layers": lambda path: path.write_bytes(message(2, b"") * MILLIONS),
    "onnx nodes": lambda path: path.write_bytes(b"\x08\x07" + message(7, NODE * MILLIONS)),
    "onnx initializers": lambda path: path.write_bytes(
        b"\x08\x07" + message(7, NODE + message(5, b"") * MILLIONS)
    ),
    "npz that unpacks without end": lambda path: zipped_bomb(path, "w.npy"),
    "pth that unpacks without end": lambda path: zipped_bomb(path, "a/data.pkl"),
    "zip that unpacks without end": lambda path: zipped_bomb(path, "a.pb"),
    "tar that unpacks without end": tar_bomb,
    "many members of a zip": lambda path: many_members(path, "a.pb"),
    "many members of a pth": lambda path: many_members(path, "a/data.pkl"),
    "nested tuples for a name": lambda path: with_pickle(
        path, b"\x80\x02N" + b"\x85" * 200_000 + b"X\x01\0\0\0a\x93."
    ),
    "shared tuples for a name": lambda path: with_pickle(path, DOUBLED + b"h\x64h\x64\x93."),
    "shared tuples for a shape": lambda path: with_pickle(
        path, DOUBLED + tensor(b"h\x64", b"K\x01\x85")[2:]
    ),
    "shared tuples for a storage": lambda path: with_pickle(
        path, DOUBLED + tensor(b"K\x04\x85", b"K\x01\x85", b"h\x64")[2:]
    ),
    "long name": lambda path: with_pickle(path, b"\x80\x02c" + b"a" * 2**20 + b"\nb\n."),
    "long number for a place": lambda path: with_pickle(path, b"\x80\x02I" + b"1" * 2**20 + b"\n."),
    "many empty dictionaries": lambda path: with_pickle(path, b"\x80\x02" + b"}" * 2**22 + b"."),
    "huge side": lambda path: with_pickle(
        path, tensor(long_number(10**5000) + b"\x85", b"K\x01\x85")
    ),
    "huge storage": lambda path: with_pickle(
        path, tensor(b"K\x04\x85", b"K\x01\x85", long_number(10**5000))
    ),
    "views of all, packed": lambda path: views(path, 101, 25_000_000, zipfile.ZIP_DEFLATED),
    "views of all": lambda path: views(path, 1_001, 25_000),
    "safetensors of empty tensors": lambda path: safetensors(path, 200_000),
}


def safetensors(path: Path, count: int) -> None:
    entry = '"{}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    text = "{" + ",".join(entry.format(number) for number in range(count)) + "}"
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())


@pytest.mark.parametrize("name", CASES)
def test_a_file_takes_no_more_than_some_times_its_size(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    CASES[name](path)
    reading = hostile.read(path)
    assert reading.said is not None and len(reading.said) < LONGEST_MESSAGE
    assert reading.memory < MOST_BYTES + MOST_TIMES * path.stat().st_size
    assert reading.seconds < MOST_SECONDS


def refused(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_weights(path)
    assert caught.value.fix
    assert len(str(caught.value)) < LONGEST_MESSAGE
    return caught.value


def test_where_there_is_but_one_number_the_step_may_be_any(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with_pickle(path, tensor(b"K\x01K\x04\x86", long_number(10**18) + b"K\x01\x86"))
    assert read_weights(path).arrays["w"].shape == (1, 4)
    with_pickle(path, tensor(b"K\x01K\x04\x86", long_number(10**30) + b"K\x01\x86"))
    assert "shape that no storage holds" in refused(path).what


def resealed(data: bytes, metadata: dict[str, str]) -> bytes:
    """Give a file of ours other metadata, and its header a right checksum."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = {HEADER_CHECKSUM: NO_CHECKSUM, **metadata}
    text = json.dumps(header).encode()
    text = text.replace(quoted(NO_CHECKSUM), quoted(sha256(text)))
    return len(text).to_bytes(8, "little") + text + data[end:]


def test_checksums_of_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    data = tensor_file({"a": torch.ones(2)}, {})
    pairs = json.dumps([["a", sha256(np.ones(2, np.float32))]])
    path.write_bytes(resealed(data, {"sha256": pairs}))
    assert read_weights(path).arrays["a"].tolist() == [1, 1]
    for sums in ('[["a", 1]]', "[[[], 1]]", "7", "{}", "[" * 100_000, '{"a": null}'):
        path.write_bytes(resealed(data, {"sha256": sums}))
        assert "damaged" in refused(path).what
    path.write_bytes(resealed(data, {}))
    assert "checksums are of other tensors" in refused(path).what
    path.write_bytes(resealed(tensor_file({}, {}), {}))
    assert not read_weights(path).arrays


@pytest.mark.parametrize("location", ["x" * 300, "x\0e.onnx", "\0", "x/" * 5_000, "x" * 2**20])
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, location: str) -> None:
    path = foreign_files.write_onnx_with_data(tmp_path / "e.onnx")
    model = onnx.load(path, load_external_data=False)
    outside = next(each for each in model.graph.initializer if each.external_data)
    for each in outside.external_data:
        if each.key == "location":
            each.value = location
    path.write_bytes(model.SerializeToString())
    refused(path)


@pytest.mark.parametrize("name", ["ä" * 200, "x/" * 90, "x" * 190])
def test_a_checkpoint_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')
    refused(tmp_path)


@pytest.mark.parametrize("name", ["ä" * 200, "x" * 1_000, "a\0b"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name)


def test_a_part_of_a_checkpoint_that_cannot_be_is_refused(tmp_path: Path) -> None:
    # Its index has the longest name that there may be, so its values' would be too long.
    index = tmp_path / f"{'x' * 249}.index"
    shutil.copy("tests/golden/small/training/model.ckpt-7.index", index)
    assert "lacks a data file" in refused(index).what
