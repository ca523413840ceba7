"""Batches for training and evaluation; batch N is the same however it is reached."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.data.dataset import ImageSet
from googlenet.errors import ImageError
from googlenet.images.augmentation import Augmentation, augment
from googlenet.images.policy import prepare

# Batches that each worker reads ahead.
PREFETCH = 4

# Set apart the two uses of the run's seed.
_ORDER, _AUGMENTATION = 0, 1


@dataclass(frozen=True)
class Batch:
    """Hold some images of a set.

    Attributes:
        images: (N, H, W, 3) uint8 RGB in [0, 255].
        labels: (N,) int64.
        indices: (N,) int64, each image's place in the set.
        unreadable: Name and reason of the images that are missing from the batch.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Unreadable:
    """Stand in for an image that could not be decoded."""

    name: str
    reason: str


Item = tuple[NDArray[np.uint8], int, int] | Unreadable
Key = tuple[int, int]


def sample_order(
    count: int,
    seed: int,
    epoch: int,
    batch_size: int,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Return the order of the images in an epoch, as a pure function of its arguments.

    Args:
        count: Images in the set.
        seed: Of the run.
        epoch: Counted from 0.
        batch_size: The order is cut to whole batches, so that every step sees as many images; those
            left out differ from epoch to epoch.
        weights: (count,) chances of being drawn, in any unit; images are then drawn with
            replacement. None for each image once.

    Returns:
        (steps * batch_size,) int64 indices.
    """
    generator = np.random.Generator(np.random.PCG64((_ORDER, seed, epoch)))
    whole = max(count // batch_size, 1) * min(batch_size, count)
    if weights is None:
        return generator.permutation(count)[:whole]
    return generator.choice(count, whole, p=weights / weights.sum())


def training_loader(
    image_set: ImageSet,
    augmentation: Augmentation,
    size: int,
    *,
    batch_size: int,
    seed: int,
    start_step: int,
    total_steps: int,
    workers: int,
    weights: NDArray[np.float64] | None = None,
) -> Generator[Batch, None, None]:
    """Yield the batches of a run from ``start_step`` to its last step, over all its epochs.

    Order and augmentation follow from the seed, the epoch and the image alone, so neither an
    interruption nor another number of workers changes a batch. torch's global random numbers are
    left alone. An unreadable image leaves its batch smaller.

    Args:
        image_set: The training images.
        augmentation: How to vary them.
        size: Side of the result in pixels.
        batch_size: Images a step.
        seed: Of the run.
        start_step: First step to yield, counted from 0.
        total_steps: Steps of the whole run.
        workers: Processes that read beside this one; 0 reads here.
        weights: (images,) chances of being drawn, or None for each image once an epoch.
    """
    keys = _Keys(len(image_set), batch_size, seed, start_step, total_steps, weights)
    images = _AugmentedImages(image_set, augmentation, size, seed)
    yield from _batches(images, keys, workers)


def evaluation_loader(
    image_set: ImageSet, preprocessing: Preprocessing, *, batch_size: int, workers: int
) -> Generator[Batch, None, None]:
    """Yield a set once, in order, resized and cropped by the policy."""
    indices = range(len(image_set))
    keys = [
        [(0, index) for index in indices[start : start + batch_size]]
        for start in range(0, len(image_set), batch_size)
    ]
    yield from _batches(_PreparedImages(image_set, preprocessing), keys, workers)


class _Keys:
    """List the (epoch, index) keys of each batch, from a step on."""

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        start_step: int,
        total_steps: int,
        weights: NDArray[np.float64] | None,
    ) -> None:
        self.count = count
        self.batch_size = min(batch_size, count)
        self.seed = seed
        self.start_step = start_step
        self.total_steps = total_steps
        self.weights = weights

    def __len__(self) -> int:
        return max(self.total_steps - self.start_step, 0)

    def __iter__(self) -> Iterator[list[Key]]:
        steps_per_epoch = max(self.count // self.batch_size, 1)
        known, order = -1, np.empty(0, np.int64)
        for step in range(self.start_step, self.total_steps):
            epoch, place = divmod(step, steps_per_epoch)
            if epoch != known:
                order = sample_order(self.count, self.seed, epoch, self.batch_size, self.weights)
                known = epoch
            first = place * self.batch_size
            yield [(epoch, int(index)) for index in order[first : first + self.batch_size]]


@dataclass(frozen=True, eq=False)
class _AugmentedImages(Dataset[Item]):
    image_set: ImageSet
    augmentation: Augmentation
    size: int
    seed: int

    def __getitem__(self, key: Key) -> Item:
        epoch, index = key
        try:
            pixels = self.image_set.pixels(index)
        except ImageError as error:
            return Unreadable(self.image_set.names[index], error.what)
        entropy = np.random.SeedSequence((_AUGMENTATION, self.seed, epoch, index))
        seed = int(entropy.generate_state(1, np.uint64)[0])
        varied = augment(pixels, self.size, seed, self.augmentation)
        return varied, int(self.image_set.labels[index]), index


@dataclass(frozen=True, eq=False)
class _PreparedImages(Dataset[Item]):
    image_set: ImageSet
    preprocessing: Preprocessing

    def __getitem__(self, key: Key) -> Item:
        _, index = key
        try:
            pixels = self.image_set.pixels(index)
        except ImageError as error:
            return Unreadable(self.image_set.names[index], error.what)
        return prepare(pixels, self.preprocessing), int(self.image_set.labels[index]), index


def _batches(images: Dataset[Item], keys: Any, workers: int) -> Generator[Batch, None, None]:
    loader = DataLoader(
        images,
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_leave_signals_to_the_parent,
        prefetch_factor=PREFETCH if workers else None,
        # The loader draws a seed for its workers: from here, not from torch's global generator.
        generator=torch.Generator(),
    )
    yield from loader


def _collate(items: list[Item]) -> Batch:
    read = [item for item in items if not isinstance(item, Unreadable)]
    failed = tuple((item.name, item.reason) for item in items if isinstance(item, Unreadable))
    images = np.stack([item[0] for item in read]) if read else np.empty((0, 1, 1, 3), np.uint8)
    return Batch(
        images=torch.from_numpy(images),
        labels=torch.tensor([item[1] for item in read], dtype=torch.int64),
        indices=torch.tensor([item[2] for item in read], dtype=torch.int64),
        unreadable=failed,
    )


def _leave_signals_to_the_parent(_: int) -> None:
    """Let the training process decide when to stop: a terminal sends Ctrl-C to all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
