"""The preprocessing policy against arithmetic, against torchvision, and on extreme shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import CenterCrop, Compose, Resize

from googlenet.architecture.preprocessing import RESAMPLE_NUMBERS, Preprocessing, ResizeMode
from googlenet.images.policy import prepare
from tests.image_files import noise


@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (300, 300), (100, 90), (64, 1000)])
@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "nearest", "box", "lanczos"])
def test_crop_is_what_torchvision_does_to_a_pillow_image(
    shape: tuple[int, int], resample: str
) -> None:
    pixels = noise(*shape)
    policy = Preprocessing(size=224, crop_fraction=0.875, resample=resample)  # type: ignore[arg-type]
    steps = Compose([Resize(256, InterpolationMode(resample)), CenterCrop(224)])
    expected = np.asarray(steps(Image.fromarray(pixels)))
    # Computing only what the crop keeps may round one step apart.
    difference = np.abs(prepare(pixels, policy).astype(int) - expected)
    assert difference.max() <= (255 if resample == "nearest" else 1)
    assert np.mean(difference > 1) < 0.01


def test_crop_of_an_image_that_has_the_size_is_cut_out_unchanged() -> None:
    pixels = noise(64, 100)
    policy = Preprocessing(size=56, crop_fraction=0.875)
    assert np.array_equal(prepare(pixels, policy), pixels[4:60, 22:78])
    whole = Preprocessing(size=64, crop_fraction=1.0)
    assert np.array_equal(prepare(pixels, whole), pixels[:, 18:82])


def test_shrinking_by_two_with_a_box_is_the_mean_of_four() -> None:
    pixels = noise(64, 64).astype(float)
    policy = Preprocessing(size=32, crop_fraction=1.0, resample="box")
    mean = pixels.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(prepare(pixels.astype(np.uint8), policy) - mean).max() <= 1


def test_squash_ignores_the_aspect_ratio() -> None:
    columns = np.zeros((20, 400, 3), np.uint8)
    columns[:, 200:] = 255
    squashed = prepare(columns, Preprocessing(size=32, resize_mode="squash", crop_fraction=1.0))
    assert (squashed[:, :15] == 0).all()
    assert (squashed[:, 17:] == 255).all()


def test_squash_cuts_the_centre() -> None:
    pixels = noise(40, 40)
    policy = Preprocessing(size=35, resize_mode="squash", crop_fraction=0.875)
    assert np.array_equal(prepare(pixels, policy), pixels[2:37, 2:37])


def test_letterbox_keeps_the_whole_image_on_grey() -> None:
    policy = Preprocessing(size=40, resize_mode="letterbox", pad_value=77)
    wide = prepare(np.full((10, 20, 3), 200, np.uint8), policy)
    assert (wide[10:30] == 200).all()
    assert (wide[:10] == 77).all()
    assert (wide[30:] == 77).all()
    tall = prepare(np.full((20, 10, 3), 200, np.uint8), policy)
    assert np.array_equal(tall, wide.swapaxes(0, 1))
    thin = prepare(np.full((1, 5000, 3), 200, np.uint8), policy)
    assert (thin == 200).all(axis=(1, 2)).sum() == 1


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    size=st.integers(1, 100),
    mode=st.sampled_from(["crop", "letterbox", "squash"]),
    fraction=st.floats(0.1, 1),
    resample=st.sampled_from(sorted(RESAMPLE_NUMBERS)),
)
def test_every_shape_gives_a_square(
    height: int, width: int, size: int, mode: ResizeMode, fraction: float, resample: str
) -> None:
    policy = Preprocessing(
        size=size,
        resize_mode=mode,
        crop_fraction=fraction,
        resample=resample,  # type: ignore[arg-type]
        pad_value=9,
    )
    pixels = np.full((height, width, 3), 9, np.uint8)
    square = prepare(pixels, policy)
    assert (square.shape, square.dtype) == ((size, size, 3), np.dtype(np.uint8))
    assert square.flags.c_contiguous
    assert square.flags.writeable
    assert (square == 9).all()


@pytest.mark.parametrize("shape", [(1, 4_000_000), (4_000_000, 1)])
@pytest.mark.parametrize("mode", ["crop", "letterbox", "squash"])
def test_an_extreme_strip_does_not_explode(shape: tuple[int, int], mode: ResizeMode) -> None:
    # Resized as a whole, it would be 256 x 1,024,000,000.
    square = prepare(np.full((*shape, 3), 50, np.uint8), Preprocessing(resize_mode=mode))
    assert square.shape == (224, 224, 3)


def test_the_image_given_is_left_alone() -> None:
    pixels = noise(64, 64)
    before = pixels.copy()
    prepare(pixels, Preprocessing(size=64, crop_fraction=1.0))[:] = 0
    prepare(pixels, Preprocessing(size=32))[:] = 0
    assert np.array_equal(pixels, before)
