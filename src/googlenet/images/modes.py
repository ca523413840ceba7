"""From every way to store pixels to uint8 RGB.

What is stored      What comes out
bilevel, grey       three equal channels
palette             its colours
alpha, or a colour
marked transparent  the picture on white
CMYK                (255 - ink) * (255 - black) / 255
16 bits a channel   the high byte (v >> 8)
32-bit integer      the high byte of 16, where no value exceeds 16 bits; else refused
float               255 * v rounded, where every value is in [0, 1]; else refused
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LARGEST_16_BIT = 0xFFFF


class UndefinedPixelsError(ValueError):
    """Say that a picture's values have no agreed meaning as shades."""


def image_to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Convert a Pillow image of any mode to (H, W, 3) uint8 RGB; orientation is left alone.

    Raises:
        UndefinedPixelsError: The mode, or the range of its values, has no agreed meaning.
    """
    image.load()
    mode = image.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        values = np.asarray(image)
        grey = grey_to_uint8(values)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            grey[values == transparent] = 255
        return three_channels(grey)
    if mode == "LAB":
        raise UndefinedPixelsError("its colours are CIELAB, which need a colour profile")
    if image.has_transparency_data:
        straight = image.convert("LA") if mode == "La" else image
        return on_white(np.asarray(straight.convert("RGBA")))
    if mode == "L":
        return three_channels(np.asarray(image))
    # A copy: Pillow hands out read-only memory.
    return np.array(image if mode == "RGB" else image.convert("RGB"))


def array_to_rgb(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert an array to (H, W, 3) uint8 RGB.

    Args:
        values: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; uint8, bool, uint16, or float
            with values in [0, 1].

    Raises:
        UndefinedPixelsError: The shape, type or range is another.
    """
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise UndefinedPixelsError(
            f"an array of shape {values.shape} is not (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    if values.dtype == np.uint8:
        pixels = values
    elif values.dtype.kind == "b":
        pixels = values.astype(np.uint8) * np.uint8(255)
    elif values.dtype.kind == "f" or values.dtype.newbyteorder("=") == np.uint16:
        pixels = grey_to_uint8(values)
    else:
        raise UndefinedPixelsError(
            f"an array of {values.dtype} is not uint8, uint16, bool or float"
        )
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return three_channels(pixels.reshape(pixels.shape[:2]))
    if pixels.shape[2] == 4:
        return on_white(pixels)
    # Always the caller's to change, never a view of what was given.
    return np.array(pixels, order="C")


def grey_to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert values of more than 8 bits, of any shape, to uint8; see the table above.

    Raises:
        UndefinedPixelsError: A value is outside the range that the type's convention gives it.
    """
    if values.dtype.kind == "f":
        # Written so that a value that is not a number fails too.
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise UndefinedPixelsError("its floating-point values are not all in [0, 1]")
        return np.rint(values * 255.0).astype(np.uint8)
    if values.size and (values.min() < 0 or values.max() > _LARGEST_16_BIT):
        raise UndefinedPixelsError("its integers need more than 16 bits")
    return (values >> 8).astype(np.uint8)


def three_channels(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat (H, W) as the three channels of (H, W, 3)."""
    rgb = np.empty((*grey.shape, 3), np.uint8)
    for channel in range(3):
        rgb[..., channel] = grey
    return rgb


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay (H, W, 4) straight-alpha pixels on white, rounded to the nearest: (H, W, 3)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    # At most 255 * 255 + 127, so 16 bits hold it.
    mixed = rgba[..., :3] * alpha + (255 - alpha) * 255 + 127
    return (mixed // 255).astype(np.uint8)


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn pixels as the EXIF orientation (1 to 8) says; any other value leaves them alone."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
