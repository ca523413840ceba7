"""Keras weights in HDF5: the layout until Keras 2, alone or in a whole model, and Keras 3's.

Source: keras-team/keras: keras/src/legacy/saving/legacy_h5_format.py and
keras/src/saving/saving_lib.py.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyfive
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import (
    GraphFacts,
    WeightsFile,
    damaged,
    read_bytes,
    shortened,
)
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.formats.keras_facts import keras_facts

_KIND = "Keras HDF5"
_MODEL = "model_weights"
_OPTIMIZER = "optimizer_weights"
_CONFIGURATION = "model_config"
# Where Keras 3 keeps layers: since 3.0, and in its previews.
_LAYERS = ("layers", "_layer_checkpoint_dependencies")

# Keras 1 ended a weight's name so.
_OLD_LEAVES = {
    "_W": "kernel",
    "_b": "bias",
    "_gamma": "gamma",
    "_beta": "beta",
    "_running_mean": "moving_mean",
    # It is the variance, whatever the name says.
    "_running_std": "moving_variance",
}
_NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")
_MOST_DIMENSIONS = 8


def read(path: Path) -> WeightsFile:
    """Read the weights of each layer.

    Args:
        path: An ``.h5`` or ``.hdf5`` file.

    Returns:
        The weights as ``layer/kernel``, ``bias``, ``gamma``, ``beta``, ``moving_mean`` and
        ``moving_variance``, in the order of the layers and Keras's layout (kernels H, W, in, out;
        linear layers in, out): floating-point, of which half precision becomes float32.

    Raises:
        ModelError: The file is damaged, compressed, or not of Keras.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        with _File(_Bounded(data)) as file:
            found = _legacy(file) or _modern(file)
            arrays = _Datasets(path, len(data)).read(found)
            description = file.attrs.get(_CONFIGURATION)
            facts = (
                GraphFacts() if description is None else keras_facts(json.loads(_text(description)))
            )
            producer = f"Keras {_text(file.attrs.get('keras_version', b''))}".strip()
            has_optimizer = _OPTIMIZER in file or "optimizer" in file
    except ModelError:
        raise
    # pyfive checks little, so a broken file may raise anything.
    except Exception as error:
        raise damaged(path, _KIND, f"{type(error).__name__}: {error}") from error
    if not arrays:
        raise ModelError(
            "HDF5 file has no layers as Keras saves them", path, "Give a file of save_weights."
        )
    return WeightsFile(
        format="keras",
        path=path,
        arrays=arrays,
        facts=facts,
        producer=producer,
        notes=("Left out the optimizer's state.",) if has_optimizer else (),
    )


class _Bounded(io.BytesIO):
    """Give no more than some times what there is: addresses in a file may lead round in circles."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.left = 4 * len(data) + 2**22

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does."""
        data = super().read(size)
        self.left -= len(data) + 64
        if self.left < 0:
            raise ValueError("its addresses lead round in circles")
        return data


class _File(pyfive.File):  # type: ignore[misc]
    """Let attributes have no more values than bytes; pyfive makes room for as many as they say.

    What is overridden is pyfive's own business: it is so in 1.3, to which the package is held.
    """

    def _get_dataobjects(self, address: Any) -> Any:
        found = super()._get_dataobjects(address)
        # One that is known already is given again, with its check.
        if "_attr_value" not in vars(found):
            found._attr_value = partial(_checked_values, found._attr_value)
        return found


def _checked_values(read: Any, kind: Any, held: bytes, count: int, offset: int) -> Any:
    if count > len(held):
        raise ValueError(f"an attribute has {count:,} values")
    return read(kind, held, count, offset)


def _legacy(file: pyfive.File) -> dict[str, pyfive.Dataset]:
    """Find the weights where the layers' names are listed."""
    root = file.get(_MODEL, file)
    found = {}
    for layer in _texts(root.attrs.get("layer_names", ())):
        group = root[layer]
        for weight in _texts(group.attrs["weight_names"]):
            found[f"{layer}/{_leaf(weight)}"] = group.get_lazy_view(weight)
    return found


def _leaf(weight: str) -> str:
    last = weight.rpartition("/")[2].partition(":")[0]
    return next((leaf for end, leaf in _OLD_LEAVES.items() if last.endswith(end)), last)


def _modern(file: pyfive.File) -> dict[str, pyfive.Dataset]:
    """Find the weights where each layer numbers its own."""
    found = {}
    for place in _LAYERS:
        if place not in file:
            continue
        for layer in sorted(file[place], key=_in_order):
            group = file[place][layer]
            if "vars" not in group:
                continue
            numbers = sorted(group["vars"], key=_in_order)
            weights = [group["vars"].get_lazy_view(number) for number in numbers]
            for leaf, weight in zip(_leaves(weights), weights, strict=False):
                found[f"{layer}/{leaf}"] = weight
    return found


def _in_order(name: str) -> tuple[str, int]:
    """Put ``conv2d_10`` behind ``conv2d_9``, and ``conv2d`` before ``conv2d_1``."""
    number = re.search(r"_?(\d{1,9})$", name)
    return (name[: number.start()], int(number[1])) if number else (name, 0)


def _leaves(weights: list[pyfive.Dataset]) -> tuple[str, ...]:
    if weights and len(weights[0].shape) > 1:
        return ("kernel", "bias")
    return _NORMALIZATION[-len(weights) :]


class _Datasets:
    """Read arrays, none larger than what is there."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.left = size

    def read(self, found: Mapping[str, pyfive.Dataset]) -> dict[str, NDArray[Any]]:
        """Read all by name."""
        return {name: self._array(dataset, name) for name, dataset in found.items()}

    def _array(self, dataset: pyfive.Dataset, name: str) -> NDArray[Any]:
        dtype = dataset.dtype
        if dataset.id.filter_pipeline is not None:
            raise ModelError(
                f"Keras HDF5 file is compressed: {shortened(name)} has a filter",
                self.path,
                "Unpack it with: h5repack -f NONE OLD NEW",
            )
        shape = tuple(map(int, dataset.shape))
        if len(shape) > _MOST_DIMENSIONS or dtype.kind not in "fiu" or dtype.itemsize > 8:
            raise damaged(self.path, _KIND, f"{name!r} is of type {dtype}, shape {shape[:9]}")
        self.left -= math.prod(shape) * dtype.itemsize
        if self.left < 0:
            raise damaged(self.path, _KIND, f"{name!r} of shape {shape} is larger than the file")
        return widened(np.asarray(dataset[()]))


def _texts(values: Any) -> list[str]:
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
