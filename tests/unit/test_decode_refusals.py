"""Files that are no image, or would cost too much: each is refused by its reason, and quickly."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from googlenet.errors import ImageError
from googlenet.images import decode as door
from googlenet.images.decode import decode, read_image, to_pixels
from googlenet.images.formats import jpeg_scans
from tests.image_files import empty_png, encoded, photograph_like, scan_bomb

PHOTO = Image.fromarray(photograph_like(60, 80))
KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
FILES = {kind: encoded(PHOTO, kind) for kind in KINDS}


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as refused:
        decode(data, "holiday.jpg")
    error = refused.value
    assert error.where == "holiday.jpg"
    assert error.exit_code == 3
    assert len(str(error).splitlines()) == 3
    return error.reason


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"this is a letter, not a picture", "not-an-image"),
        (b"\0" * 1000, "not-an-image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "format"),
        (b"%PDF-1.7\n", "format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "format"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "format"),
        (b"8BPS\0\1", "format"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"GIF89a", "truncated"),
        (b"BM", "truncated"),
        (b"RIFF\xff\0\0\0WEBP", "truncated"),
        (b"P6\n10 10\n255\nabc", "truncated"),
        (b"P6\nten ten\n255\n", "corrupt"),
        (b"PyRGBA 1 1 255 abcd", "not-an-image"),
    ],
)
def test_what_is_no_image(data: bytes, expected: str) -> None:
    assert reason(data) == expected


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_truncated_anywhere(kind: str, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr(door, "simplejpeg", None)
    whole = FILES[kind]
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        assert reason(whole[: int(len(whole) * share)]) in ("truncated", "corrupt", "not-an-image")
    assert reason(whole[: len(whole) * 3 // 4]) == "truncated"


def test_a_photograph_cut_at_any_byte_has_one_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded(Image.fromarray(photograph_like(24, 24)), "JPEG", quality=60)

    def verdict(end: int) -> bytes | str:
        try:
            return decode(whole[:end]).tobytes()
        except ImageError as error:
            return error.reason

    fast = [verdict(end) for end in range(len(whole))]
    monkeypatch.setattr(door, "simplejpeg", None)
    slow = [verdict(end) for end in range(len(whole))]
    for one, other in zip(fast, slow, strict=True):
        if isinstance(one, bytes) and isinstance(other, bytes):
            difference = np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)
            assert np.abs(difference).max() <= 1
        else:
            assert one == other
    # No half of a photograph passes as one.
    assert all(isinstance(one, str) for one in fast[: len(whole) * 9 // 10])


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_changed_at_random_give_pixels_or_an_image_error(kind: str) -> None:
    generator = np.random.default_rng(7)
    for _ in range(150):
        data = np.frombuffer(FILES[kind], np.uint8).copy()
        places = generator.integers(0, len(data), generator.integers(1, 9))
        data[places] = generator.integers(0, 256, len(places))
        with contextlib.suppress(ImageError):
            assert decode(data.tobytes()).dtype == np.uint8


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([FILES[kind][:16] for kind in KINDS]), st.binary(max_size=300))
def test_any_bytes_after_a_good_beginning(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert decode(start + rest).ndim == 3


def test_a_bomb_of_200_megapixels() -> None:
    assert reason(empty_png(20_000, 10_000)) == "too-many-pixels"
    assert reason(empty_png(2**31 - 1, 2**31 - 1)) in ("too-many-pixels", "corrupt")
    # Just inside of what Pillow itself would warn of.
    assert reason(empty_png(10_000, 8_000)) == "too-many-pixels"
    assert reason(empty_png(8_000, 8_000)) in ("truncated", "corrupt")  # small enough to be tried


def test_more_bytes_than_allowed(tmp_path: Path) -> None:
    assert reason(FILES["BMP"] + bytes(door.MAX_BYTES)) == "too-many-bytes"
    sparse = tmp_path / "huge.jpg"
    with sparse.open("wb") as file:
        file.write(FILES["JPEG"])
        file.truncate(10 * door.MAX_BYTES)
    with pytest.raises(ImageError) as refused:
        read_image(sparse)
    assert refused.value.reason == "too-many-bytes"


def test_a_progressive_jpeg_of_very_many_scans() -> None:
    bomb = scan_bomb(side=2000, scans=500)
    assert len(bomb) < 100_000
    assert reason(bomb) == "too-many-scans"
    assert decode(scan_bomb(side=200, scans=20)).shape == (200, 200, 3)


def test_scans_are_those_of_the_picture_itself() -> None:
    baseline, progressive = FILES["JPEG"], encoded(PHOTO, "JPEG", progressive=True)
    assert jpeg_scans(baseline, 0) == 1
    assert jpeg_scans(progressive, 0) == progressive.count(b"\xff\xda") > 1
    # Thumbnails in the metadata, and a second picture behind the first, do not count.
    comment = (b"\xff\xda" * 1000).ljust(2000, b"\0")
    filled = baseline[:2] + b"\xff\xfe" + (2002).to_bytes(2, "big") + comment + baseline[2:]
    assert jpeg_scans(filled, 0) == 1
    assert jpeg_scans(baseline + progressive, 0) == 1
    # Fill bytes before a marker hide nothing.
    assert jpeg_scans(baseline.replace(b"\xff\xda", b"\xff\xff\xff\xda"), 0) == 1
    assert jpeg_scans(b"\xff\xd8\xff", 0) == 0


def test_large_netpbm_text_is_refused_before_it_is_read() -> None:
    samples = door.MAX_SLOW_SAMPLES + 1
    assert reason(b"P2\n%d 1\n255\n" % samples + b"1 " * samples) == "too-many-pixels"
    assert reason(b"P5\n%d 1\n4095\n" % samples + b"ab" * samples) == "too-many-pixels"
    assert decode(b"P5\n%d 1\n255\n" % samples + b"a" * samples).shape == (1, samples, 3)


def test_cielab_is_refused() -> None:
    lab = encoded(Image.new("LAB", (4, 4)), "TIFF")
    assert reason(lab) == "format"


def file_reason(path: Path | str) -> str:
    with pytest.raises(ImageError) as refused:
        read_image(path)
    assert refused.value.where == os.fspath(path)
    return refused.value.reason


def test_things_that_are_no_files(tmp_path: Path) -> None:
    assert file_reason(tmp_path / "gone.jpg") == "missing"
    (tmp_path / "folder.jpg").mkdir()
    assert file_reason(tmp_path / "folder.jpg") == "unreadable"
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert file_reason(tmp_path / "loop.jpg") == "unreadable"
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    assert file_reason(tmp_path / "dangling.jpg") == "missing"
    assert file_reason("/dev/zero") == "unreadable"
    assert file_reason("a\0b.jpg") == "unreadable"
    (tmp_path / "empty.jpg").touch()
    assert file_reason(tmp_path / "empty.jpg") == "empty"
    (tmp_path / "letter.jpg").write_text("Dear reader")
    assert file_reason(tmp_path / "letter.jpg") == "not-an-image"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert file_reason(tmp_path / "pipe.jpg") == "unreadable"


def test_a_picture_that_pillow_opened_and_cannot_load(tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(FILES["PNG"][: len(FILES["PNG"]) // 2])
    with (
        Image.open(tmp_path / "half.png") as image,
        pytest.raises(ImageError, match="cannot be loaded") as refused,
    ):
        to_pixels(image, "half")
    assert refused.value.reason == "truncated"
    with pytest.raises(ImageError) as refused:
        to_pixels(Image.new("1", (10_000, 10_000)))
    assert refused.value.reason == "too-many-pixels"


def test_it_works_without_simplejpeg(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(FILES["JPEG"])
    code = (
        "import sys; sys.modules['simplejpeg'] = None\n"
        "from googlenet.images.decode import read_image, simplejpeg\n"
        "assert simplejpeg is None\n"
        "sys.stdout.buffer.write(read_image(sys.argv[1]).tobytes())"
    )
    command = [sys.executable, "-c", code, tmp_path / "photo.jpg"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    slow = np.frombuffer(done.stdout, np.uint8).reshape(60, 80, 3)
    assert np.abs(slow.astype(int) - decode(FILES["JPEG"])).max() <= 1
