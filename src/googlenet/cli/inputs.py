"""What ``googlenet predict`` is given: files, directories, patterns, or standard input."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from googlenet.cli.main import STANDARD_INPUT
from googlenet.errors import DataError, UsageError

# Enough to tell an image from the first path of a list.
_HEAD = 16


def find_files(arguments: Sequence[str]) -> list[str]:
    """List the files that arguments stand for.

    Args:
        arguments: Files, which need not exist; directories, searched for images at any depth but
            for what is hidden; and patterns such as ``photos/*.jpg``.

    Raises:
        DataError: A directory holds no image, or nothing matches a pattern.
    """
    files: list[str] = []
    for argument in arguments:
        if os.path.isdir(argument):
            found = _images_below(argument)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            matches = sorted(glob.glob(argument, recursive=True))
            found = [path for path in matches if not os.path.isdir(path)]
        else:
            found = [argument]
        if not found:
            kind = "directory holds no image" if os.path.isdir(argument) else "nothing matches"
            raise DataError(kind, argument, "Check the path, and the suffixes of the files.")
        files += found
    return files


def read_standard_input(byte_limit: int) -> bytes | Iterator[str]:
    """Read standard input: one image, or a list of paths, a line each.

    Args:
        byte_limit: Most bytes that an image may have; one more is read, to see that it is too long.

    Returns:
        The bytes of the image, or the paths as they come.

    Raises:
        UsageError: Standard input is closed.
    """
    if sys.stdin is None:
        raise UsageError("there is no standard input", "-", "Give files, or do not close it.")
    stream = sys.stdin.buffer
    head = stream.read(_HEAD)
    if _is_image(head):
        return head + stream.read(byte_limit + 1 - len(head))
    return _paths(head, stream)


def asks_for_standard_input(arguments: Sequence[str]) -> bool:
    """Tell whether the arguments are a lone ``-``.

    Raises:
        UsageError: There are others beside it.
    """
    if STANDARD_INPUT in arguments and len(arguments) > 1:
        raise UsageError(
            "standard input comes alone",
            " ".join("-" if each == STANDARD_INPUT else each for each in arguments),
            "Put the files into the list, or leave out the -.",
        )
    return STANDARD_INPUT in arguments


def _images_below(directory: str) -> list[str]:
    from googlenet.data.folder import image_files

    return [os.path.join(directory, name) for name in image_files(Path(directory))[0]]


def _is_image(head: bytes) -> bool:
    """Tell whether these are the first bytes of a picture, as no honest path begins."""
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
    return (
        head.startswith(starts)
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head.startswith(b"BM") and b"\0" in head)
        or re.match(rb"P[1-6]\s+(#|\d+\s)", head) is not None
    )


def _paths(head: bytes, stream: BinaryIO) -> Iterator[str]:
    begun = head
    for chunk in _chunks(stream):
        *whole, begun = (begun + chunk).split(b"\n")
        yield from _names(whole)
    yield from _names(begun.split(b"\n"))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    # read1 returns what is there, so that a list can be worked on while it is being written.
    read = getattr(stream, "read1", stream.read)
    while chunk := read(65536):
        yield chunk


def _names(lines: Sequence[bytes]) -> Iterator[str]:
    for line in lines:
        if name := line.rstrip(b"\r"):
            yield os.fsdecode(name)
