"""The data sets that have names, and the files that one of them is read from."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from googlenet.data.idx import read_idx
from googlenet.data.source import open_data
from googlenet.errors import DataError


def write_idx(path: Path, values: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, values.ndim])
    data = header + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return data


def fashion(folder: Path, train: int = 240, test: int = 40, suffix: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for stem, count in (("train", train), ("t10k", test)):
        pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{stem}-images-idx3-ubyte{suffix}", pixels)
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(folder / f"{stem}-labels-idx1-ubyte{suffix}", labels)
    return folder


def test_elpv_is_defective_from_one_half_and_tested_on_a_quarter() -> None:
    splits = open_data("elpv", seed=4)
    assert splits.test is not None
    assert splits.root is not None
    assert splits.classes == ("functional", "defective")
    assert splits.flip == "all"
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1771, 197, 656)

    kinds = {}
    for line in (splits.root / "labels.csv").read_text().splitlines():
        name, probability, wafer = line.split()
        kinds[name] = (float(probability), wafer)
    everything = Counter(kinds.values())
    assert sum(everything.values()) == 2624
    for part, share in ((splits.test, 0.25), (splits.validation, 0.075)):
        counts = Counter(kinds[name] for name in part.names)
        for kind, count in everything.items():
            assert abs(counts[kind] - share * count) <= 1.5
    for images in (splits.train, splits.validation, splits.test):
        for name, label in zip(images.names, images.labels, strict=True):
            assert label == (kinds[name][0] >= 0.5)
    assert splits.test.pixels(0).shape == (300, 300, 3)
    assert splits.test.path(0) == splits.root / splits.test.names[0]


def test_elpv_is_tested_on_the_same_images_for_every_seed() -> None:
    one, other = open_data("elpv", seed=0), open_data("elpv", seed=1)
    assert one.test is not None
    assert other.test is not None
    assert one.test.names == other.test.names
    assert one.validation.names != other.validation.names
    assert any("non" in note or "not for commercial" in note for note in one.notes)


def test_digits() -> None:
    splits = open_data("digits")
    assert splits.test is not None
    assert splits.classes == tuple("0123456789")
    assert splits.flip == "none"
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 1797
    pixels = np.stack([splits.train.pixels(index) for index in range(50)])
    assert pixels.shape == (50, 8, 8, 3)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert splits.train.path(0) is None


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_fashion_mnist_from_a_folder(tmp_path: Path, suffix: str) -> None:
    splits = open_data(f"fashion-mnist:{fashion(tmp_path / 'files', suffix=suffix)}")
    assert splits.test is not None
    assert splits.classes[0] == "T-shirt/top"
    assert splits.flip == "horizontal"
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (220, 20, 40)
    assert splits.validation.counts().tolist() == [2] * 10
    assert splits.test.names[3] == "test/00003"
    assert splits.test.labels.tolist() == [index % 10 for index in range(40)]
    generator = np.random.default_rng(0)
    generator.integers(0, 256, (240, 28, 28), dtype=np.uint8)
    test = generator.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    assert np.array_equal(splits.test.pixels(7)[:, :, 1], test[7])
    changed = fashion(tmp_path / "others", test=50)
    assert open_data(f"fashion-mnist:{changed}").fingerprint != splits.fingerprint


def test_fashion_mnist_whose_files_do_not_fit(tmp_path: Path) -> None:
    def refused(said: str) -> None:
        with pytest.raises(DataError, match=said):
            open_data(f"fashion-mnist:{tmp_path}")

    refused("no such file")
    labels = fashion(tmp_path) / "train-labels-idx1-ubyte"
    write_idx(labels, np.zeros(7, np.uint8))
    refused("fit together")
    write_idx(labels, np.full(240, 10, np.uint8))
    refused("fit together")
    write_idx(fashion(tmp_path) / "t10k-images-idx3-ubyte", np.zeros((40, 3, 3), np.uint8))
    refused("differ in size")


def test_idx_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "images"
    whole = write_idx(path, np.zeros((3, 4, 5), np.uint8))
    assert read_idx(path, 3).shape == (3, 4, 5)
    for data in (b"", whole[:9], whole[:-1], whole + b"\0", b"\x89PNG" + whole, whole[:3] + b"\2"):
        path.write_bytes(data)
        with pytest.raises(DataError):
            read_idx(path, 3)
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    with pytest.raises(DataError, match="claims"):
        read_idx(path, 3)
    path.unlink()
    packed = tmp_path / "images.gz"
    for data in (b"no gzip", gzip.compress(whole)[:-9], gzip.compress(whole)[:15] + b"\xff" * 60):
        packed.write_bytes(data)
        with pytest.raises(DataError):
            read_idx(path, 3)


def test_a_packed_file_is_not_unpacked_beyond_its_header(tmp_path: Path) -> None:
    bomb = bytes([0, 0, 8, 1, 0, 0, 0, 9]) + bytes(50_000_000)
    (tmp_path / "labels.gz").write_bytes(gzip.compress(bomb))
    with pytest.raises(DataError, match="not as long"):
        read_idx(tmp_path / "labels", 1)


def test_a_name_stays_a_name_beside_a_directory_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert any("./digits" in note for note in open_data("digits").notes)
    with pytest.raises(DataError, match="no folder of images"):
        open_data("./digits")
    with pytest.raises(DataError, match="no folder of images"):
        open_data(Path("digits"))


@pytest.mark.parametrize(
    ("name", "blocked", "said"),
    [
        ("elpv", "elpv_dataset", "pip install 'googlenet[demo]'"),
        ("digits", "sklearn", "pip install scikit-learn"),
        ("fashion-mnist", "torchvision", "pip install 'googlenet[torch]'"),
    ],
)
def test_a_missing_package_is_named_with_the_command(
    tmp_path: Path, name: str, blocked: str, said: str
) -> None:
    code = f"""
import sys
sys.modules[{blocked!r}] = None  # as if it were not installed
from googlenet.data import named
named._DEBIAN_FASHION = named.Path('/nonexistent')
from googlenet.errors import MissingExtraError
try:
    named.list_named({name!r})
except MissingExtraError as error:
    print(error.exit_code, error.fix)
"""
    environment = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.strip() == f"4 {said}", done.stderr


def test_offline_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from googlenet.data import named

    monkeypatch.setattr(named, "_DEBIAN_FASHION", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for value in ("1", "true"):
        monkeypatch.setenv("GOOGLENET_OFFLINE", value)
        with pytest.raises(DataError, match="GOOGLENET_OFFLINE"):
            open_data("fashion-mnist")
