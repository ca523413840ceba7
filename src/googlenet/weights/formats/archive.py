"""The one file of a kind in a small archive: published weights come in ``.tar.gz`` and ``.zip``.

Nothing is written to disk, and nothing is unpacked beyond a limit.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import LARGEST_FILE, damaged

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_TAR_BLOCK = 512
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def only_member(data: bytes, path: str | os.PathLike[str], suffix: str) -> bytes:
    """Unpack the only file with a suffix from an archive; return what is no archive as it is.

    Args:
        data: The whole file.
        path: Where it is from, for messages.
        suffix: The end of the wanted file's name, such as ``.pb``.

    Raises:
        ModelError: The archive is damaged, unpacks to more than ``LARGEST_FILE`` bytes, or has not
            exactly one such file.
    """
    if data.startswith(_ZIP):
        return _only_in_zip(data, path, suffix)
    if data.startswith(_GZIP):
        data = _gunzip(data, path)
    elif not _is_tar(data):
        return data
    if not _is_tar(data):
        return data
    wanted = [(name, held) for name, held in _tar_members(data, path) if name.endswith(suffix)]
    _check_one([name for name, _ in wanted], path, suffix)
    return bytes(wanted[0][1])


def member_names(data: bytes, path: str | os.PathLike[str]) -> list[str]:
    """Name the files in an archive; none where there is no archive.

    Raises:
        ModelError: The archive is damaged, or unpacks to more than ``LARGEST_FILE`` bytes.
    """
    if data.startswith(_ZIP):
        with _zip_errors(path), zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    if data.startswith(_GZIP):
        data = _gunzip(data, path)
    return [name for name, _ in _tar_members(data, path)] if _is_tar(data) else []


def _only_in_zip(data: bytes, path: str | os.PathLike[str], suffix: str) -> bytes:
    with _zip_errors(path), zipfile.ZipFile(io.BytesIO(data)) as archive:
        wanted = [member for member in archive.infolist() if member.filename.endswith(suffix)]
        _check_one([member.filename for member in wanted], path, suffix)
        (member,) = wanted
        if member.compress_type not in _ZIP_METHODS:
            raise damaged(path, "zip", f"{member.filename!r} is compressed in an unusual way")
        if member.file_size > LARGEST_FILE:
            raise _too_large(path)
        with archive.open(member) as file:
            # A limit, or the archive's own word would not bound what is unpacked.
            return file.read(member.file_size)


@contextmanager
def _zip_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what zipfile raises for damaged, encrypted and contradictory archives into our error."""
    try:
        yield
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error),
        *(RuntimeError, NotImplementedError, ValueError, OverflowError),
    ) as error:
        raise damaged(path, "zip", error) from error


def _gunzip(data: bytes, path: str | os.PathLike[str]) -> bytes:
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = stream.decompress(data, LARGEST_FILE)
    except zlib.error as error:
        raise damaged(path, "gzip", error) from error
    if stream.unconsumed_tail:
        raise _too_large(path)
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


def _check_one(names: list[str], path: str | os.PathLike[str], suffix: str) -> None:
    if len(names) != 1:
        raise ModelError(
            f"archive holds {len(names)} files that end in {suffix}, not one",
            path,
            f"Unpack it, and give the {suffix} file that is meant.",
        )


def _too_large(path: str | os.PathLike[str]) -> ModelError:
    return ModelError(
        f"archive unpacks to more than {LARGEST_FILE:,} bytes, which no GoogLeNet needs",
        path,
        "Give a file that holds the weights alone.",
    )
