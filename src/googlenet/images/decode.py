"""The one door for pixels: encoded bytes in, (H, W, 3) uint8 RGB or ``ImageError`` out.

Pillow decides what is an image; simplejpeg, where it is installed, only saves time on the JPEGs
that both agree on. Limits bound what a file may cost: bytes, pixels, and for JPEG scans times
pixels, since a small progressive file can hold a decoder for many seconds.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from googlenet.errors import ImageError, UsageError
from googlenet.images.formats import ends_early, foreign_format, image_format, jpeg_scans
from googlenet.images.modes import UndefinedPixelsError, array_to_rgb, image_to_rgb, upright

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

if TYPE_CHECKING:
    ImageInput = (
        str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]
    )

MAX_BYTES = 50_000_000
MAX_PIXELS = 64_000_000
MAX_SCAN_PIXELS = 1_000_000_000
# Pillow reads text and unusual depths of Netpbm in Python, about a million samples a second.
MAX_SLOW_SAMPLES = 2_000_000

IMAGE_SUFFIXES = frozenset(
    {
        ".bmp",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)

# The plugins are called directly: Image.open would try formats that nobody should reach, warn of
# large images before they can be refused, and look for further pictures in a JPEG.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

_EXIF_SOURCES = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")

_REPLACE = "Replace it with a good copy, or remove it."
_CONVERT = "Convert it to JPEG or PNG."
_SHRINK = "Save a smaller version of it."


def decode(data: bytes, name: str | os.PathLike[str] = "image bytes") -> NDArray[np.uint8]:
    """Decode an image.

    JPEG, PNG, WebP, BMP, GIF, TIFF and Netpbm are read, of several pictures the first. The EXIF
    orientation is applied, colour profiles are ignored, and every way to store pixels becomes RGB
    as ``googlenet.images.modes`` says.

    Args:
        data: The encoded image.
        name: What to call it in an error, such as its path.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255], C-contiguous and writable.

    Raises:
        ImageError: It cannot be decoded; ``reason`` says why.
    """
    if len(data) > MAX_BYTES:
        raise _too_many_bytes(len(data), name)
    kind = image_format(data)
    if kind is None:
        raise _not_decodable(data, name)
    try:
        try:
            return _decode(data, kind, name)
        except Warning:
            # Somebody made warnings errors; what Pillow grumbles about must not be the verdict.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _decode(data, kind, name)
    except ImageError:
        raise
    except UndefinedPixelsError as error:
        raise ImageError(f"{kind} image: {error}", name, _CONVERT, reason="format") from error
    except MemoryError as error:
        raise ImageError(
            f"there is not enough memory to decode the {kind} image",
            name,
            _SHRINK,
            reason="unreadable",
        ) from error
    except Exception as error:  # whatever a hostile file makes a decoder raise
        if "truncated" in str(error).lower() or ends_early(data, kind):
            raise ImageError(
                f"{kind} image is cut off", name, _REPLACE, reason="truncated"
            ) from error
        raise ImageError(f"{kind} image is damaged", name, _REPLACE, reason="corrupt") from error


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read and decode an image file; see ``decode``.

    Raises:
        ImageError: It cannot be read or decoded; ``reason`` says why.
    """
    return decode(_read_bytes(path), path)


def to_pixels(image: ImageInput, name: str | None = None) -> NDArray[np.uint8]:
    """Turn an image, as Python code may hold it, into pixels.

    Args:
        image: A path, encoded bytes, a PIL image (its EXIF orientation is applied), or an array:
            (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA of uint8, bool, uint16 (the high
            byte is used) or float in [0, 1].
        name: What to call it in an error; None for its path or its kind.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255], C-contiguous and writable.

    Raises:
        ImageError: It cannot be read, or has no defined pixels; ``reason`` says why.
        UsageError: It is of another type.
    """
    if isinstance(image, str | os.PathLike):
        data = _read_bytes(image)
        return decode(data, image if name is None else name)
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(bytes(image), name or "image bytes")
    if isinstance(image, Image.Image):
        return _pil_pixels(image, name or "PIL image")
    if isinstance(image, np.ndarray):
        name = name or "array"
        if image.size == 0:
            raise ImageError(
                f"an array of shape {image.shape} has no pixels", name, _REPLACE, reason="empty"
            )
        try:
            if image.ndim in (2, 3):
                _check_size(image.shape[1], image.shape[0], name)
            return array_to_rgb(image)
        except UndefinedPixelsError as error:
            fix = "Pass (H, W, 3) RGB as uint8, or as float in [0, 1]."
            raise ImageError(str(error), name, fix, reason="format") from error
    raise UsageError(
        f"an image cannot be a {type(image).__name__}",
        name,
        "Pass a path, encoded bytes, a PIL image or a NumPy array.",
    )


