"""What a safetensors file says before its data, and the checksums that googlenet puts there.

The header's metadata holds the SHA-256 of each tensor, and of the header itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from googlenet.errors import ModelError

TENSOR_CHECKSUMS = "sha256"
HEADER_CHECKSUM = "header_sha256"

# While the header is hashed, this stands where its own checksum goes.
NO_CHECKSUM = "0" * 64

# A model has a few hundred tensors of some 200 header bytes each.
_LARGEST_HEADER = 16 * 2**20


@dataclass(frozen=True)
class TensorLayout:
    """Hold a tensor's type, in the format's words (``F32``, ``I64``), and its shape."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


@dataclass(frozen=True)
class TensorFileHeader:
    """Hold what a tensor file says before its data.

    Attributes:
        metadata: The file's text entries, its checksums among them.
        layouts: Type and shape of each tensor.
        places: First byte and the byte after the last of each tensor, counted in the file.
        raw: The header's own bytes.
    """

    metadata: Mapping[str, str]
    layouts: Mapping[str, TensorLayout]
    places: Mapping[str, tuple[int, int]]
    raw: bytes


def open_tensor_file(path: Path) -> BinaryIO:
    """Open a file to read.

    Raises:
        ModelError: It is missing, is no regular file, or cannot be read.
    """
    try:
        # Looked at before it is opened: opening a pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _foreign(path, "it is not a regular file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise ModelError(
            "weights file is missing", path, "Restore it from a copy, or save the model again."
        ) from error
    except OSError as error:
        raise ModelError(
            f"weights file cannot be read: {error.strerror}", path, "Check the path and its rights."
        ) from error


def read_header(file: BinaryIO, path: Path) -> TensorFileHeader:
    """Read the start of an open file.

    Raises:
        ModelError: It is not in the format.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(8)
    if start[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise _foreign(path, "it is a PyTorch pickle, which could run code and is never opened")
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > size - 8 or length > _LARGEST_HEADER:
        raise _foreign(path, "its first bytes give no header length")
    raw = file.read(length)
    try:
        document = json.loads(raw.decode("utf-8"))
        metadata = document.pop("__metadata__", {})
        found = {name: _layout(entry) for name, entry in document.items()}
        base = 8 + length
        places = {
            name: (base + int(entry["data_offsets"][0]), base + int(entry["data_offsets"][1]))
            for name, entry in document.items()
        }
        if not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("an entry of its metadata is not text")
    # What JSON of another form leads to; an infinite side is an OverflowError.
    except (
        *(ValueError, KeyError, TypeError, AttributeError, IndexError),
        *(OverflowError, RecursionError),
    ) as error:
        raise _foreign(path, "its header is garbled") from error
    return TensorFileHeader(metadata, found, places, raw)


def tensor_checksums(header: TensorFileHeader, path: Path) -> dict[str, str]:
    """Return the checksum of each tensor, after the header's own was found right.

    Raises:
        ModelError: There is none, or it does not match, or those of the tensors are of others.
    """
    own = header.metadata.get(HEADER_CHECKSUM, "")
    if not re.fullmatch("[0-9a-f]{64}", own):
        raise ModelError(
            "weights file has no checksums, so damage could not be seen",
            path,
            "Load the tensors into a GoogLeNet by hand and save it with googlenet.",
        )
    if sha256(header.raw.replace(quoted(own), quoted(NO_CHECKSUM))) != own:
        raise damaged(path, "its header is not what was saved")
    try:
        sums = dict(json.loads(header.metadata[TENSOR_CHECKSUMS]))
    except (KeyError, ValueError, TypeError, RecursionError):
        sums = {}
    if set(sums) != set(header.layouts):
        raise damaged(path, "its checksums are of other tensors")
    return sums


def damaged(path: Path, problem: str) -> ModelError:
    """Return the error for a tensor file that was one and has changed since."""
    return ModelError(
        f"weights file is damaged: {problem}", path, "Restore it from a copy, or save it again."
    )


def sha256(data: Any) -> str:
    """Return a checksum as the header has it: 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def quoted(checksum: str) -> bytes:
    """Return a checksum's bytes in a header, by which it is found there."""
    return f'"{checksum}"'.encode()


def _layout(entry: Mapping[str, Any]) -> TensorLayout:
    return TensorLayout(str(entry["dtype"]), tuple(int(side) for side in entry["shape"]))


def _foreign(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"weights file is not in the safetensors format: {problem}",
        path,
        "Give a model directory that googlenet saved.",
    )
