"""What a source of labelled images holds, before anything is split or decoded."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from googlenet.data.dataset import Reader
from googlenet.images.augmentation import Flip

PART_OF_NAME = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Hold the images of a source, one entry of each tuple an image.

    Attributes:
        source: What the user named: a path, or the name of a data set.
        name: What reports call the data.
        reader: Where pixels come from.
        names: What reports call each image.
        labels: Class of each image, by name.
        parts: ``train``, ``validation`` or ``test``; None where the source does not say.
        classes: Every class that the source declares, those without an image too.
        strata: What to stratify a split by; None for the label.
        shares: Shares of validation and test images to carve; None leaves it to the caller.
        notes: What a user should know about the reading.
        flip: How images may be mirrored: ``none``, ``horizontal`` or ``all``.
        root: Directory that names are relative to, if there is one.
    """

    source: str
    name: str
    reader: Reader
    names: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[str | None, ...]
    classes: tuple[str, ...]
    strata: tuple[Hashable, ...] | None = None
    shares: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    flip: Flip = "horizontal"
    root: Path | None = None