def _decode(data: bytes, kind: str, name: str | os.PathLike[str]) -> NDArray[np.uint8]:
    image = _PLUGINS[kind](io.BytesIO(data))
    width, height = image.size
    _check_size(width, height, name)
    if kind == "JPEG":
        _check_scans(data, width * height, name)
        pixels = _decode_jpeg_fast(data, image)
        if pixels is None:
            pixels = image_to_rgb(image)
    else:
        if kind == "PPM" and image.tile[0].codec_name != "raw":
            _check_slow_samples(width * height * len(image.getbands()), name)
        pixels = image_to_rgb(image)
    if kind == "TIFF":  # Pillow has turned it while loading
        return pixels
    orientation = _orientation(image)
    return pixels if orientation == 1 else upright(pixels, orientation)


def _decode_jpeg_fast(data: bytes, image: ImageFile.ImageFile) -> NDArray[np.uint8] | None:
    """Decode with simplejpeg what both libraries decode alike; None leaves it to Pillow."""
    if simplejpeg is None or image.mode not in ("L", "RGB"):
        return None
    try:
        # Strict: without it, the missing half of a photograph comes back as grey.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except Exception:  # noqa: BLE001 - it raises KeyError and ValueError on valid images
        return None
    # Should the two read different sizes out of one file, Pillow's is the one that was checked.
    return pixels if pixels.shape == (image.height, image.width, 3) else None


def _orientation(image: Image.Image) -> int:
    if not any(source in image.info for source in _EXIF_SOURCES):
        return 1
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Warning:
        raise
    except Exception:  # noqa: BLE001 - damaged metadata does not make the picture unreadable
        return 1
    return orientation if isinstance(orientation, int) else 1


def _pil_pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    try:
        _check_size(image.width, image.height, name)
        pixels = image_to_rgb(image)
        # A TIFF that Pillow turned while loading has lost its tag by now.
        return upright(pixels, _orientation(image))
    except ImageError:
        raise
    except UndefinedPixelsError as error:
        raise ImageError(f"PIL image: {error}", name, _CONVERT, reason="format") from error
    except Exception as error:  # a lazily opened file is decoded here
        reason = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise ImageError("PIL image cannot be loaded", name, _REPLACE, reason=reason) from error


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer that may never come.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(
                    "it is not a regular file",
                    path,
                    "Remove it, or leave it out.",
                    reason="unreadable",
                )
            if status.st_size > MAX_BYTES:
                raise _too_many_bytes(status.st_size, path)
            return _read_all(file)
    except FileNotFoundError as error:
        raise ImageError(
            "there is no such file", path, "Check the path.", reason="missing"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        cause = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"the file cannot be read: {cause}",
            path,
            "Check its permissions, or remove it.",
            reason="unreadable",
        ) from error


def _read_all(file: io.RawIOBase | io.FileIO) -> bytes:
    """Read to the end, but no more than one byte beyond the limit, which ``decode`` refuses."""
    parts, left = [], MAX_BYTES + 1
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_size(width: int, height: int, name: str | os.PathLike[str]) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"the image has {width} x {height} pixels, more than {MAX_PIXELS // 10**6} million",
            name,
            _SHRINK,
            reason="too-many-pixels",
        )


def _check_scans(data: bytes, pixels: int, name: str | os.PathLike[str]) -> None:
    allowed = MAX_SCAN_PIXELS / pixels
    scans = jpeg_scans(data, allowed)
    if scans > allowed:
        raise ImageError(
            f"the JPEG image has {scans} scans of {pixels} pixels, more than a photograph needs",
            name,
            "Save it again as a baseline JPEG.",
            reason="too-many-scans",
        )


def _check_slow_samples(samples: int, name: str | os.PathLike[str]) -> None:
    if samples > MAX_SLOW_SAMPLES:
        raise ImageError(
            f"the Netpbm image stores {samples} samples as text or in an unusual depth",
            name,
            "Save it as 8-bit binary PPM or as PNG.",
            reason="too-many-pixels",
        )


def _too_many_bytes(size: int, name: str | os.PathLike[str]) -> ImageError:
    return ImageError(
        f"the file has {size} bytes, more than {MAX_BYTES // 10**6} million",
        name,
        _SHRINK,
        reason="too-many-bytes",
    )


def _not_decodable(data: bytes, name: str | os.PathLike[str]) -> ImageError:
    if not data:
        return ImageError("the file is empty", name, _REPLACE, reason="empty")
    foreign = foreign_format(data)
    if foreign is not None:
        return ImageError(
            f"{foreign} is not a format that is read", name, _CONVERT, reason="format"
        )
    return ImageError("the file is not an image", name, "Remove it.", reason="not-an-image")
