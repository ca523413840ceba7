"""PyTorch's files of both formats, and what they may carry: nothing of it is run."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from googlenet.errors import ModelError
from googlenet.weights.formats.torch_file import read
from tests import foreign_files, fuzz, hostile
from tests.narrow import narrow_network


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value.what


def rezipped(path: Path, change: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    """Put a zip file together again, with members that are others."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in (members | change).items():
            archive.writestr(name, data)
    return path


def pickled(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("a/data.pkl")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_those_that_were_saved(tmp_path: Path, zipped: bool) -> None:
    file = read(foreign_files.write_torch(tmp_path / "a.pth", zipped=zipped))
    assert file.format == "torch"
    assert not file.notes
    expected = foreign_files.state_dict()
    assert list(file.arrays) == list(expected)
    for name, tensor in expected.items():
        whole = tensor.detach()
        values = whole.float() if whole.dtype in (torch.half, torch.bfloat16) else whole
        assert file.arrays[name].dtype == values.numpy().dtype
        assert np.array_equal(file.arrays[name], values.numpy()), name


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_found_in_a_training_checkpoint(tmp_path: Path, zipped: bool) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth", foreign_files.checkpoint(), zipped=zipped)
    file = read(path)
    assert list(file.arrays) == list(foreign_files.state_dict())
    assert file.notes == ("Beside the weights: epoch, best, optimizer; none of it was read.",)


def test_text_of_python_2_is_read(tmp_path: Path) -> None:
    """Python 2 writes its text by instructions that Python 3 has no more."""
    path = foreign_files.write_torch(tmp_path / "a.pth")
    text = re.compile(rb"X(.)\x00\x00\x00([a-zA-Z])", re.DOTALL)
    rezipped(path, {"a/data.pkl": text.sub(rb"U\1\2", pickled(path))})
    assert list(read(path).arrays) == list(foreign_files.state_dict())


def test_a_name_that_is_there_as_text_and_bytes_is_refused(tmp_path: Path) -> None:
    value = {"w": torch.ones(2), b"w": torch.zeros(2)}
    torch.save(value, tmp_path / "a.pth", pickle_protocol=4)
    assert "'w' twice" in problem(tmp_path / "a.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_that_are_built_in_unknown_ways_are_refused(tmp_path: Path, zipped: bool) -> None:
    for odd, message in (
        (torch.eye(2).to_sparse(), "builds 'odd' with torch._utils._rebuild_sparse_tensor"),
        (torch.zeros(2, dtype=torch.uint16), "builds 'odd' with torch._utils._rebuild_tensor_v3"),
        (torch.zeros(2, dtype=torch.complex64), "ComplexFloatStorage has no numbers"),
    ):
        value = {"a": torch.ones(2), "b": torch.ones(2), "odd": odd}
        path = foreign_files.write_torch(tmp_path / "a.pth", value, zipped=zipped)
        assert message in problem(path)


def test_what_is_no_tensor_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.ones(2), "extra": None, "empty": torch.zeros(2, 0)}, path)
    file = read(path)
    assert file.arrays["empty"].size == 0
    assert file.notes == ("Left out extra: not tensors.",)


