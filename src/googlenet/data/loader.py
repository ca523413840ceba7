"""Batches for training and evaluation, whose contents depend on nothing but their number.

Batch N holds the same images, varied in the same way, whoever asks for it first: after any
interruption, with any number of worker processes. So a run's position is one integer.
"""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.data.dataset import ImageSet
from googlenet.errors import ImageError, ResultError, UsageError
from googlenet.images.augmentation import Augmentation, augment, seeded
from googlenet.images.policy import prepare

# Set apart the two uses of a run's seed.
_ORDER, _AUGMENTATION = 0, 1

_PREFETCHED = 2


@dataclass(frozen=True, eq=False)
class Batch:
    """Hold images that a network can take at once.

    Attributes:
        images: (N, H, W, 3) uint8 RGB.
        labels: (N,) int64.
        indices: (N,) int64, each image's place in its image set.
        unreadable: Name of each image that should be here and cannot be read, and the reason code.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    unreadable: tuple[tuple[str, str], ...]


def sample_order(
    count: int,
    seed: int,
    epoch: int,
    batch_size: int,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Return the order in which an epoch takes the images: a pure function of its arguments.

    Args:
        count: Number of images.
        seed: Of the run.
        epoch: From 0.
        batch_size: What does not fill a batch is left out of this epoch; where there are fewer
            images than that, all of them are one batch.
        weights: (count,) relative chances, to draw with replacement; None takes each image once.

    Returns:
        Indices, (steps * batch_size,) int64.
    """
    length = max(count - count % batch_size, min(count, batch_size))
    generator = np.random.Generator(np.random.PCG64(_seeds(_ORDER, seed, epoch)))
    if weights is None:
        return generator.permutation(count)[:length].astype(np.int64)
    chances = np.asarray(weights, np.float64)
    return generator.choice(count, length, p=chances / chances.sum()).astype(np.int64)


def augmentation_seed(seed: int, epoch: int, index: int, occurrence: int = 0) -> int:
    """Return the seed of one varied image, in [0, 2**64).

    Args:
        seed: Of the run.
        epoch: From 0.
        index: The image's.
        occurrence: How often the epoch took this image before, when it draws with replacement.
    """
    key = (epoch, index, occurrence) if occurrence else (epoch, index)
    return int(_seeds(_AUGMENTATION, seed, *key).generate_state(1, np.uint64)[0])


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
    """Yield the batches of a run's steps, one stream over all epochs.

    Images that cannot be read are left out of their batch, which is smaller then, and listed.
    No global random number generator is consumed.

    Args:
        image_set: What to train on.
        augmentation: How to vary it.
        size: Side of the images in pixels.
        batch_size: Images a step.
        seed: Decides order and variation.
        start_step: The first step to yield.
        total_steps: One more than the last.
        workers: Processes that read ahead; 0 reads in this one, when asked.
        weights: (images,) chances of being drawn, for balanced sampling, or None.

    Raises:
        ResultError: A worker process died.
    """
    _check_positive(batch_size, workers)
    keys = _TrainingKeys(len(image_set), batch_size, seed, start_step, total_steps, weights)
    work = _TrainingWork(image_set, augmentation, size, seed)
    return _batches(work, keys, workers)


def evaluation_loader(
    image_set: ImageSet, policy: Preprocessing, *, batch_size: int, workers: int
) -> Generator[Batch, None, None]:
    """Yield all images in their order, prepared by the policy; see ``training_loader``."""
    _check_positive(batch_size, workers)
    keys = _EvaluationKeys(len(image_set), batch_size)
    return _batches(_EvaluationWork(image_set, policy), keys, workers)


@dataclass(frozen=True)
class _Key:
    """Name one image of a batch: all that its pixels depend on, apart from the run's settings."""

    index: int
    epoch: int = 0
    occurrence: int = 0


class _Keys(Protocol):
    """Yield the keys of each batch in turn."""

    def __iter__(self) -> Iterator[list[_Key]]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class _TrainingKeys:
    count: int
    batch_size: int
    seed: int
    start_step: int
    total_steps: int
    weights: NDArray[np.float64] | None

    def __len__(self) -> int:
        return max(self.total_steps - self.start_step, 0)

    def __iter__(self) -> Iterator[list[_Key]]:
        batch = min(self.batch_size, self.count)
        steps_per_epoch = self.count // batch
        epoch, keys = -1, list[_Key]()
        for step in range(self.start_step, self.total_steps):
            if step // steps_per_epoch != epoch:
                epoch = step // steps_per_epoch
                keys = self._epoch(epoch)
            first = step % steps_per_epoch * batch
            yield keys[first : first + batch]

    def _epoch(self, epoch: int) -> list[_Key]:
        order = sample_order(self.count, self.seed, epoch, self.batch_size, self.weights)
        taken: dict[int, int] = {}
        keys = []
        for index in order.tolist():
            keys.append(_Key(index, epoch, taken.get(index, 0)))
            taken[index] = taken.get(index, 0) + 1
        return keys


@dataclass(frozen=True)
class _EvaluationKeys:
    count: int
    batch_size: int

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[_Key]]:
        for first in range(0, self.count, self.batch_size):
            yield [_Key(i) for i in range(first, min(first + self.batch_size, self.count))]


# What a batch is before it is one: the images in memory that processes share, the rest as arrays,
# which are sent. To share a tensor while it is sent may fail where no error can be told.
_Parts = tuple[Tensor, NDArray[np.int64], NDArray[np.int64], tuple[tuple[str, str], ...]]


