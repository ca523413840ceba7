"""Chainer's files as NumPy writes them, and files that are damaged, lie, or carry pickles."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from googlenet.errors import ModelError
from googlenet.weights.formats.chainer_npz import read
from tests import foreign_files, fuzz
from tests.oracles import golden


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value.what


def with_member(path: Path, name: str, data: bytes, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "a", kind) as archive:
        archive.writestr(name, data)
    return path


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode("latin-1")


def test_arrays_are_those_that_were_saved(tmp_path: Path) -> None:
    file = read(foreign_files.write_npz(tmp_path / "a.npz"))
    assert file.format == "chainer"
    assert file.notes == ("Left out persistent: single numbers, such as counters.",)
    assert list(file.arrays) == ["conv1/W", "conv1/b", "loss3_fc/W", "loss3_fc/b"]
    assert np.array_equal(file.arrays["conv1/W"], foreign_files.KERNEL)
    assert file.arrays["conv1/b"].dtype == np.float32
    assert np.array_equal(file.arrays["conv1/b"], foreign_files.BIAS.astype(np.float16))
    assert np.array_equal(file.arrays["loss3_fc/W"], foreign_files.LINEAR)  # in Fortran's order
    assert file.arrays["loss3_fc/b"].shape == (5,)


def test_chainers_own_file_is_read_whole(tmp_path: Path) -> None:
    path = golden.unpack(Path("tests/golden/chainer.npz.xz"), tmp_path / "chainer.npz")
    file = read(path)
    assert len(file.arrays) == 128
    assert sum(array.size for array in file.arrays.values()) == 13_378_280
    name = "inc4a/conv3/W"
    expected = golden.draw_weight(name, (208, 96, 3, 3), 96 * 9)
    assert np.array_equal(file.arrays[name], expected)


def test_only_the_model_of_a_snapshot_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            **{
                "updater/model:main/conv1/W": foreign_files.KERNEL,
                "updater/optimizer:main/conv1/W/v": foreign_files.KERNEL,
                "updater/optimizer:main/t": np.int64(7),
                # Chainer saves None so, as a pickle; it is not looked at.
                "updater/iterator:main/order": np.array(None, object),
            },
        )
    file = read(path)
    assert list(file.arrays) == ["updater/model:main/conv1/W"]
    assert file.notes == ("Left out 3 arrays of training: the optimizer's state.",)


class Runs:
    """Makes a directory where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_pickled_arrays_are_never_opened(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    pickled = np.array([Runs(proof)], object)
    path = foreign_files.write_npz(tmp_path / "a.npz", more=pickled)
    assert "pickle, which could run code" in problem(path)
    assert not proof.exists()
    with np.load(path, allow_pickle=True) as archive:
        archive["more"]
    assert proof.exists()  # it would have run


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741824, 1073741824, 16), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 20 + "4,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'more': " + "(" * 200 + "}",
        "",
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, text: str) -> None:
    path = foreign_files.write_npz(tmp_path / "a.npz")
    with_member(path, "more.npy", header(text) + bytes(16))
    assert "'more.npy'" in problem(path)


def test_python_2s_headers_are_read(tmp_path: Path) -> None:
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L), }\n"
    path = with_member(tmp_path / "a.npz", "w.npy", header(text) + bytes(16))
    assert read(path).arrays["w"].shape == (2, 2)


def test_no_more_is_unpacked_than_declared(tmp_path: Path) -> None:
    path = foreign_files.write_npz(tmp_path / "a.npz")
    bomb = bytes(600 * 2**20)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bomb)
        archive.getinfo("bomb.npy").file_size = 10  # what the directory will say
    del bomb
    with fuzz.bounded_memory():
        assert "broken" in problem(path)


def test_what_cannot_be_packed_so_well_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_npz(tmp_path / "a.npz")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", bytes(100))
        archive.getinfo("w.npy").file_size = 400 * 2**20
    assert "cannot unpack to" in problem(path)


def test_members_without_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}.npy", b"")
    assert "more than 10,000 members" in problem(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = foreign_files.write_npz(tmp_path / "a.npz")
    assert "two members" in problem(with_member(path, "conv1/W.npy", b""))


def test_unusual_compression_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_npz(tmp_path / "a.npz")
    assert "more.npy" in problem(with_member(path, "more.npy", bytes(100), zipfile.ZIP_LZMA))


def test_archives_of_other_things_are_refused(tmp_path: Path) -> None:
    assert "no arrays" in problem(with_member(tmp_path / "a.npz", "readme.txt", b"text"))


def test_truncated_and_flipped_files_are_refused(tmp_path: Path) -> None:
    path = foreign_files.write_npz(tmp_path / "a.npz")
    data = path.read_bytes()
    for length in range(4, len(data), 53):
        path.write_bytes(data[:length])
        assert "NumPy .npz file is damaged" in problem(path)
    flipped = bytearray(data)
    flipped[200] ^= 16  # within the first member's compressed numbers
    path.write_bytes(flipped)
    assert "broken" in problem(path)
