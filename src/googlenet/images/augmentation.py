"""Random variation of training images by torchvision's transforms; free of torch to import.

A varied image is a pure function of the pixels, the size and a seed: nothing is drawn from a random
stream that an interruption, or another number of workers, could shift.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Crop = Literal["random-resized", "random"]
Flip = Literal["none", "horizontal", "all"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "lanczos"]

# torchvision resizes tensors by these; for the others it hands over to Pillow.
_TENSOR_FILTERS = ("nearest", "bilinear", "bicubic")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Describe how training images are varied.

    Attributes:
        crop: ``random-resized`` cuts out a part of random area and aspect ratio and scales it to
            the input; ``random`` warps the image to a square and cuts the input out of it.
        min_area: Smallest share of the image's area that ``random-resized`` keeps.
        max_area: Largest share.
        aspect: Smallest and largest aspect ratio of the part, relative to a square.
        flip: ``horizontal`` mirrors half of the images; ``all`` turns half upside down as well.
        interpolations: Resampling filters, of which each image draws one.
        brightness: Largest relative change of brightness; 0 for none.
        contrast: Largest relative change of contrast; 0 for none.
        saturation: Largest relative change of saturation; 0 for none.
        hue: Largest turn of the hue, as a share of the circle, at most 0.5; 0 for none.
        resized_side: Side in pixels of the square of ``random``; None for an eighth more than the
            input, in the ratio of 256 to 224.

    Raises:
        UsageError: A value is outside its range.
    """

    crop: Crop = "random-resized"
    min_area: float = 0.08
    max_area: float = 1.0
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: Flip = "horizontal"
    interpolations: tuple[Interpolation, ...] = ("bilinear",)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    resized_side: int | None = None

    def __post_init__(self) -> None:
        _choice("crop", self.crop, ("random-resized", "random"))
        _choice("flip", self.flip, ("none", "horizontal", "all"))
        for interpolation in self.interpolations:
            _choice("interpolation", interpolation, (*_TENSOR_FILTERS, "box", "lanczos"))
        if not self.interpolations:
            raise UsageError("there is no interpolation to draw", None, "Name one or more.")
        if not 0 < self.min_area <= self.max_area <= 1:
            raise UsageError(
                f"areas from {self.min_area} to {self.max_area} are no range of shares",
                None,
                "Choose 0 < min_area <= max_area <= 1.",
            )
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise UsageError(
                f"aspect ratios from {self.aspect[0]} to {self.aspect[1]} are no range",
                None,
                "Choose 0 < lowest <= highest.",
            )
        jitter = (self.brightness, self.contrast, self.saturation, self.hue)
        if min(jitter) < 0 or self.hue > 0.5:
            raise UsageError(
                f"a change of colours by {jitter} is out of range",
                None,
                "Choose 0 or more, for hue at most 0.5.",
            )

    def transform(self, size: int, interpolation: Interpolation = "bilinear") -> Callable[..., Any]:
        """Build the torchvision transform to ``size`` pixels a side, for one of the filters.

        It takes a (3, H, W) uint8 tensor, or a PIL image for the filters that only Pillow has,
        draws from torch's global generator, and returns (3, size, size) uint8.
        """
        from torchvision.transforms import InterpolationMode, v2

        mode = InterpolationMode(interpolation)
        steps: list[Any] = []
        if self.crop == "random-resized":
            area = (self.min_area, self.max_area)
            steps.append(v2.RandomResizedCrop(size, area, self.aspect, mode, antialias=True))
        else:
            side = self.resized_side or round(size * 256 / 224)
            steps.append(v2.Resize((max(side, size),) * 2, mode, antialias=True))
            steps.append(v2.RandomCrop(size))
        steps.append(v2.PILToTensor())
        if self.flip != "none":
            steps.append(v2.RandomHorizontalFlip())
        if self.flip == "all":
            steps.append(v2.RandomVerticalFlip())
        colours = (self.brightness, self.contrast, self.saturation, self.hue)
        if any(colours):
            steps.append(v2.ColorJitter(*colours))
        composed: Callable[..., Any] = v2.Compose(steps)
        return composed


def augment(
    pixels: NDArray[np.uint8], size: int, seed: int, augmentation: Augmentation
) -> NDArray[np.uint8]:
    """Vary an image; the same arguments always give the same pixels.

    Args:
        pixels: (H, W, 3) uint8 RGB, of any size.
        size: Side of the result in pixels.
        seed: 0 to 2**64 - 1; decides all that is random.
        augmentation: How to vary it.

    Returns:
        (size, size, 3) uint8 RGB, C-contiguous.
    """
    import torch

    with seeded(seed), _one_thread():
        choices = augmentation.interpolations
        draw = int(torch.randint(len(choices), ())) if len(choices) > 1 else 0
        image: Tensor | Image.Image
        if choices[draw] in _TENSOR_FILTERS:
            # A view that torch knows as channels_last, in which its uint8 resize is fastest.
            image = torch.from_numpy(pixels).permute(2, 0, 1)
        else:
            image = Image.fromarray(pixels)
        varied: Tensor = _transform(augmentation, size, choices[draw])(image)
        result: NDArray[np.uint8] = varied.permute(1, 2, 0).contiguous().numpy()
    return result


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from ``seed`` inside, and leave its global generator as it was.

    Only the CPU's generator is touched; ``torch.manual_seed`` would reach for the others too.
    """
    import torch

    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


@cache
def _transform(
    augmentation: Augmentation, size: int, interpolation: Interpolation
) -> Callable[..., Any]:
    return augmentation.transform(size, interpolation)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: one image is too little for two, which would wait for each other.

    It also fixes the order in which the mean of a contrast change is summed, and so its bits.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _choice(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(
            f"there is no {what} {value!r}", None, f"Choose one of: {', '.join(known)}."
        )