class _Work(Dataset[_Parts], ABC):
    """Make whole batches from their keys, here or in a worker process."""

    def __init__(self, image_set: ImageSet, size: int) -> None:
        self.image_set = image_set
        self.size = size

    def __getitem__(self, keys: Sequence[_Key]) -> _Parts:
        images = torch.empty((len(keys), self.size, self.size, 3), dtype=torch.uint8)
        if get_worker_info() is not None:
            images.share_memory_()  # type: ignore[no-untyped-call]
        pixels, filled = images.numpy(), 0
        indices, unreadable = [], []
        for key in keys:
            try:
                pixels[filled] = self._image(key)
            except ImageError as error:
                unreadable.append((self.image_set.names[key.index], error.reason))
                continue
            indices.append(key.index)
            filled += 1
        places = np.array(indices, np.int64)
        return images[:filled], self.image_set.labels[places], places, tuple(unreadable)

    @abstractmethod
    def _image(self, key: _Key) -> NDArray[np.uint8]:
        """Return (size, size, 3) uint8 RGB, or raise ImageError."""


class _TrainingWork(_Work):
    def __init__(
        self, image_set: ImageSet, augmentation: Augmentation, size: int, seed: int
    ) -> None:
        super().__init__(image_set, size)
        self.augmentation = augmentation
        self.seed = seed

    def _image(self, key: _Key) -> NDArray[np.uint8]:
        seed = augmentation_seed(self.seed, key.epoch, key.index, key.occurrence)
        # A user's data set may vary images itself; what it draws from torch is pinned down too.
        with seeded(seed):
            pixels = self.image_set.pixels(key.index)
        return augment(pixels, self.size, seed, self.augmentation)


class _EvaluationWork(_Work):
    def __init__(self, image_set: ImageSet, policy: Preprocessing) -> None:
        super().__init__(image_set, policy.size)
        self.policy = policy

    def _image(self, key: _Key) -> NDArray[np.uint8]:
        with seeded(key.index):
            pixels = self.image_set.pixels(key.index)
        return prepare(pixels, self.policy)


def _batches(work: _Work, keys: _Keys, workers: int) -> Generator[Batch, None, None]:
    if workers == 0 or len(keys) == 0:
        for batch_keys in keys:
            yield _batch(work[batch_keys])
        return
    loader: DataLoader[_Parts] = DataLoader(
        work,
        batch_size=None,
        sampler=keys,
        num_workers=min(workers, len(keys)),
        collate_fn=_as_it_is,
        prefetch_factor=_PREFETCHED,
        worker_init_fn=_init_worker,
        # Without one of its own, the loader takes its workers' seeds from the global generator.
        generator=torch.Generator(),
    )
    with _child_signals_untouched():
        iterator = iter(loader)
    processes: list[BaseProcess] = list(getattr(iterator, "_workers", ()))
    try:
        while True:
            try:
                parts = next(iterator)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                raise _worker_failed(error, processes) from error
            yield _batch(parts)
    finally:
        with contextlib.suppress(AttributeError, RuntimeError):
            iterator._shutdown_workers()  # type: ignore[attr-defined]
        # They ignore SIGTERM, by which the loader would get rid of one that hangs.
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


def _batch(parts: _Parts) -> Batch:
    images, labels, indices, unreadable = parts
    return Batch(images, torch.from_numpy(labels), torch.from_numpy(indices), unreadable)


@contextlib.contextmanager
def _child_signals_untouched() -> Iterator[None]:
    """Keep torch's handler for dead workers out: it raises wherever the parent happens to be.

    Without it the loader looks every few seconds, when a batch is due.
    """
    number = getattr(signal, "SIGCHLD", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        # None stands for a handler that was not installed from Python, and cannot be put back.
        if before is not None and signal.getsignal(number) is not before:
            signal.signal(number, before)


def _as_it_is(batch: Any) -> Any:
    return batch


def _init_worker(worker: int) -> None:
    """Leave signals to the parent, which finishes its step and saves; but never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():  # it died before that was asked for
            os._exit(1)


def _worker_failed(error: Exception, processes: Sequence[BaseProcess]) -> Exception:
    """Turn what the loader raises into what to do about it, where the images are not at fault."""
    text = str(error)
    if "shared memory" in text or "No space left" in text:
        return ResultError(
            "there is too little shared memory to pass images between processes",
            "/dev/shm",
            "Enlarge it, or read in the main process with --workers 0.",
        )
    if isinstance(error, OSError | EOFError):  # from a connection to one that dies at this moment
        ended = multiprocessing.connection.wait([each.sentinel for each in processes], timeout=1)
        for process in processes:
            if process.sentinel in ended:
                process.join(timeout=1)
    if not all(process.is_alive() for process in processes):
        return ResultError(
            "a process that reads images was killed",
            None,
            "Free some memory, or read in the main process with --workers 0.",
        )
    return error


def _seeds(use: int, seed: int, *key: int) -> np.random.SeedSequence:
    # A negative seed is as good as any; SeedSequence takes none.
    return np.random.SeedSequence((use, seed % 2**64, *key))


def _check_positive(batch_size: int, workers: int) -> None:
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}", None, "Give a batch size of 1 or more.")
    if workers < 0:
        raise UsageError(f"workers is {workers}", None, "Give 0 workers or more.")
