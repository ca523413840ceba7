"""Batches that depend on nothing but their number, whoever reads them and from where."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.data import loader as loader_module
from googlenet.data.dataset import ArrayReader, ImageSet
from googlenet.data.loader import (
    Batch,
    augmentation_seed,
    evaluation_loader,
    sample_order,
    training_loader,
)
from googlenet.data.source import open_data
from googlenet.errors import ResultError, UsageError
from googlenet.images.augmentation import Augmentation, augment
from googlenet.images.policy import prepare
from tests.conftest import photographs
from tests.image_files import encoded, noise
from tests.unit.test_data_python import Pictures

VARIED = Augmentation(
    flip="all",
    interpolations=("bilinear", "box"),
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
)


def image_set(count: int = 11, size: int = 20) -> ImageSet:
    return ImageSet(
        classes=("a", "b", "c"),
        names=tuple(f"image {index}" for index in range(count)),
        labels=np.arange(count, dtype=np.int64) % 3,
        reader=ArrayReader(np.stack([noise(size, size, seed=index) for index in range(count)])),
        places=np.arange(count, dtype=np.int64),
    )


def batches(
    images: ImageSet, start: int = 0, total: int = 9, workers: int = 0, **changes: Any
) -> list[Batch]:
    settings: dict[str, Any] = {"batch_size": 3, "seed": 5, "weights": None, **changes}
    return list(
        training_loader(
            images,
            VARIED,
            16,
            start_step=start,
            total_steps=total,
            workers=workers,
            **settings,
        )
    )


def contents(batch: Batch) -> tuple[Any, ...]:
    return (
        batch.images.numpy().tobytes(),
        tuple(batch.images.shape),
        batch.labels.tolist(),
        batch.indices.tolist(),
        batch.unreadable,
    )


def all_generators() -> tuple[Any, ...]:
    numpy_state = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), str(numpy_state)


def test_a_batch_holds_what_order_and_augmentation_say() -> None:
    images = image_set()
    found = batches(images, total=7)
    assert len(found) == 7
    for step, batch in enumerate(found):
        epoch, place = divmod(step, 3)
        indices = sample_order(11, 5, epoch, 3)[3 * place : 3 * place + 3]
        assert batch.indices.tolist() == indices.tolist()
        assert batch.labels.tolist() == images.labels[indices].tolist()
        assert (batch.labels.dtype, batch.indices.dtype) == (torch.int64, torch.int64)
        assert (batch.images.dtype, tuple(batch.images.shape)) == (torch.uint8, (3, 16, 16, 3))
        assert batch.images.is_contiguous()
        assert batch.unreadable == ()
        for row, index in enumerate(indices.tolist()):
            seed = augmentation_seed(5, epoch, index)
            varied = augment(images.pixels(index), 16, seed, VARIED)
            assert np.array_equal(batch.images[row].numpy(), varied)


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_workers_and_interruptions_change_nothing(workers: int, weighted: bool) -> None:
    images = image_set()
    weights = np.arange(11.0) if weighted else None
    straight = [contents(batch) for batch in batches(images, weights=weights)]
    before = all_generators()
    for start in range(10) if workers == 0 else (0, 4, 8, 9):
        again = [contents(b) for b in batches(images, start, workers=workers, weights=weights)]
        assert again == straight[start:]
    assert all_generators() == before


def test_other_seeds_and_epochs_give_other_batches() -> None:
    images = image_set(9)
    assert len({contents(batch)[0] for batch in batches(images)}) == 9
    assert contents(batches(images)[0]) != contents(batches(images, seed=6)[0])


def test_an_image_drawn_twice_in_an_epoch_is_varied_twice() -> None:
    weights = np.zeros(11)
    weights[4] = 1
    found = batches(image_set(), total=3, weights=weights)
    pixels = {image.numpy().tobytes() for batch in found for image in batch.images}
    assert [batch.indices.tolist() for batch in found] == [[4, 4, 4]] * 3
    assert len(pixels) == 9


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    found = batches(image_set(2), total=3, batch_size=8)
    assert [sorted(batch.indices.tolist()) for batch in found] == [[0, 1]] * 3


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_are_left_out_and_listed(tmp_path: Path, workers: int) -> None:
    root = photographs(tmp_path, count=6)
    for part in ("train", "val"):
        (root / part).mkdir()
    for name in ("leaf", "sky"):
        (root / name).rename(root / "train" / name)
    photographs(root / "val", count=1)
    (root / "train" / "sky" / "01.jpg").write_text("no picture")
    (root / "train" / "leaf" / "02.jpg").unlink()
    train = open_data(root).train.subset(range(11))
    (root / "train" / "leaf" / "03.jpg").unlink()  # gone since it was listed
    found = batches(train, total=3, workers=workers, batch_size=4)
    assert sum(len(batch.labels) + len(batch.unreadable) for batch in found) == 12
    listed = dict(pair for batch in found for pair in batch.unreadable)
    assert set(listed) <= {"train/sky/01.jpg", "train/leaf/03.jpg"}
    for batch in found:
        assert len(batch.images) == len(batch.labels) == len(batch.indices)
    whole = list(evaluation_loader(train, Preprocessing(size=32), batch_size=5, workers=workers))
    listed = dict(pair for batch in whole for pair in batch.unreadable)
    assert listed == {
        "train/sky/01.jpg": "not-an-image",
        "train/leaf/03.jpg": "missing",
    }
    assert sum(len(batch.labels) for batch in whole) == 9


def test_a_batch_without_any_readable_image_is_empty() -> None:
    images = image_set(4)
    broken = ImageSet(images.classes, images.names, images.labels, BrokenReader(), images.places)
    (batch,) = batches(broken, total=1, batch_size=4)
    assert tuple(batch.images.shape) == (0, 16, 16, 3)
    assert len(batch.labels) == len(batch.indices) == 0
    assert len(batch.unreadable) == 4


class BrokenReader(ArrayReader):
    def __init__(self) -> None:
        pass

    def pixels(self, place: int, name: str) -> Any:
        from googlenet.images.decode import decode

        return decode(b"", name)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_evaluation_takes_all_images_in_order(workers: int) -> None:
    images, policy = image_set(), Preprocessing(size=16)
    before = all_generators()
    found = list(evaluation_loader(images, policy, batch_size=4, workers=workers))
    assert all_generators() == before
    assert [len(batch.labels) for batch in found] == [4, 4, 3]
    assert torch.cat([batch.indices for batch in found]).tolist() == list(range(11))
    assert torch.cat([batch.labels for batch in found]).tolist() == images.labels.tolist()
    expected = np.stack([prepare(images.pixels(index), policy) for index in range(11)])
    assert np.array_equal(torch.cat([batch.images for batch in found]).numpy(), expected)


def test_nothing_to_do() -> None:
    nothing = image_set(3).subset([])
    assert list(evaluation_loader(nothing, Preprocessing(), batch_size=4, workers=2)) == []
    assert batches(image_set(), start=9, workers=2) == []


def test_mixed_sizes_and_kinds_become_one_batch() -> None:
    shapes = [(1, 1), (3, 900), (900, 3), (64, 64), (17, 31)]
    pictures = [noise(*shape) for shape in shapes]
    data = Pictures([*pictures, encoded_grey()], [0, 1] * 3)
    train = open_data((data, data)).train
    for workers in (0, 2):
        (batch,) = batches(train, total=1, workers=workers, batch_size=6)
        assert tuple(batch.images.shape) == (6, 16, 16, 3)


def encoded_grey() -> bytes:
    from PIL import Image

    return encoded(Image.new("L", (9, 9), 7), "PNG")


class RandomPictures(Pictures):
    """A data set that varies its images itself, by torch's global generator."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8), self.labels[index]


