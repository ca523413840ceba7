"""Data sets that are known by name."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import ArrayReader, FileReader
from googlenet.data.listing import Listing
from googlenet.data.split import stratified_split
from googlenet.errors import DataError, MissingExtraError

NAMES = ("elpv", "fashion-mnist", "digits")

# The test part of elpv never depends on the seed of a run, so that runs can be compared.
ELPV_TEST_SHARE, ELPV_SPLIT_SEED = 0.25, 0
ELPV_VALIDATION_SHARE = 0.1

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FASHION_VALIDATION_SHARE = 5_000 / 60_000
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


def read_named(name: str) -> Listing:
    """List a data set by its name; ``fashion-mnist:DIRECTORY`` says where its files are."""
    kind, _, place = name.partition(":")
    if kind == "elpv":
        return _elpv()
    if kind == "digits":
        return _digits()
    return _fashion_mnist(Path(place) if place else None)


def is_named(source: str) -> bool:
    """Tell whether a user's word is the name of a data set."""
    return source.partition(":")[0] in NAMES and (":" not in source or source[:7] == "fashion")


def _elpv() -> Listing:
    """List the solar cells of Buerhop-Lutz et al. 2018: defective at a probability of one half.

    Source: labels.csv of the package elpv-dataset: path, probability of a defect, wafer type.
    """
    spec = importlib.util.find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "the data set elpv is not installed", None, "Run: pip install 'googlenet[demo]'"
        )
    root = Path(spec.origin).parent / "data"
    try:
        lines = (root / "labels.csv").read_text(encoding="utf-8").split("\n")
        rows = [line.split() for line in lines if line.strip()]
        names = tuple(row[0] for row in rows)
        strata = tuple((float(row[1]), row[2]) for row in rows)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"the labels of elpv cannot be read: {error}",
            root / "labels.csv",
            "Install it again: pip install --force-reinstall elpv-dataset",
        ) from error
    _, test = stratified_split(strata, ELPV_TEST_SHARE, ELPV_SPLIT_SEED)
    tested = set(test.tolist())
    return Listing(
        source="elpv",
        name="elpv",
        reader=FileReader(root, names),
        names=names,
        labels=tuple("defective" if each[0] >= 0.5 else "functional" for each in strata),
        parts=tuple("test" if index in tested else "train" for index in range(len(rows))),
        classes=("functional", "defective"),
        strata=strata,
        shares=(ELPV_VALIDATION_SHARE, 0.0),
        notes=("elpv's pictures are under CC BY-NC-SA 4.0: not for commercial use",),
        flip="all",
        root=root,
    )


def _fashion_mnist(folder: Path | None) -> Listing:
    """List Fashion-MNIST (Xiao et al. 2017), from IDX files or torchvision's download."""
    if folder is None:
        folder = DEBIAN_FASHION if DEBIAN_FASHION.is_dir() else _downloaded_fashion()
    images, labels, parts, names = [], [], [], []
    for stem, part in (("train", "train"), ("t10k", "test")):
        pixels = read_idx(folder, f"{stem}-images-idx3-ubyte", dimensions=3)
        classes = read_idx(folder, f"{stem}-labels-idx1-ubyte", dimensions=1)
        if len(pixels) != len(classes) or classes.max(initial=0) >= len(FASHION_CLASSES):
            raise DataError(
                f"the {stem} images and labels do not fit together",
                folder,
                "Take all four files from the same source.",
            )
        images.append(pixels)
        labels.append(classes)
        parts += [part] * len(pixels)
        names += [f"{part}/{index:05d}" for index in range(len(pixels))]
    return Listing(
        source=f"fashion-mnist:{folder}",
        name="fashion-mnist",
        reader=ArrayReader(np.concatenate(images)),
        names=tuple(names),
        labels=tuple(FASHION_CLASSES[label] for label in np.concatenate(labels)),
        parts=tuple(parts),
        classes=FASHION_CLASSES,
        shares=(FASHION_VALIDATION_SHARE, 0.0),
    )


def read_idx(folder: Path, stem: str, *, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, gzipped or not: two zeros, 8, the dimensions, sizes, values.

    Raises:
        DataError: It is missing or is no such file.
    """
    plain, packed = folder / stem, folder / f"{stem}.gz"
    path = plain if plain.exists() else packed
    try:
        data = path.read_bytes()
        raw = gzip.decompress(data) if path == packed else data
        if raw[:4] != bytes((0, 0, 8, dimensions)):
            raise ValueError("its header is another one")
        shape = struct.unpack_from(f">{dimensions}I", raw, 4)
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
        return values.reshape(shape).copy()
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise DataError(
            f"this is no IDX file of {dimensions} dimensions: {error}",
            path,
            "Give the directory with the four Fashion-MNIST files: fashion-mnist:DIRECTORY.",
        ) from error


def _downloaded_fashion() -> Path:
    """Return where torchvision keeps its copy, which it fetches the first time."""
    import os

    from platformdirs import user_cache_path

    cache = user_cache_path("googlenet")
    folder = cache / "FashionMNIST" / "raw"
    if not folder.is_dir() and os.environ.get("GOOGLENET_OFFLINE") == "1":
        raise DataError(
            "Fashion-MNIST is not here, and GOOGLENET_OFFLINE forbids to fetch it",
            folder,
            "Name the directory of its files: fashion-mnist:DIRECTORY.",
        )
    if not folder.is_dir():
        try:
            from torchvision.datasets import FashionMNIST

            FashionMNIST(str(cache), train=True, download=True)
        except ImportError as error:
            raise MissingExtraError(
                "fetching Fashion-MNIST needs torchvision",
                None,
                "Run: pip install 'googlenet[torch]', or name its directory: "
                "fashion-mnist:DIRECTORY.",
            ) from error
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"Fashion-MNIST cannot be fetched: {error}",
                folder,
                "Name the directory of its files: fashion-mnist:DIRECTORY.",
            ) from error
    return folder


def _digits() -> Listing:
    """List scikit-learn's 1,797 handwritten digits of 8x8 pixels."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            "the data set digits comes with scikit-learn", None, "Run: pip install scikit-learn"
        ) from error
    bunch: Any = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    return Listing(
        source="digits",
        name="digits",
        reader=ArrayReader(images),
        names=tuple(f"{index:04d}" for index in range(len(images))),
        labels=tuple(str(label) for label in bunch.target),
        parts=(None,) * len(images),
        classes=tuple("0123456789"),
        flip="none",
    )
