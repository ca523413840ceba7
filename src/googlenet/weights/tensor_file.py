"""Tensors in a safetensors file that vouches for its own content.

The format checks layout only: a flipped bit in a weight loads without a word. So the header's
metadata holds the SHA-256 of each tensor, and of the header itself, and both are checked.
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
from typing import TYPE_CHECKING, Any, BinaryIO

from googlenet.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

TENSOR_CHECKSUMS = "sha256"
HEADER_CHECKSUM = "header_sha256"

# While the header is hashed, this stands where its own checksum goes.
_NO_CHECKSUM = "0" * 64

# A model has a few hundred tensors of some 200 header bytes each.
_LARGEST_HEADER = 16 * 2**20

_MISMATCHES_NAMED = 3


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


def tensor_file(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file with a checksum for each tensor and for the header.

    Args:
        tensors: Tensors of any device and memory format; they are written in C order.
        metadata: Text entries for the header; ``format`` is added.
    """
    import torch
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sums = {
        name: _sha256(tensor.reshape(-1).view(torch.uint8).numpy())
        for name, tensor in plain.items()
    }
    data = save(plain)
    end = 8 + int.from_bytes(data[:8], "little")
    # The library writes metadata in an order that changes from run to run; equal tensors shall give
    # equal files, so the header is written here.
    entries = {
        "format": "pt",
        **metadata,
        TENSOR_CHECKSUMS: json.dumps(sums),
        HEADER_CHECKSUM: _NO_CHECKSUM,
    }
    document = {"__metadata__": entries, **json.loads(data[8:end])}
    text = json.dumps(document, separators=(",", ":"))
    header = text.encode() + b" " * (-len(text) % 8)  # the data begins at a multiple of 8
    header = header.replace(_quoted(_NO_CHECKSUM), _quoted(_sha256(header)))
    return len(header).to_bytes(8, "little") + header + data[end:]


def read_tensors(
    path: str | os.PathLike[str], expected: Mapping[str, TensorLayout] | None = None
) -> dict[str, Tensor]:
    """Read the tensors of a file that ``tensor_file`` made, each checked against its checksum.

    Args:
        path: The file.
        expected: The tensors that it must hold; compared before any data is read.

    Raises:
        ModelError: The file is missing, is no such file, holds other tensors, or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    with _open(path) as file:
        header = _read_header(file, path)
        if expected is not None:
            compare_layouts(header.layouts, expected, path)
        sums = _checksums(header, path)
        length = max((end for _, end in header.places.values()), default=8 + len(header.raw))
        if os.fstat(file.fileno()).st_size != length:
            raise damaged(path, f"it is not {length} bytes long, as its header says")
        file.seek(0)
        data = file.read(length)
    try:
        tensors = load(data)  # refuses overlaps, gaps and a length that does not fit
    except (SafetensorError, ValueError, OverflowError, RuntimeError) as error:
        raise damaged(path, f"its layout is broken ({error})") from error
    view = memoryview(data)
    for name in tensors:
        start, end = header.places[name]
        if _sha256(view[start:end]) != sums[name]:
            raise damaged(path, f"the content of {name} is not what was saved")
    # Loaded tensors lie at any address; copies are aligned as the arithmetic likes them.
    return {name: tensor.clone() for name, tensor in tensors.items()}


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the text entries of a tensor file, without its data and without torch.

    Raises:
        ModelError: The file is missing, is no such file, or its header is damaged.
    """
    path = Path(path)
    with _open(path) as file:
        header = _read_header(file, path)
    _checksums(header, path)
    return {
        name: text
        for name, text in header.metadata.items()
        if name not in (TENSOR_CHECKSUMS, HEADER_CHECKSUM)
    }


def layouts(tensors: Mapping[str, Tensor]) -> dict[str, TensorLayout]:
    """Return type and shape of each tensor, as a file would hold them."""
    import torch

    words = {torch.float32: "F32", torch.float64: "F64", torch.bfloat16: "BF16"} | {
        torch.float16: "F16",
        torch.int64: "I64",
    }
    return {
        name: TensorLayout(words.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
        for name, tensor in tensors.items()
    }


def compare_layouts(
    found: Mapping[str, TensorLayout], expected: Mapping[str, TensorLayout], path: Path
) -> None:
    """Raise if the tensors found are not those expected.

    Raises:
        ModelError: It names the first tensors that are missing, unknown or of another shape.
    """
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is unknown" for name in found if name not in expected]
    problems += [
        f"{name} is {found[name]} in place of {layout}"
        for name, layout in expected.items()
        if name in found and found[name] != layout
    ]
    if problems:
        named = "; ".join(problems[:_MISMATCHES_NAMED])
        rest = len(problems) - _MISMATCHES_NAMED
        raise ModelError(
            f"weights do not fit the network: {named}{f'; and {rest} more' if rest > 0 else ''}",
            path,
            "Keep weights together with the config.json that they were saved with.",
        )


def damaged(path: Path, problem: str) -> ModelError:
    """Return the error for a tensor file that was one and has changed since."""
    return ModelError(
        f"weights file is damaged: {problem}", path, "Restore it from a copy, or save it again."
    )


def _open(path: Path) -> BinaryIO:
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


def _read_header(file: BinaryIO, path: Path) -> TensorFileHeader:
    size = os.fstat(file.fileno()).st_size
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
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _foreign(path, "its header is garbled") from error
    return TensorFileHeader(metadata, found, places, raw)


def _layout(entry: Mapping[str, Any]) -> TensorLayout:
    return TensorLayout(str(entry["dtype"]), tuple(int(side) for side in entry["shape"]))


def _checksums(header: TensorFileHeader, path: Path) -> dict[str, str]:
    """Return the checksum of each tensor, after the header's own was found right."""
    own = header.metadata.get(HEADER_CHECKSUM, "")
    if not re.fullmatch("[0-9a-f]{64}", own):
        raise ModelError(
            "weights file has no checksums, so damage could not be seen",
            path,
            "Load the tensors into a GoogLeNet by hand and save it with googlenet.",
        )
    if _sha256(header.raw.replace(_quoted(own), _quoted(_NO_CHECKSUM))) != own:
        raise damaged(path, "its header is not what was saved")
    try:
        sums = dict(json.loads(header.metadata[TENSOR_CHECKSUMS]))
    except (KeyError, ValueError, TypeError, RecursionError):
        sums = {}
    if set(sums) != set(header.layouts):
        raise damaged(path, "its checksums are of other tensors")
    return sums


def _foreign(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"weights file is not in the safetensors format: {problem}",
        path,
        "Give a model directory that googlenet saved.",
    )


def _sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


def _quoted(checksum: str) -> bytes:
    return f'"{checksum}"'.encode()