def test_random_data_sets_are_pinned_down_too() -> None:
    data = RandomPictures([], [0, 1] * 3, targets=[0, 1] * 3)
    train = open_data((data, data)).train
    before = all_generators()
    found = [
        [contents(batch) for batch in batches(train, total=4, workers=workers, batch_size=2)]
        for workers in (0, 1, 2)
    ]
    assert found[0] == found[1] == found[2]
    assert all_generators() == before


class FaultyPictures(Pictures):
    def __getitem__(self, index: int) -> tuple[Any, Any]:
        raise RuntimeError("a mistake in the program")


@pytest.mark.parametrize("workers", [0, 1])
def test_mistakes_in_a_data_set_are_shown_as_they_are(workers: int) -> None:
    data = FaultyPictures([], [0, 1], targets=[0, 1])
    with pytest.raises(RuntimeError, match="a mistake in the program"):
        batches(open_data((data, data)).train, total=1, workers=workers)


def test_settings_that_make_no_sense() -> None:
    for changes in ({"batch_size": 0}, {"workers": -1}):
        with pytest.raises(UsageError):
            batches(image_set(), **changes)
    with pytest.raises(UsageError):
        evaluation_loader(image_set(), Preprocessing(), batch_size=0, workers=0)


def children() -> set[int]:
    return {child.pid or 0 for child in multiprocessing.active_children()}


