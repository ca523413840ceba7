"""Splits as pure functions of the data and a seed, and the file that records one."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from googlenet.files import write_atomic

if TYPE_CHECKING:
    from googlenet.data.source import DataSplits

PARTS = ("train", "validation", "test")

_HEADER = ["name", "label", "split"]

# A spreadsheet runs a cell that begins so; the apostrophe is last so that escaping can be undone.
_ESCAPED = ("=", "+", "-", "@", "'")


def stratified_split(
    strata: Sequence[Hashable], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Carve a share out of each stratum.

    Each stratum gives its part of the share, rounded so that the sum is right; at least one item
    of every stratum is kept, and at least one is carved in all where that leaves one.

    Args:
        strata: The stratum of each item; any values that can be compared for equality.
        share: In (0, 1), the part of all items to carve.
        seed: Decides which items are carved.

    Returns:
        The indices kept and those carved, each ascending.
    """
    members: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(index)
    generator = np.random.Generator(np.random.PCG64(seed))
    groups = [generator.permutation(np.array(group, np.int64)) for group in members.values()]

    sizes = np.array([len(group) for group in groups], np.int64)
    quotas = sizes * share
    counts = np.minimum(quotas.astype(np.int64), sizes - 1)
    wanted = max(round(len(strata) * share), 1)
    # Largest remainders first; the random order decides between equal ones.
    order = generator.permutation(len(groups))
    order = order[np.argsort(-(quotas - counts)[order], kind="stable")]
    for group in order:
        if counts.sum() >= wanted:
            break
        counts[group] += counts[group] < sizes[group] - 1

    parts = [group[:count] for group, count in zip(groups, counts, strict=True)]
    carved = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
    kept = np.setdiff1d(np.arange(len(strata), dtype=np.int64), carved, assume_unique=True)
    return kept, carved


def write_split(path: str | os.PathLike[str], splits: DataSplits) -> None:
    """Record which image is in which part: a CSV file with the columns name, label and split.

    A cell that a spreadsheet would run gets an apostrophe before it, which ``list_csv`` takes
    off. Names of files keep their bytes, whether or not those are UTF-8.
    """
    rows = [_HEADER]
    for part in PARTS:
        images = getattr(splits, part)
        if images is not None:
            for name, label in zip(images.names, images.labels.tolist(), strict=True):
                rows.append([escaped_cell(name), escaped_cell(images.classes[label]), part])
    text = io.StringIO()
    # The csv module leaves a carriage return bare that it then refuses to read.
    returns = any("\r" in cell for row in rows for cell in row)
    writer = csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    )
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode("utf-8", "surrogateescape"))


def escaped_cell(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run, or what begins with one."""
    return f"'{text}" if text.startswith(_ESCAPED) else text


def plain_cell(cell: str) -> str:
    """Undo ``escaped_cell``; an apostrophe before anything else is part of the text."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_ESCAPED) else cell
