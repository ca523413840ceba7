"""What a source holds, before anything is split or read: the common form of all sources."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from googlenet.data.dataset import ImageSet, Reader
from googlenet.data.split import stratified_split
from googlenet.images.augmentation import Flip

# Every name that a part of the data goes by, first the one that reports use.
PART_NAMES = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}

# A source that does not name a test part is always split with this seed, so that the test images
# are the same for every run on the data, and no run ever trains on another's.
TEST_SEED = 0

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """Hold the images that a source names, with what it says about them.

    Attributes:
        name: What the data is called.
        classes: In the order of the labels; some may have no image.
        names: Of the images; see ``ImageSet``.
        labels: (N,) int64.
        reader: Reads image N at place N.
        parts: ``train``, ``validation`` or ``test`` of each image; None where the source names no
            parts.
        strata: What a split keeps in proportion, one for each image; None for the labels.
        validation_share: Share to carve for validation, of the images that are not for testing.
        flip: Which mirror images look as likely: ``none``, ``horizontal`` or ``all``.
        min_area: Smallest share of an image that still shows its class, for random crops; None
            leaves it to the recipe.
        root: Directory of the data, if it is files.
        notes: What was made of the source, for the user to read.
    """

    name: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    reader: Reader
    parts: tuple[str, ...] | None = None
    strata: tuple[Hashable, ...] | None = None
    validation_share: float | None = None
    flip: Flip = "horizontal"
    min_area: float | None = None
    root: Path | None = None
    notes: tuple[str, ...] = ()

    def images(self, chosen: NDArray[np.int64] | None = None) -> ImageSet:
        """Return the images at these places, or all."""
        places = np.arange(len(self.names), dtype=np.int64)
        everything = ImageSet(self.classes, self.names, self.labels, self.reader, places)
        return everything if chosen is None else everything.subset(chosen)

    def places(self, part: str) -> NDArray[np.int64]:
        """Return the places of the images that the source names as this part, ascending."""
        chosen = [place for place, name in enumerate(self.parts or ()) if name == part]
        return np.array(chosen, np.int64)

    def carve(
        self, places: NDArray[np.int64], share: float, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Split these places, stratified, into those kept and those carved."""
        strata: Sequence[Hashable] = self.labels.tolist() if self.strata is None else self.strata
        kept, carved = stratified_split([strata[place] for place in places], share, seed)
        return places[kept], places[carved]

    def in_classes(self, classes: Sequence[str]) -> Listing:
        """Return the same listing with these classes in this order; see ``with_classes``."""
        images = self.images().with_classes(classes)
        return replace(self, classes=images.classes, labels=images.labels)
