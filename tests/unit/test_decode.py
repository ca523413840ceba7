"""Golden pixels for every way to store them, each computed here by arithmetic of its own."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from googlenet.errors import ImageError, UsageError
from googlenet.images import decode as door
from googlenet.images.decode import decode, read_image, to_pixels
from tests.image_files import chunk, encoded, noise, photograph_like, png

H, W = 9, 14  # neither square nor a multiple of anything


def grey_as_rgb(grey: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def exactly(data: bytes, expected: NDArray[Any], within: int = 0) -> None:
    pixels = decode(data)
    assert (pixels.dtype, pixels.shape) == (np.dtype(np.uint8), expected.shape)
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert np.abs(pixels.astype(int) - expected.astype(int)).max() <= within


def on_white(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    share = alpha.astype(float)[:, :, None] / 255
    return np.rint(colour * share + 255 * (1 - share))


def test_bilevel() -> None:
    bits = noise(H, W)[:, :, 0] > 127
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        exactly(encoded(Image.fromarray(bits), kind), grey_as_rgb(bits * 255))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM"])
def test_grey(kind: str) -> None:
    grey = noise(H, W)[:, :, 0]
    exactly(encoded(Image.fromarray(grey), kind), grey_as_rgb(grey))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("PPM", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_rgb_in_every_lossless_format(kind: str, options: dict[str, Any]) -> None:
    colours = noise(H, W)
    exactly(encoded(Image.fromarray(colours), kind, **options), colours)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(kind: str) -> None:
    palette = noise(16, 1, seed=1)[:, 0]
    places = noise(H, W)[:, :, 0] % 16
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    exactly(encoded(image, kind), palette[places])


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_one_transparent_entry(kind: str) -> None:
    palette = noise(16, 1, seed=1)[:, 0]
    places = noise(H, W)[:, :, 0] % 16
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    expected = np.where((places == 5)[:, :, None], 255, palette[places])
    exactly(encoded(image, kind, transparency=5), expected)


def test_palette_with_an_alpha_for_each_entry() -> None:
    palette, alpha = noise(16, 1, seed=1)[:, 0], noise(16, 1, seed=2)[:, 0, 0]
    places = noise(H, W)[:, :, 0] % 16
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    data = encoded(image, "PNG", transparency=alpha.tobytes())
    exactly(data, on_white(palette[places], alpha[places]))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha_is_laid_on_white(kind: str) -> None:
    both = noise(H, W, channels=2)
    grey, alpha = both[:, :, 0], both[:, :, 1]
    exactly(encoded(Image.fromarray(both, "LA"), kind), on_white(grey_as_rgb(grey), alpha))


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})]
)
def test_rgba_is_laid_on_white(kind: str, options: dict[str, Any]) -> None:
    four = noise(H, W, channels=4)
    four[0, :, 3], four[1, :, 3] = 0, 255
    expected = on_white(four[:, :, :3], four[:, :, 3])
    assert (expected[0] == 255).all()
    exactly(encoded(Image.fromarray(four), kind, **options), expected)


def test_a_colour_marked_transparent_is_white() -> None:
    colours = noise(H, W)
    colours[2, 3] = 10, 20, 30
    expected = colours.copy()
    expected[2, 3] = 255
    exactly(encoded(Image.fromarray(colours), "PNG", transparency=(10, 20, 30)), expected)


def test_cmyk_in_tiff() -> None:
    inks = noise(H, W, channels=4).astype(float)
    expected = (255 - inks[:, :, :3]) * (255 - inks[:, :, 3:]) / 255
    data = encoded(Image.fromarray(inks.astype(np.uint8), "CMYK"), "TIFF")
    exactly(data, expected, within=1)


def test_cmyk_in_jpeg() -> None:
    inks = np.zeros((32, 48, 4), np.uint8)
    inks[:16, :16], inks[:16, 16:32], inks[:16, 32:] = (
        (200, 0, 0, 0),
        (0, 200, 0, 0),
        (0, 0, 200, 0),
    )
    inks[16:, :16], inks[16:, 16:32], inks[16:, 32:] = (0, 0, 0, 128), (90, 60, 30, 40), 0
    expected = (255.0 - inks[:, :, :3]) * (255.0 - inks[:, :, 3:]) / 255
    data = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100, subsampling=0)
    exactly(data, expected, within=3)


def test_ycbcr_jpeg() -> None:
    colours = np.zeros((32, 48, 3), np.uint8)
    colours[:16, :24], colours[:16, 24:], colours[16:, :24] = (
        (200, 40, 30),
        (20, 180, 60),
        (9, 9, 250),
    )
    colours[16:, 24:] = 128
    data = encoded(Image.fromarray(colours), "JPEG", quality=100, subsampling=0)
    blocks = decode(data)
    assert np.abs(blocks.astype(int) - colours).max() <= 3


def test_grey_jpeg() -> None:
    grey = photograph_like(40, 56)[:, :, 0]
    data = encoded(Image.fromarray(grey), "JPEG", quality=100)
    exactly(data, grey_as_rgb(grey), within=2)
    assert np.ptp(decode(data), axis=2).max() == 0


def test_ycbcr_tiff() -> None:
    colours = photograph_like(H, W)
    data = encoded(Image.fromarray(colours).convert("YCbCr"), "TIFF")
    exactly(data, colours, within=3)


def test_16_bit_grey_keeps_the_high_byte() -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (H, W), dtype=np.uint16)
    expected = grey_as_rgb(values // 256)
    exactly(encoded(Image.fromarray(values), "PNG"), expected)
    exactly(encoded(Image.fromarray(values), "TIFF"), expected)
    exactly(encoded(Image.fromarray(values.astype(">u2")), "TIFF"), expected)
    header = f"P5\n{W} {H}\n65535\n".encode()
    exactly(header + values.astype(">u2").tobytes(), expected)


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha_keep_the_high_byte(colour_type: int, channels: int) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (H, W, channels), dtype=np.uint16)
    high = values // 256
    if channels == 3:
        expected = high
    elif channels == 2:
        expected = on_white(grey_as_rgb(high[:, :, 0]), high[:, :, 1])
    else:
        expected = on_white(high[:, :, :3], high[:, :, 3])
    exactly(png(values, colour_type, 16), expected)


def test_a_16_bit_shade_marked_transparent_is_white() -> None:
    values = np.full((H, W, 1), 1000)
    values[1, 2] = 40_000
    expected = np.full((H, W, 3), 3)
    expected[1, 2] = 255
    exactly(png(values, 0, 16, chunk(b"tRNS", (40_000).to_bytes(2, "big"))), expected)


def test_32_bit_integers_of_16_bits_keep_the_high_byte() -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (H, W), dtype=np.int32)
    exactly(encoded(Image.fromarray(values), "TIFF"), grey_as_rgb(values // 256))
    for beyond in (-1, 2**16):
        values[3, 3] = beyond
        with pytest.raises(ImageError, match="16 bits") as refused:
            decode(encoded(Image.fromarray(values), "TIFF"))
        assert refused.value.reason == "format"


def test_floats_from_0_to_1_are_scaled() -> None:
    values = np.random.default_rng(0).random((H, W), dtype=np.float32)
    values[0, :2] = 0, 1
    expected = grey_as_rgb(np.rint(values.astype(np.float64) * 255))
    exactly(encoded(Image.fromarray(values), "TIFF"), expected, within=1)
    for beyond in (-0.1, 1.5, np.nan, np.inf):
        values[3, 3] = beyond
        with pytest.raises(ImageError, match="0, 1") as refused:
            decode(encoded(Image.fromarray(values), "TIFF"))
        assert refused.value.reason == "format"


def test_netpbm_as_text() -> None:
    assert decode(b"P3\n# a comment\n2 1\n255\n255 0 7  1 2 3\n").tolist() == [
        [[255, 0, 7], [1, 2, 3]]
    ]
    assert decode(b"P2 2 1 15 15 0 ").tolist() == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_the_first(kind: str) -> None:
    frames = [Image.new("RGB", (W, H), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (decode(data) == (255, 0, 0)).all()


# Where the stored picture's pixel (i, j) is in the upright one, from the meaning of the EXIF tag:
# the side of the scene that row 0 and column 0 show.
UPRIGHT: dict[int, Callable[[Any, Any, int, int], tuple[Any, Any]]] = {
    1: lambda i, j, h, w: (i, j),  # top, left
    2: lambda i, j, h, w: (i, w - 1 - j),  # top, right
    3: lambda i, j, h, w: (h - 1 - i, w - 1 - j),  # bottom, right
    4: lambda i, j, h, w: (h - 1 - i, j),  # bottom, left
    5: lambda i, j, h, w: (j, i),  # left, top
    6: lambda i, j, h, w: (j, w - 1 - i),  # right, top
    7: lambda i, j, h, w: (h - 1 - j, w - 1 - i),  # right, bottom
    8: lambda i, j, h, w: (h - 1 - j, i),  # left, bottom
}


def as_stored(scene: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    h, w = scene.shape[:2]
    shape = (h, w) if orientation < 5 else (w, h)
    i, j = np.indices(shape)
    return np.ascontiguousarray(scene[UPRIGHT[orientation](i, j, h, w)])


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation(kind: str, orientation: int) -> None:
    scene = photograph_like(24, 40)
    options: dict[str, Any] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
    }.get(kind, {})
    stored = Image.fromarray(as_stored(scene, orientation))
    data = encoded(stored, kind, exif=exif(orientation), **options)
    exactly(data, scene, within=4 if kind == "JPEG" else 0)
    # A picture that the caller opened is treated as the file is.
    with Image.open(io.BytesIO(data)) as opened:
        assert np.abs(to_pixels(opened).astype(int) - decode(data)).max() <= 1


def test_damaged_or_senseless_orientation_is_ignored() -> None:
    scene = photograph_like(24, 40)
    for orientation in (0, 9, 65535):
        exactly(encoded(Image.fromarray(scene), "PNG", exif=exif(orientation)), scene)
    whole = encoded(Image.fromarray(scene), "JPEG", exif=exif(6))
    place = whole.index(b"Exif\0\0") + 6
    for damage in (b"XX", b"II*\0\xff\xff\xff\xff"):
        damaged = whole[:place] + damage + whole[place + len(damage) :]
        assert decode(damaged).shape == (24, 40, 3)


def test_what_pillow_grumbles_about_is_decoded_whether_or_not_warnings_are_errors() -> None:
    whole = encoded(Image.fromarray(photograph_like(24, 40)), "JPEG", exif=exif(6))
    place = whole.index(b"MM\0*", 0) + 8
    damaged = whole[:place] + b"\xff\xff" + whole[place + 2 :]  # a directory of 65,535 entries
    with warnings.catch_warnings(record=True) as grumbles:
        warnings.simplefilter("always")
        pixels = decode(damaged)
    assert grumbles
    assert np.array_equal(decode(damaged), pixels)


JPEGS = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "progressive": {"progressive": True},
    "low quality": {"quality": 10},
    "restarts": {"restart_marker_blocks": 2},
    "rgb": {"keep_rgb": True},
}


@pytest.mark.parametrize("name", [*JPEGS, "grey"])
@pytest.mark.parametrize("shape", [(61, 83), (64, 64), (1, 1), (300, 7)])
def test_the_fast_decoder_changes_nothing(
    name: str, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert door.simplejpeg is not None
    pixels = photograph_like(*shape)
    image = Image.fromarray(pixels[:, :, 0] if name == "grey" else pixels)
    data = encoded(image, "JPEG", **JPEGS.get(name, {}))
    fast = decode(data)
    monkeypatch.setattr(door, "simplejpeg", None)
    slow = decode(data)
    assert np.abs(fast.astype(int) - slow).max() <= 1


def test_a_file_of_any_name_is_read(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(noise(H, W)), "PNG")
    for name in (b"caf\xe9.png", b"new\nline.png", b"=1+1.png", "日本.png".encode(), b"noname"):
        path = bytes(tmp_path) + b"/" + name
        with open(path, "wb") as file:
            file.write(data)
        assert np.array_equal(read_image(os.fsdecode(path)), noise(H, W))


def test_python_images() -> None:
    colours, four = noise(H, W), noise(H, W, channels=4)
    wide = np.random.default_rng(0).integers(0, 2**16, (H, W, 3), dtype=np.uint16)
    for image, expected in (
        (encoded(Image.fromarray(colours), "PNG"), colours),
        (bytearray(encoded(Image.fromarray(colours), "PNG")), colours),
        (Image.fromarray(colours), colours),
        (Image.fromarray(four), on_white(four[:, :, :3], four[:, :, 3])),
        (colours, colours),
        (colours[::-1, ::2], colours[::-1, ::2]),
        (colours[:, :, 0], grey_as_rgb(colours[:, :, 0])),
        (colours[:, :, :1], grey_as_rgb(colours[:, :, 0])),
        (four, on_white(four[:, :, :3], four[:, :, 3])),
        (colours > 127, (colours > 127) * 255),
        (wide, wide // 256),
        (wide.astype(">u2"), wide // 256),
        (colours / 255, colours),
        ((colours / 255).astype(np.float16), colours),
    ):
        pixels = to_pixels(image)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert pixels.flags.writeable
        assert np.array_equal(pixels, expected)
    before = colours.copy()
    to_pixels(colours)[:] = 0
    assert np.array_equal(colours, before)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((2, 2, 2), np.uint8), "shape"),
        (np.zeros((2, 2, 5), np.uint8), "shape"),
        (np.zeros((2, 2, 2, 3), np.uint8), "shape"),
        (np.zeros((0, 2, 3), np.uint8), "no pixels"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.full((2, 2, 3), 2.0), "0, 1"),
        (np.full((2, 2), np.nan), "0, 1"),
        (np.broadcast_to(np.uint8(0), (9000, 9000)), "million"),
    ],
)
def test_arrays_without_a_meaning_are_refused(image: NDArray[Any], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        to_pixels(image, "frame 7")


def test_other_objects_are_refused() -> None:
    for thing in (None, 7, [1, 2], {"a": 1}):
        with pytest.raises(UsageError, match="an image cannot be"):
            to_pixels(thing)  # type: ignore[arg-type]
