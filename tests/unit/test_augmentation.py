"""Augmentation as a pure function, and what each of its settings does to the pixels."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from googlenet.errors import UsageError
from googlenet.images.augmentation import Augmentation, augment, seeded
from tests.image_files import noise, photograph_like

PHOTO = photograph_like(90, 120)

# A crop that keeps everything, so that the rest can be seen.
WHOLE = Augmentation(min_area=1.0, max_area=1.0, aspect=(1.0, 1.0), flip="none")

EVERYTHING = Augmentation(
    flip="all",
    interpolations=("bilinear", "box", "nearest", "bicubic", "lanczos"),
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
)


def state_of_all_generators() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), kind, bytes(keys), rest  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(crop="random"),
        EVERYTHING,
        replace(EVERYTHING, crop="random"),
    ],
)
def test_the_same_seed_gives_the_same_pixels_and_consumes_nothing(
    augmentation: Augmentation,
) -> None:
    before = state_of_all_generators()
    first = [augment(PHOTO, 48, seed, augmentation) for seed in range(12)]
    assert state_of_all_generators() == before
    torch.rand(3)
    again = [augment(PHOTO, 48, seed, augmentation) for seed in reversed(range(12))]
    for one, other in zip(first, reversed(again), strict=True):
        assert (one.shape, one.dtype) == ((48, 48, 3), np.dtype(np.uint8))
        assert one.flags.c_contiguous
        assert np.array_equal(one, other)
    assert len({image.tobytes() for image in first}) > 1


@pytest.mark.parametrize("size", [48, 299])
def test_the_number_of_threads_changes_nothing(size: int) -> None:
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append([augment(PHOTO, size, seed, EVERYTHING) for seed in range(6)])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_an_error_leaves_threads_and_generator_as_they_were() -> None:
    before, threads = state_of_all_generators(), torch.get_num_threads()
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        augment(PHOTO[:, :, 0], 48, 0, Augmentation())
    assert state_of_all_generators() == before
    assert torch.get_num_threads() == threads


def test_seeded_nests_and_takes_every_seed() -> None:
    with seeded(2**64 - 1):
        first = torch.rand(1)
        with seeded(5):
            torch.rand(7)
        second = torch.rand(1)
    with seeded(2**64 - 1):
        assert torch.equal(torch.rand(2), torch.cat([first, second]))


def test_areas_and_aspect_ratios_of_the_crop_stay_in_range() -> None:
    # Each pixel tells where it was.
    y, x = np.mgrid[:200, :200].astype(np.uint8)
    places = np.stack([y, x, np.zeros_like(x)], -1)
    augmentation = Augmentation(
        min_area=0.3, max_area=0.5, aspect=(0.8, 1.25), flip="none", interpolations=("nearest",)
    )
    for seed in range(60):
        part = augment(places, 100, seed, augmentation).astype(int)
        height, width = np.ptp(part[:, :, 0]) + 2, np.ptp(part[:, :, 1]) + 2
        assert 0.27 < height * width / 200**2 < 0.53
        assert 0.75 < width / height < 1.33


def test_random_crop_warps_to_the_resized_side_and_cuts() -> None:
    pixels = noise(60, 60)
    augmentation = Augmentation(crop="random", resized_side=60, flip="none")
    found = set()
    for seed in range(80):
        part = augment(pixels, 57, seed, augmentation)
        places = [
            (top, left)
            for top in range(4)
            for left in range(4)
            if np.array_equal(part, pixels[top : top + 57, left : left + 57])
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) == 16
    # A side that is too small for the input grows to it.
    small = Augmentation(crop="random", resized_side=10, flip="none")
    assert np.array_equal(augment(pixels, 60, 0, small), pixels)
    assert augment(photograph_like(30, 300), 56, 0, Augmentation(crop="random")).shape == (
        56,
        56,
        3,
    )


@pytest.mark.parametrize(("flip", "ways"), [("none", 1), ("horizontal", 2), ("all", 4)])
def test_flips(flip: Any, ways: int) -> None:
    pixels = noise(32, 32)
    counts = dict.fromkeys(
        [p.tobytes() for p in (pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1])][:ways], 0
    )
    for seed in range(200):
        counts[augment(pixels, 32, seed, replace(WHOLE, flip=flip)).tobytes()] += 1
    assert min(counts.values()) > 0.6 * 200 / ways


def test_interpolations_are_drawn_evenly() -> None:
    filters = ("nearest", "bilinear", "bicubic", "box", "lanczos")
    single = {
        augment(PHOTO, 40, 0, replace(WHOLE, interpolations=(name,))).tobytes(): name
        for name in filters
    }
    assert len(single) == len(filters)
    counts = dict.fromkeys(filters, 0)
    for seed in range(300):
        mixed = augment(PHOTO, 40, seed, replace(WHOLE, interpolations=filters))
        counts[single[mixed.tobytes()]] += 1
    assert min(counts.values()) > 35


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("brightness", lambda image: image.mean()),
        ("contrast", lambda image: image.std()),
        ("saturation", lambda image: np.ptp(image, axis=2).mean()),
        ("hue", lambda image: (image[:, :, 0] - image[:, :, 1]).mean()),
    ],
)
def test_colours_change_within_their_range(name: str, measure: Any) -> None:
    def varied(strength: float) -> list[float]:
        augmentation = replace(WHOLE, **{name: strength})
        return [measure(augment(PHOTO, 48, seed, augmentation).astype(float)) for seed in range(25)]

    assert np.std(varied(0.0)) == 0
    assert 0 < np.std(varied(0.05)) < np.std(varied(0.5))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 2000), (7, 5)])
@pytest.mark.parametrize("crop", ["random-resized", "random"])
def test_any_shape(shape: tuple[int, int], crop: Any) -> None:
    pixels: NDArray[np.uint8] = np.full((*shape, 3), 60, np.uint8)
    for seed in range(5):
        assert (augment(pixels, 32, seed, replace(EVERYTHING, crop=crop, **PLAIN)) == 60).all()


PLAIN = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def test_the_image_given_is_left_alone() -> None:
    pixels = noise(32, 32)
    before = pixels.copy()
    for seed in range(4):
        augment(pixels, 32, seed, replace(WHOLE, brightness=0.5))
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(
    "settings",
    [
        {"crop": "five"},
        {"flip": "vertical"},
        {"interpolations": ("bilinear", "magic")},
        {"interpolations": ()},
        {"min_area": 0.0},
        {"min_area": 0.9, "max_area": 0.5},
        {"max_area": 1.5},
        {"aspect": (2.0, 1.0)},
        {"aspect": (0.0, 1.0)},
        {"brightness": -0.1},
        {"hue": 0.6},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Augmentation(**settings)


def test_augmentations_travel_and_compare() -> None:
    assert pickle.loads(pickle.dumps(EVERYTHING)) == EVERYTHING
    assert hash(Augmentation()) == hash(Augmentation())
