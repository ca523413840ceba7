"""The members of a zip file, which may itself be a format: NumPy's ``.npz``, PyTorch's ``.pth``."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib

from googlenet.weights.formats.contents import damaged, most_unpacked

# A GoogLeNet with an optimizer's state has some 600 members.
_MOST_MEMBERS = 10_000
_ENTRY = b"PK\x01\x02"
# Deflate cannot do better than 1032 to 1.
_BEST_RATIO = 1032

# What zipfile raises for damaged, encrypted and contradictory archives.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error),
    *(RuntimeError, NotImplementedError, ValueError, OverflowError),
)


class ZipMembers:
    """Read a zip file's members, none larger than it can be.

    Args:
        data: The whole file.
        path: Where it is from, for messages.
        kind: What it is, for messages.

    Attributes:
        names: The members' names in the order of the archive's directory.

    Raises:
        ModelError: The archive is damaged, unpacks to more than ``most_unpacked``, or its members
            overlap, have the same name, or are compressed in an unusual way.
    """

    def __init__(self, data: bytes, path: str | os.PathLike[str], kind: str) -> None:
        self._path = path
        self._kind = kind
        # Counted before any is parsed: an entry takes less room in the file than in memory.
        if data.count(_ENTRY) > _MOST_MEMBERS:
            raise damaged(path, kind, f"it has more than {_MOST_MEMBERS:,} members")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS as error:
            raise damaged(path, kind, error) from error
        members = self._archive.infolist()
        self._members = {member.filename: member for member in members}
        self.names = tuple(self._members)
        if len(self.names) < len(members):
            raise damaged(path, kind, "it has two members of one name")
        for member in members:
            most = {
                zipfile.ZIP_STORED: member.compress_size,
                zipfile.ZIP_DEFLATED: _BEST_RATIO * member.compress_size,
            }.get(member.compress_type, -1)
            if member.file_size > most:
                raise damaged(
                    path, kind, f"{member.filename!r} cannot unpack to {member.file_size:,} bytes"
                )
        if sum(member.compress_size for member in members) > len(data):
            raise damaged(path, kind, "its members overlap")
        unpacked = sum(member.file_size for member in members)
        if unpacked > most_unpacked(len(data)):
            raise damaged(path, kind, f"it unpacks to {unpacked:,} bytes, which no weights do")

    def read(self, name: str) -> bytes:
        """Unpack a member, and compare its checksum.

        Raises:
            ModelError: It is damaged, or is not there.
        """
        if name not in self._members:
            raise damaged(self._path, self._kind, f"it lacks {name!r}")
        size = self._members[name].file_size
        try:
            with self._archive.open(name) as file:
                # A limit, or the archive's own word would not bound what is unpacked.
                data = file.read(size)
        except _ZIP_ERRORS as error:
            raise damaged(self._path, self._kind, f"{name!r} is broken ({error})") from error
        if len(data) != size:
            raise damaged(self._path, self._kind, f"{name!r} ends early")
        return data
