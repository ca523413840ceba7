"""Data sets by name: elpv, fashion-mnist and digits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from googlenet.data.dataset import ArrayReader, FileReader
from googlenet.data.idx import read_idx
from googlenet.data.listing import TEST_SEED, Listing
from googlenet.data.split import stratified_split
from googlenet.errors import DataError, MissingExtraError, UsageError
from googlenet.offline import offline

NAMES = ("digits", "elpv", "fashion-mnist")

_FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FASHION_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
# Where Debian's package dataset-fashion-mnist puts them.
_DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


def list_named(name: str) -> Listing:
    """List a named data set; ``fashion-mnist:FOLDER`` reads its files from there.

    Raises:
        UsageError: There is no such data set, or it takes no folder.
        DataError: Its files cannot be read or fetched.
        MissingExtraError: The package that brings it is not installed.
    """
    base, _, folder = name.partition(":")
    if base == "fashion-mnist":
        return _list_fashion_mnist(Path(folder) if folder else None)
    if base in NAMES and not folder:
        return _list_elpv() if base == "elpv" else _list_digits()
    raise UsageError(
        f"there is no data set {name!r}",
        None,
        f"Choose one of: {', '.join(NAMES)}; fashion-mnist may be followed by :FOLDER.",
    )


def is_named(name: str) -> bool:
    """Tell whether a source is meant as the name of a data set."""
    base, colon, _ = name.partition(":")
    return base in NAMES and (not colon or base == "fashion-mnist")


def _list_elpv() -> Listing:
    """List 2,624 photographs of solar cells, 300 x 300, judged by experts.

    A cell is defective where the probability that the experts gave it is one half or more. The
    test part, a quarter, keeps every probability and both kinds of wafer in proportion.
    """
    # The package's own function reads all images into memory; its files say the same.
    found = find_spec("elpv_dataset")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(
            "the data set elpv needs the package elpv-dataset, which is not installed",
            None,
            "pip install 'googlenet[demo]'",
        )
    root = Path(found.submodule_search_locations[0]) / "data"
    try:
        rows = [line.split() for line in (root / "labels.csv").read_text().splitlines() if line]
        names = tuple(name for name, _, _ in rows)
        strata = tuple((float(probability), kind) for _, probability, kind in rows)
    except (OSError, ValueError) as error:
        raise DataError(
            "the labels of elpv-dataset cannot be read",
            root / "labels.csv",
            "Install it again: pip install --force-reinstall elpv-dataset",
        ) from error
    _, test = stratified_split(strata, 0.25, TEST_SEED)
    parts = ["train"] * len(names)
    for place in test:
        parts[place] = "test"
    return Listing(
        name="elpv",
        classes=("functional", "defective"),
        names=names,
        labels=np.array([probability >= 0.5 for probability, _ in strata], np.int64),
        reader=FileReader(root, names),
        parts=tuple(parts),
        strata=strata,
        validation_share=0.10,
        flip="all",
        min_area=0.8,  # a crack may be anywhere in a cell, at its edge too
        root=root,
        notes=("elpv's pictures are under CC BY-NC-SA 4.0: not for commercial use",),
    )


def _list_digits() -> Listing:
    """List scikit-learn's 1,797 handwritten digits, 8 x 8 pixels of 17 greys."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the data set digits needs the package scikit-learn, which is not installed",
            None,
            "pip install scikit-learn",
        ) from error
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Listing(
        name="digits",
        classes=tuple(map(str, digits.target_names)),
        names=tuple(f"digits/{index:04}" for index in range(len(images))),
        labels=digits.target.astype(np.int64),
        reader=ArrayReader(images),
        flip="none",
    )


def _list_fashion_mnist(folder: Path | None) -> Listing:
    """List 70,000 pictures of clothes, 28 x 28 grey, of which the last 10,000 are the test part."""
    if folder is None:
        folder = _find_fashion_mnist()
    arrays = [read_idx(folder / name, 1 if "labels" in name else 3) for name in _FASHION_FILES]
    train_images, train_labels, test_images, test_labels = arrays
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if len(images) != len(labels) or not len(labels) or labels.max() >= len(_FASHION_CLASSES):
            raise DataError("images and labels do not fit together", folder, "Fetch them again.")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError("training and test images differ in size", folder, "Fetch them again.")
    train, test = len(train_labels), len(test_labels)
    return Listing(
        name="fashion-mnist",
        classes=_FASHION_CLASSES,
        names=(
            *(f"train/{index:05}" for index in range(train)),
            *(f"test/{index:05}" for index in range(test)),
        ),
        labels=np.concatenate([train_labels, test_labels]).astype(np.int64),
        reader=ArrayReader(np.concatenate([train_images, test_images])),
        parts=("train",) * train + ("test",) * test,
        validation_share=1 / 12,  # 5,000 of 60,000
    )


def _find_fashion_mnist() -> Path:
    """Return the folder with the files: Debian's, the cache, or the cache after a download."""
    cache = user_cache_path("googlenet")
    fetched = cache / "FashionMNIST" / "raw"  # torchvision chooses these two names
    for folder in (_DEBIAN_FASHION, fetched):
        if all((folder / n).exists() or (folder / f"{n}.gz").exists() for n in _FASHION_FILES):
            return folder
    fix = "Fetch its four IDX files yourself and give fashion-mnist:FOLDER."
    if offline():
        raise DataError(
            "fashion-mnist is not here, and GOOGLENET_OFFLINE forbids to fetch it", fetched, fix
        )
    try:
        from torchvision.datasets import FashionMNIST
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "downloading fashion-mnist needs the package torchvision, which is not installed",
            None,
            "pip install 'googlenet[torch]'",
        ) from error
    try:
        FashionMNIST(cache, download=True)
    except (OSError, RuntimeError) as error:  # no network, or a file of another checksum
        raise DataError(f"fashion-mnist cannot be fetched: {error}", fetched, fix) from error
    return fetched
