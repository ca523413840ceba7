"""Which format a weights file is in, by its bytes; its suffix decides only where they do not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from googlenet.errors import ModelError
from googlenet.extras import missing_extra
from googlenet.weights.formats.archive import member_names
from googlenet.weights.formats.contents import WeightsFile, read_bytes
from googlenet.weights.formats.varint import read_varint

# The end of a sorted table (TensorFlow's checkpoints), and the number before an MXNet file's rest.
_TABLE = (0xDB4775248B80FB57).to_bytes(8, "little")
_MXNET = (0x112).to_bytes(8, "little")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = b"\x80"
# The number that files of torch.save began with until 1.5, pickled.
_TORCH_STREAM = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM")
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b")
_TAR = slice(257, 262), b"ustar"

_SUFFIXES = {".caffemodel": "caffe", ".onnx": "onnx", ".pb": "graphdef"}
# The parts of a checkpoint, of which some have nothing to be told by.
_CHECKPOINT_PARTS = (".index", ".meta")
_CHECKPOINT_DATA = ".data-"

# Fields of a protocol buffer, as number and kind of value.
_NUMBER, _BYTES = 0, 2
_MOST_FIELDS = 10_000


def read_weights(path: Path, *, prototxt: Path | None = None) -> WeightsFile:
    """Read a weights file of any format.

    Args:
        path: The file; for TensorFlow also the common start of a checkpoint's files, or a
            directory.
        prototxt: Caffe's description of the network, for a ``.caffemodel``.

    Returns:
        What the format's reader gives.

    Raises:
        ModelError: The file is missing, damaged, or in no format that can be read.
        MissingExtraError: A package that the format needs is not installed.
    """
    path = Path(path)
    name = _reader(path)
    if prototxt is not None and name != "caffe":
        raise ModelError(
            "a prototxt goes with a .caffemodel, which this file is not", path, "Leave it out."
        )
    try:
        reader = import_module(f"googlenet.weights.formats.{name}")
    except ImportError as error:
        raise missing_extra(error, f"reading {path.name}") or error from error
    file: WeightsFile = reader.read(path) if prototxt is None else reader.read(path, prototxt)
    return file


def _reader(path: Path) -> str:
    """Name the module that reads a file."""
    # These functions of os.path have no error for a path that cannot be.
    if os.path.isdir(path):
        return _directory(path)
    is_part = path.suffix in _CHECKPOINT_PARTS or path.suffix.startswith(_CHECKPOINT_DATA)
    if is_part or (not os.path.exists(path) and os.path.exists(f"{path}.index")):
        return "tensorflow_checkpoint"
    data = read_bytes(path)
    if not data:
        raise ModelError("weights file is empty", path, "Fetch it again.")
    if data.startswith(_HDF5):
        return "keras_h5"
    if data.startswith(_ARCHIVES) or data[_TAR[0]] == _TAR[1]:
        return _archive(member_names(data, path), path)
    if data.endswith(_TABLE):
        return "tensorflow_checkpoint"
    if _is_safetensors(data):
        return "safetensors_file"
    if data.startswith(_TORCH_STREAM):
        return "torch_file"
    _refuse_known(data, path)
    found = _message(data) or _SUFFIXES.get(path.suffix)
    if found is None:
        raise ModelError(
            "file is in no format of weights that can be read",
            path,
            "Give a .caffemodel, .pth, .safetensors, .onnx, .npz, .h5, .ckpt or .pb file.",
        )
    return found


def _directory(path: Path) -> str:
    if (path / "config.json").exists() and (path / "model.safetensors").exists():
        raise ModelError(
            "directory is a model directory already", path, "Use it as it is, without converting."
        )
    return "tensorflow_checkpoint"


def _archive(names: Sequence[str], path: Path) -> str:
    """Tell formats that are archives, and archives that hold a file of a format."""
    for suffix, reader in {
        "data.pkl": "torch_file",
        ".npy": "chainer_npz",
        ".ckpt": "tensorflow_checkpoint",
        ".pb": "graphdef",
    }.items():
        if any(name.endswith(suffix) for name in names):
            return reader
    if {"pickle", "storages", "tensors"} <= set(names):
        raise ModelError(
            "file is of PyTorch before 0.1.10, which cannot be read without running it",
            path,
            "If you trust it, open it with torch.load and save its state_dict() again.",
        )
    inner = next((name for name in names if name.endswith((".h5", ".caffemodel", ".pth"))), None)
    raise ModelError(
        "archive holds no weights that can be read from it",
        path,
        f"Unpack it, and give {inner}." if inner else "Unpack it, and give the weights file.",
    )


def _is_safetensors(data: bytes) -> bool:
    return 2 <= int.from_bytes(data[:8], "little") <= len(data) - 8 and data[8:9] == b"{"


def _refuse_known(data: bytes, path: Path) -> None:
    """Raise for files that are something else, and say what to do.

    Raises:
        ModelError: It is one of these.
    """
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        what, fix = "file is a pointer of Git LFS, not the weights", "Fetch it with: git lfs pull"
    elif start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        what = "file is a web page, not weights"
        fix = "Download it again, from the address of the file itself."
    elif data.startswith(_PICTURES):
        what, fix = "file is a picture, not weights", "Give a weights file."
    elif data.startswith(_MXNET):
        what = "file is of MXNet, which is not read"
        fix = "Export it to ONNX with MXNet, and give that file."
    elif path.suffix in (".pdparams", ".pdmodel", ".pdiparams"):
        what = "file is of Paddle, which is not read"
        fix = "Export it to ONNX with paddle2onnx; its network differs from every other version."
    elif data.startswith(_PICKLE) and data.endswith(b"."):
        what = "file is a pickle, which could run code and is never opened"
        fix = "If you trust it, save its arrays with numpy.savez, or as safetensors."
    elif _is_text(data):
        what = "file is text, not weights"
        fix = "Give the weights file; Caffe's prototxt goes beside it, as --prototxt."
    else:
        return
    raise ModelError(what, path, fix)


def _is_text(data: bytes) -> bool:
    try:
        text = data[:1024].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _message(data: bytes) -> str | None:
    """Tell protocol buffers by the fields of their outermost message."""
    found = _fields(data)
    if (100, _BYTES) in found:
        return "caffe"
    if (7, _BYTES) in found and (1, _BYTES) not in found:
        return "onnx"
    if (1, _NUMBER) in found and (2, _BYTES) in found:
        return "graphdef"  # a SavedModel, which that reader knows
    # Caffe's older layers follow one name or none; a graph is many nodes.
    if found.get((2, _BYTES), 0) >= max(found.get((1, _BYTES), 0), 1):
        return "caffe"
    return "graphdef" if (1, _BYTES) in found else None


def _fields(data: bytes) -> dict[tuple[int, int], int]:
    """Count fields, as far as the message is whole; nothing is read of what they hold."""
    found: dict[tuple[int, int], int] = {}
    position = 0
    for _ in range(_MOST_FIELDS):
        tag, position = read_varint(data, position) or (0, position)
        kind = tag & 7
        if tag < 8 or kind not in (0, 1, 2, 5) or position >= len(data):
            break
        found[tag >> 3, kind] = found.get((tag >> 3, kind), 0) + 1
        if kind in (_NUMBER, _BYTES):
            value, position = read_varint(data, position) or (0, len(data))
            position += value if kind == _BYTES else 0
        else:
            position += {1: 8, 5: 4}[kind]
    return found
