"""The one file of a kind in a small archive: published weights come in ``.tar.gz`` and ``.zip``.

Nothing is written to disk, and nothing is unpacked beyond a limit.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import damaged, most_unpacked
from googlenet.weights.formats.zip_members import ZipMembers

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_TAR_BLOCK = 512

Wanted = TypeVar("Wanted")


def only_member(data: bytes, path: str | os.PathLike[str], suffix: str) -> bytes:
    """Unpack the only file with a suffix from an archive; return what is no archive as it is.

    Args:
        data: The whole file.
        path: Where it is from, for messages.
        suffix: The end of the wanted file's name, such as ``.pb``.

    Raises:
        ModelError: The archive is damaged, unpacks to more than ``most_unpacked``, or has not
            exactly one such file.
    """
    if data.startswith(_ZIP):
        members = ZipMembers(data, path, "zip")
        return members.read(
            _only([name for name in members.names if name.endswith(suffix)], path, suffix)
        )
    if data.startswith(_GZIP):
        data = _gunzip(data, path)
    elif not _is_tar(data):
        return data
    if not _is_tar(data):
        return data
    wanted = [held for name, held in _tar_members(data, path) if name.endswith(suffix)]
    return bytes(_only(wanted, path, suffix))


def member_names(data: bytes, path: str | os.PathLike[str]) -> Sequence[str]:
    """Name the files in an archive; none where there is no archive.

    Raises:
        ModelError: The archive is damaged, or unpacks to more than ``most_unpacked``.
    """
    if data.startswith(_ZIP):
        return ZipMembers(data, path, "zip").names
    if data.startswith(_GZIP):
        data = _gunzip(data, path)
    return [name for name, _ in _tar_members(data, path)] if _is_tar(data) else []


def _gunzip(data: bytes, path: str | os.PathLike[str]) -> bytes:
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    most = most_unpacked(len(data))
    try:
        unpacked = stream.decompress(data, most)
    except zlib.error as error:
        raise damaged(path, "gzip", error) from error
    if stream.unconsumed_tail:
        raise damaged(path, "gzip", f"it unpacks to more than {most:,} bytes, which no weights do")
    if not stream.eof:
        raise damaged(path, "gzip", "it ends early")
    return unpacked


def _is_tar(data: bytes) -> bool:
    return data[257:262] == b"ustar"


def _tar_members(data: bytes, path: str | os.PathLike[str]) -> Iterator[tuple[str, memoryview]]:
    # Python's own tarfile could be held for ever by a negative size until 2025.
    view = memoryview(data)
    position = 0
    while position + _TAR_BLOCK <= len(data) and data[position] != 0:
        header = data[position : position + _TAR_BLOCK]
        try:
            size = int(header[124:136].strip(b"\0 ") or b"0", 8)
        except ValueError as error:
            raise damaged(path, "tar", "a member has no size") from error
        start = position + _TAR_BLOCK
        if not 0 <= size <= len(data) - start:
            raise damaged(path, "tar", "it ends early")
        if header[156:157] in (b"0", b"\0"):  # a regular file
            yield header[:100].rstrip(b"\0").decode("utf-8", "replace"), view[start : start + size]
        position = start + -(-size // _TAR_BLOCK) * _TAR_BLOCK


def _only(wanted: Sequence[Wanted], path: str | os.PathLike[str], suffix: str) -> Wanted:
    """Give the only one of what was found.

    Raises:
        ModelError: There is none, or are several.
    """
    if len(wanted) != 1:
        raise ModelError(
            f"archive holds {len(wanted)} files that end in {suffix}, not one",
            path,
            f"Unpack it, and give the {suffix} file that is meant.",
        )
    return wanted[0]