def test_closing_early_leaves_no_process() -> None:
    before = children()
    loader = training_loader(
        image_set(), VARIED, 16, batch_size=3, seed=0, start_step=0, total_steps=10**6, workers=2
    )
    next(loader)
    assert len(children() - before) == 2
    loader.close()
    assert children() == before


def test_workers_leave_signals_to_the_parent() -> None:
    before = children()
    loader = training_loader(
        image_set(), VARIED, 16, batch_size=3, seed=5, start_step=0, total_steps=9, workers=2
    )
    found = [contents(next(loader))]
    for pid in children() - before:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
    found += [contents(batch) for batch in loader]
    assert found == [contents(batch) for batch in batches(image_set())]
    assert children() == before


def test_a_killed_worker_is_reported_with_what_to_do() -> None:
    before = children()
    loader = training_loader(
        image_set(), VARIED, 16, batch_size=3, seed=5, start_step=0, total_steps=10**6, workers=2
    )
    next(loader)
    os.kill(min(children() - before), signal.SIGKILL)
    with pytest.raises(ResultError, match="--workers 0"):
        list(islice(loader, 1000))
    assert children() == before


PARENT = """
import multiprocessing, sys, time
import numpy as np
from googlenet.data.dataset import ArrayReader, ImageSet
from googlenet.data.loader import training_loader
from googlenet.images.augmentation import Augmentation
images = ImageSet(("a",), ("x",) * 8, np.zeros(8, np.int64),
                  ArrayReader(np.zeros((8, 300, 300), np.uint8)), np.arange(8))
loader = training_loader(images, Augmentation(), 224, batch_size=8, seed=0, start_step=0,
                         total_steps=10**6, workers=2)
next(loader)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_workers_die_with_their_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_spawned_processes_read_the_same(tmp_path: Path) -> None:
    train = open_data(photographs(tmp_path, count=6)).train
    work = loader_module._TrainingWork(train, VARIED, 16, seed=5)
    keys = next(iter(loader_module._TrainingKeys(len(train), 4, 5, 0, 1, None)))
    code = (
        "import pickle, sys\n"
        "work, keys = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(work[keys][0].numpy().tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((work, keys)),
        capture_output=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == work[keys][0].numpy().tobytes()


TINY_MEMORY = """
import numpy as np
from googlenet.data.dataset import ArrayReader, ImageSet
from googlenet.data.loader import training_loader
from googlenet.errors import ResultError
from googlenet.images.augmentation import Augmentation
images = ImageSet(("a",), ("x",) * 16, np.zeros(16, np.int64),
                  ArrayReader(np.zeros((16, 9, 9), np.uint8)), np.arange(16))
try:
    for batch in training_loader(images, Augmentation(), 224, batch_size=16, seed=0, start_step=0,
                                 total_steps=50, workers=2):
        pass
except ResultError as error:
    print(error)
"""


def may_mount() -> bool:
    try:
        return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount")
def test_too_little_shared_memory_is_said_and_does_not_hang() -> None:
    mount = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", TINY_MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "too little shared memory" in done.stdout, done.stderr
    assert "--workers 0" in done.stdout
