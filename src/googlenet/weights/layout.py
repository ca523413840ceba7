"""From a file's layout of its arrays to ours: PyTorch's, channels before rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.architecture.cost import AUX_GRID
from googlenet.architecture.dialect import BRANCH_ENDS, HEADS, LINEARS, UNITS
from googlenet.errors import ModelError
from googlenet.weights.classifiers import keeps_channels_last
from googlenet.weights.formats.contents import GraphFacts
from googlenet.weights.matching import Match


def to_our_layout(
    match: Match, facts: GraphFacts, path: Path
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Transpose and reshape what a file holds into (out, in, rows, columns) and (out, in).

    Channels-last tools keep kernels as (rows, columns, in, out), linear weights as (in, out), and
    flatten a head's map with its channels last; old Caffe files pad every shape to four sizes;
    Keras on Theano kept kernels as we do, but turned, since Theano convolves where others
    correlate.

    Args:
        match: The arrays by our names.
        facts: Of the file's graph; how its maps are laid out counts here.
        path: The file, for errors.

    Returns:
        The arrays in our layout, by our names; and what had to be assumed, a sentence each.

    Raises:
        ModelError: An array has a shape that its place cannot have.
    """
    channels_last = keeps_channels_last(match.arrays["conv1.conv.weight"])
    turned = match.dialect.convolves and not channels_last
    arrays: dict[str, NDArray[Any]] = {}
    for ours, array in match.arrays.items():
        layer, leaf = _split(ours)
        if layer in LINEARS and leaf == "weight":
            laid = _matrix(array)
        elif leaf == "conv.weight":
            laid = array.transpose(3, 2, 0, 1) if channels_last and array.ndim == 4 else array
            laid = laid[:, :, ::-1, ::-1] if turned and array.ndim == 4 else laid
        else:
            laid = array.reshape(-1) if max(array.shape, default=1) == array.size else array
        expected = 4 if leaf == "conv.weight" else 2 if leaf == "weight" else 1
        if laid is None or laid.ndim != expected:
            raise wrong_shape(match, ours, array.shape, path)
        arrays[ours] = laid
    inputs_first = channels_last or match.dialect.convolves
    _turn_matrices(arrays, inputs_first)
    assumed = []
    if turned:
        assumed.append("Kernels are in Theano's order, so they were turned by 180 degrees.")
    maps_last = channels_last if facts.channels_last is None else facts.channels_last
    known = facts.channels_last is not None or match.dialect.flatten == "hwc"
    if maps_last and _turn_heads(arrays) and not known:
        assumed.append("The heads' maps were flattened with their channels last.")
    return arrays, assumed


def wrong_shape(
    match: Match, ours: str, shape: tuple[int, ...], path: Path, expected: object = None
) -> ModelError:
    """Make the error for an array of a shape that its place cannot have."""
    return ModelError(
        f"{match.names.get(ours, ours)} has the shape {tuple(shape)}, which does not fit what is "
        f"around it{'' if expected is None else f'; {expected} would'}",
        path,
        "Give the weights of one GoogLeNet, whole and as its tool saved them.",
    )


def _split(ours: str) -> tuple[str, str]:
    for known in (*LINEARS, *UNITS):
        if ours.startswith(f"{known}."):
            return known, ours[len(known) + 1 :]
    raise AssertionError(f"{ours} is in no layer")


def _matrix(array: NDArray[Any]) -> NDArray[Any] | None:
    """Take the sizes of 1 off a linear weight that is padded to four sizes or is a 1x1 kernel."""
    if array.ndim == 4 and array.shape[:2] == (1, 1):
        array = array[0, 0]
    elif array.ndim == 4 and array.shape[2:] == (1, 1):
        array = array[:, :, 0, 0]
    return array if array.ndim == 2 else None


def _turn_matrices(arrays: dict[str, NDArray[Any]], inputs_first: bool) -> None:
    """Put linear weights as (out, in), in place; of a square one the tool's habit decides."""

    def width(unit: str) -> int:
        return int(arrays[f"{unit}.conv.weight"].shape[0])

    def turn(layer: str, inputs: int) -> None:
        weight = arrays.get(f"{layer}.weight")
        if weight is None:
            return
        rows, columns = weight.shape
        if rows == inputs and (columns != inputs or inputs_first):
            arrays[f"{layer}.weight"] = weight.T

    turn("fc", module_width(arrays, "5b"))
    for head in HEADS:
        if f"{head}.conv.conv.weight" in arrays:
            turn(f"{head}.fc1", width(f"{head}.conv") * AUX_GRID**2)
            bias = arrays.get(f"{head}.fc1.bias")
            if bias is not None:
                turn(f"{head}.fc2", bias.size)


def module_width(arrays: Mapping[str, NDArray[Any]], module: str) -> int:
    """Return the channels of a module, of arrays in our layout."""
    ends = (f"inception{module}.{branch}.conv.weight" for branch in BRANCH_ENDS)
    return sum(int(arrays[name].shape[0]) for name in ends)


def _turn_heads(arrays: dict[str, NDArray[Any]]) -> bool:
    """Put the inputs of the heads' hidden layers from rows, columns, channels into our order."""
    turned = False
    for head in HEADS:
        weight = arrays.get(f"{head}.fc1.weight")
        conv = arrays.get(f"{head}.conv.conv.weight")
        if weight is None or conv is None:
            continue
        grid = (AUX_GRID, AUX_GRID, conv.shape[0])
        if weight.shape[1] == int(np.prod(grid)):
            swapped = weight.reshape(-1, *grid).transpose(0, 3, 1, 2)
            arrays[f"{head}.fc1.weight"] = swapped.reshape(weight.shape)
            turned = True
    return turned


def merge_biases(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Move the bias of a convolution before batch normalization into the running mean."""
    merged = dict(arrays)
    for unit in UNITS:
        bias, mean = merged.get(f"{unit}.conv.bias"), merged.get(f"{unit}.bn.running_mean")
        if bias is not None and mean is not None and bias.shape == mean.shape:
            merged[f"{unit}.bn.running_mean"] = mean - bias
            del merged[f"{unit}.conv.bias"]
    return merged


def swap_heads(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Exchange the names of the two auxiliary heads."""
    return {swapped_head(name): array for name, array in arrays.items()}


def swapped_head(name: str) -> str:
    """Return the name of the same thing in the other head, and any other name as it is."""
    head, dot, rest = name.partition(".")
    return f"{_OTHER_HEAD.get(head, head)}{dot}{rest}"


_OTHER_HEAD = dict(zip(HEADS, reversed(HEADS), strict=True))