def test_torch_is_not_imported(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    code = (
        "import sys; from pathlib import Path; from googlenet.weights.formats import torch_file; "
        "torch_file.read(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


class Runs:
    """Makes a directory where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_named_and_never_run(tmp_path: Path, zipped: bool) -> None:
    proof = tmp_path / "proof"
    value = {"state_dict": foreign_files.state_dict(), "more": Runs(proof)}
    path = foreign_files.write_torch(tmp_path / "a.pth", value, zipped=zipped)
    assert problem(path) == (
        f"PyTorch file carries code: it would call {os.mkdir.__module__}.mkdir, "
        "and nothing of it was run"
    )
    assert not proof.exists()
    torch.load(path, weights_only=False)
    assert proof.exists()  # it would have run


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(X\x02\0\0\0lstR",
        b"cos\nsystem\n(X\x02\0\0\0lst\x81",
        b"cos\nsystem\n(X\x02\0\0\0lst}\x92",
        b"c__builtin__\neval\n(X\x01\0\0\x001tR",
        b"cbuiltins\ngetattr\n(cos\npath\nX\x04\0\0\0jointR",
        b"cfunctools\npartial\n(cos\nsystem\ntR",
        # Names that lead out of a package that is known.
        b"X\x08\0\0\0torch.nnX\x0e\0\0\0modules.system\x93)R",
        b"ctorch.nnx\nsystem\n)R",
        b"ctorch.hub\nload\n)R",
        b"cos\nenviron\n}b",
    ],
)
def test_code_of_every_kind_is_refused(tmp_path: Path, code: bytes) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    held = pickled(path)
    assert held.endswith(b"u.")
    rezipped(path, {"a/data.pkl": held[:-1] + b"X\x04\0\0\0more" + code + b"s."})
    assert "carries code" in problem(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_whole_modules_are_refused(tmp_path: Path, zipped: bool) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth", torch.nn.Linear(2, 2), zipped=zipped)
    assert problem(path) == (
        "PyTorch file holds an object (torch.nn.modules.linear.Linear), not tensors by name"
    )
    path = foreign_files.write_torch(tmp_path / "a.pth", narrow_network(), zipped=zipped)
    assert "it would call googlenet.nn.googlenet.GoogLeNet" in problem(path)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantized_tensors_are_refused(tmp_path: Path) -> None:
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for zipped in (True, False):
        value = {"w": quantized, "v": quantized}
        path = foreign_files.write_torch(tmp_path / "a.pth", value, zipped=zipped)
        assert "quantized" in problem(path)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = rezipped(
        foreign_files.write_torch(tmp_path / "a.pth"), {"a/constants.pkl": b"\x80\x02)."}
    )
    assert "TorchScript" in problem(path)


def test_a_file_without_tensors_by_name_is_refused(tmp_path: Path) -> None:
    for value in (
        [torch.ones(2)],
        {"model": {"deep": {"model": 1}}},
        {"a": {"b": {"c": {"w": torch.ones(2), "v": torch.ones(2)}}}},
        {"accuracy": torch.ones(2), "loss": torch.tensor(0.5)},
        {},
    ):
        path = foreign_files.write_torch(tmp_path / "a.pth", value)
        assert problem(path) == "PyTorch file holds no tensors by name"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth", zipped=zipped)
    data = path.read_bytes()
    for length in range(4, len(data) - 1, 97):
        path.write_bytes(data[:length])
        assert "PyTorch" in problem(path)


def test_a_flipped_bit_in_a_weight_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    data = bytearray(path.read_bytes())
    data[data.find(foreign_files.KERNEL.tobytes()) + 10] ^= 4
    path.write_bytes(data)
    assert "CRC" in problem(path)


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_torch(
        tmp_path / "a.pth", {"w": torch.ones(4), "v": torch.ones(2, 3)}
    )
    saved = pickled(path)
    # The pickle's numbers: BININT1 4 is the storage's size, then the tensor's only side.
    for old, new in (
        (b"K\x04tq", b"J\xff\xff\xff\x7ftq"),
        (b"K\x04\x85q", b"J\xff\xff\xff\x7f\x85q"),
        (b"K\x01\x85q", b"J\xff\xff\xff\x7f\x85q"),
        (b"K\x04\x85q", b"J\xff\xff\xff\xff\x85q"),
    ):
        assert saved.count(old) == 1
        rezipped(path, {"a/data.pkl": saved.replace(old, new)})
        assert "storage" in problem(path)
    # Of the same number over and over, without end.
    repeated = saved.replace(b"K\x04\x85q", b"J\xff\xff\xff\x7f\x85q").replace(
        b"K\x01\x85q", b"K\x00\x85q"
    )
    rezipped(path, {"a/data.pkl": repeated})
    assert "not in its storage" in problem(path)


def test_a_storage_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth", {"w": torch.ones(4)}, zipped=False)
    data = path.read_bytes()
    assert data[-24:-16] == (4).to_bytes(8, "little")
    path.write_bytes(data[:-24] + (2**40).to_bytes(8, "little") + data[-16:])
    assert "lies beyond its end" in problem(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    rezipped(path, {"a/data/0": bytes(600 * 2**20)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    assert "unpacks to" in problem(path)


def test_a_size_that_hides_a_bomb_does_not_help(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (members | {"a/data/0": bytes(600 * 2**20)}).items():
            archive.writestr(name, data)
        archive.getinfo("a/data/0").file_size = 10  # what the directory will say
    with fuzz.bounded_memory():
        assert "broken" in problem(path)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(20):
            archive.writestr(f"a/data/{number}", bytes(1000))
        for member in archive.infolist():
            member.header_offset = 0
            member.orig_filename = member.filename
    data = packed.getvalue()
    # Only the first member is left; the directory has all.
    first = data.index(b"PK\x03\x04", 4)
    directory = data.index(b"PK\x01\x02")
    ending = bytearray(data[data.index(b"PK\x05\x06") :])
    ending[16:20] = first.to_bytes(4, "little")
    path.write_bytes(data[:first] + data[directory : data.index(b"PK\x05\x06")] + ending)
    assert "overlap" in problem(path)


def test_a_pickle_that_never_ends_is_refused(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    rezipped(path, {"a/data.pkl": b"\x80\x02" + b"N" * 2_000_000 + b"."})
    assert "too many instructions" in problem(path)


def test_laughter_costs_nothing(tmp_path: Path) -> None:
    """Lists of lists of lists, each held twice by the next: none is walked through."""
    laugh: object = []
    for _ in range(100):
        laugh = [laugh, laugh]
    path = foreign_files.write_torch(
        tmp_path / "a.pth", {"model": foreign_files.state_dict(), "laugh": laugh}
    )
    assert list(read(path).arrays) == list(foreign_files.state_dict())
    # As a name (two values from the memo, and STACK_GLOBAL), a key, and a function that is called.
    doubled = b"\x80\x04]q\x00" + b"".join(
        b"](h%ch%ceq%c" % (number, number, number + 1) for number in range(100)
    )
    for ending in (b"h\x64h\x64\x93.", b"}h\x64\x85Ns.", b"h\x64)R."):
        rezipped(path, {"a/data.pkl": doubled + ending})
        assert "PyTorch file" in problem(path)


def test_what_all_values_share_is_looked_through_once(tmp_path: Path) -> None:
    """Ten thousand values, each of which holds the same tens of thousands."""
    for shared in ([[] for _ in range(50_000)], {f"{each}": {} for each in range(20_000)}):
        around = [{"all": shared} for _ in range(10_000)]
        value = {f"{number}": each for number, each in enumerate(around)}
        torch.save({"model": foreign_files.state_dict()} | value, tmp_path / "a.pth")
        reading = hostile.read(tmp_path / "a.pth")
        assert reading.said is None
        assert reading.seconds < 5.0


def test_calls_fill_no_memory(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    made = b"ccollections\nCounter\nq\0" + b"h\0)RNb" * 50_000
    rezipped(path, {"a/data.pkl": b"\x80\x02" + made + b"."})
    reading = hostile.read(path)
    assert reading.said is not None
    assert reading.memory < 50 * 2**20


def test_other_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    for value in (7, [1, 2], {"a": 1}):
        path.write_bytes(pickle.dumps(value, protocol=2))
        assert "PyTorch file is damaged" in problem(path)


def test_big_endian_files_are_refused(tmp_path: Path) -> None:
    path = foreign_files.write_torch(tmp_path / "a.pth")
    rezipped(path, {"a/byteorder": b"big"})
    assert "big-endian" in problem(path)


def test_the_oldest_files_are_refused_with_advice(tmp_path: Path) -> None:
    from googlenet.weights.formats.detect import read_weights

    path = tmp_path / "a.pth"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(ModelError, match=r"before 0\.1\.10"):
        read_weights(path)
