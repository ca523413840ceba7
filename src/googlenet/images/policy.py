"""The preprocessing policy carried out: pixels of any size to the network's square, on uint8."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from googlenet.architecture.preprocessing import Preprocessing, Resample

_FILTERS: dict[Resample, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}


def prepare(pixels: NDArray[np.uint8], policy: Preprocessing) -> NDArray[np.uint8]:
    """Resize and crop an image as the policy says.

    Channel order, scale, mean and deviation are not applied here but on the device, by
    ``googlenet.nn.normalize`` or inside an exported graph.

    Args:
        pixels: (H, W, 3) uint8 RGB, of any size and shape.
        policy: How to resize and crop.

    Returns:
        (size, size, 3) uint8 RGB, C-contiguous and writable.
    """
    height, width = pixels.shape[:2]
    size = policy.size
    if policy.resize_mode == "letterbox":
        return _letterbox(pixels, policy)
    side = policy.resized_side
    if policy.resize_mode == "squash":
        new_width = new_height = side
    elif width <= height:
        # The long side is cut off, not rounded, as in torchvision's Resize.
        new_width, new_height = side, side * height // width
    else:
        new_width, new_height = side * width // height, side
    left, top = round((new_width - size) / 2), round((new_height - size) / 2)
    if (new_width, new_height) == (width, height):
        return np.array(pixels[top : top + size, left : left + size], order="C")
    # Only the part that the crop keeps is computed. Its pixels are those of the whole resized
    # image, and a picture of 1 x 50,000,000 pixels does not become one of 224 x 11,200,000,000.
    across, down = width / new_width, height / new_height
    box = (
        left * across,
        top * down,
        min((left + size) * across, width),
        min((top + size) * down, height),
    )
    resized = Image.fromarray(pixels).resize((size, size), _FILTERS[policy.resample], box)
    return np.array(resized)


def _letterbox(pixels: NDArray[np.uint8], policy: Preprocessing) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = policy.size / max(height, width)
    new_width, new_height = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (policy.size - new_width) // 2, (policy.size - new_height) // 2
    square = np.full((policy.size, policy.size, 3), policy.pad_value, np.uint8)
    resized = Image.fromarray(pixels).resize((new_width, new_height), _FILTERS[policy.resample])
    square[top : top + new_height, left : left + new_width] = np.asarray(resized)
    return square
