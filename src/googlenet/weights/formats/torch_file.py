"""PyTorch's ``.pth`` and ``.pt`` of both formats, read without torch: their pickle is never run.

Source: pytorch/pytorch: torch/serialization.py and torch/_utils.py; the archive's members in
docs/source/notes/serialization.rst.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes, shortened, some
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.formats.inert_pickle import (
    Call,
    Name,
    Reference,
    forbidden,
    is_plain,
    is_quantized,
    names_in,
    read_pickle,
)
from googlenet.weights.formats.zip_members import ZipMembers

_KIND = "PyTorch"
_ZIP = b"PK\x03\x04"
# What files before PyTorch 1.6 begin with, as pickled numbers.
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

# How the numbers of a storage are in files. NumPy has no bfloat16: it is read as its bits.
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
# Bytes of the numbers that are passed over in old files, where one storage follows the other.
_SIZES: Mapping[str, int] = {kind: dtype.itemsize for kind, dtype in _DTYPES.items()} | {
    "UntypedStorage": 1,
    "QInt8Storage": 1,
    "QUInt8Storage": 1,
    "QInt32Storage": 4,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}
_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")
_TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2")
_PARAMETERS = ("_rebuild_parameter", "_rebuild_parameter_with_state")

# Where training scripts keep the weights in a checkpoint, the likeliest first.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
# A checkpoint in a checkpoint in a checkpoint.
_MOST_WRAPPERS = 3
# Beside the weights there may be a tensor or two, such as the best accuracy.
_FEWEST_TENSORS = 2
_MOST_DIMENSIONS = 8
# Before a storage in a stream, as a number of eight bytes.
_COUNT = 8
# No size, step or place of PyTorch's has more bits.
_NUMBERS = range(2**63)
# Tensors may share a storage, as tied weights do; but each is looked through. Numbers that they may
# have for every byte of the file: four times over, those of one byte.
_MOST_SHARED = 4

Storages = Mapping[str, memoryview]


@dataclass(frozen=True)
class _Storage:
    """Hold what a pickle says of a run of numbers that is kept outside of it.

    Attributes:
        key: Its name.
        kind: What its numbers are.
        size: How many there are.
        offset: How many are before the first that is meant.
    """

    key: str
    kind: str
    size: int
    offset: int


def read(path: Path) -> WeightsFile:
    """Read a state dict, alone or within a training checkpoint.

    Args:
        path: A file of ``torch.save``.

    The weights are a dictionary of several tensors, each with an axis at least: the file's own, or
    one in it under any key. Of several, the likeliest by its key is taken, then the largest, and
    the notes say so.

    Returns:
        The tensors under their own names (``inception3a.branch1.conv.weight``) and in PyTorch's
        layout (kernels out, in, H, W; linear layers out, in): floating-point, of which half
        precision and bfloat16 become float32, or integers. All else is left out.

    Raises:
        ModelError: The file is damaged, a TorchScript archive, quantized, or its pickle would call
            what training scripts do not save; nothing is ever run.
    """
    path = Path(path)
    data = read_bytes(path)
    value, storages = _read_zip(data, path) if data.startswith(_ZIP) else _read_stream(data, path)
    state, notes = _state_dict(value, path)
    reader = _TensorReader(storages, path, _MOST_SHARED * len(data))
    arrays: dict[str, NDArray[Any]] = {}
    others = []
    for key, entry in state.items():
        name = _text(key)
        tensor = _tensor(entry)
        if tensor is None:
            others.append(name)
        elif name in arrays:
            raise damaged(path, _KIND, f"it has {name!r} twice")
        else:
            arrays[name] = reader.array(tensor, name)
    if others:
        notes.append(f"Left out {some(others)}: not tensors.")
    return WeightsFile(format="torch", path=path, arrays=arrays, notes=tuple(notes))


def _read_zip(data: bytes, path: Path) -> tuple[Any, Storages]:
    """Read an archive: its value, and the bytes of each storage."""
    members = ZipMembers(data, path, _KIND)
    roots = [name.removesuffix("data.pkl") for name in members.names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise damaged(path, _KIND, "it has no data.pkl, or several")
    (root,) = roots
    if f"{root}constants.pkl" in members.names:
        raise ModelError(
            "PyTorch file is a TorchScript archive, which is a program",
            path,
            "Save the weights alone: torch.save(torch.jit.load(FILE).state_dict(), NEW).",
        )
    order = f"{root}byteorder"
    if order in members.names and members.read(order) != b"little":
        raise _big_endian(path)
    pickle = read_pickle(BytesIO(members.read(f"{root}data.pkl")), path)
    start = f"{root}data/"
    return pickle.value, {
        name.removeprefix(start): memoryview(members.read(name))
        for name in members.names
        if name.startswith(start)
    }


def _read_stream(data: bytes, path: Path) -> tuple[Any, Storages]:
    """Read pickles one after the other, with the storages behind them."""
    stream = BytesIO(data)
    beginning = [read_pickle(stream, path).value for _ in range(2)]
    if beginning != [_MAGIC, _PROTOCOL]:
        raise damaged(path, _KIND, "it does not begin as a file of torch.save")
    system = read_pickle(stream, path).value
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _big_endian(path)
    pickle = read_pickle(stream, path)
    keys = read_pickle(stream, path).value
    # How long a number is, only the references say; the storages lie in the order of the keys.
    described = {each.key: each for each in (_storage(key, path) for key in pickle.references)}
    if (
        not isinstance(keys, list)
        or not all(isinstance(key, str) for key in keys)
        or set(keys) != set(described)
    ):
        raise damaged(path, _KIND, "its list of storages does not match its tensors")
    storages: dict[str, memoryview] = {}
    position = stream.tell()
    for key in keys:
        count = int.from_bytes(data[position : position + _COUNT], "little")
        length = count * _SIZES[described[key].kind]
        position += _COUNT
        if key in storages or length > len(data) - position:
            raise damaged(path, _KIND, f"storage {key} lies beyond its end")
        storages[key] = memoryview(data)[position : position + length]
        position += length
    return pickle.value, storages


def _storage(reference: Any, path: Path) -> _Storage:
    match reference:
        case ("storage", Name(module, kind), str(key), _, int(size), *view) if (
            module in _STORAGE_MODULES and kind in _SIZES
        ):
            match view:
                case [] | [None] if size in _NUMBERS:
                    return _Storage(key, kind, size, 0)
                case [(_, int(offset), int())] if size in _NUMBERS and offset in _NUMBERS:
                    return _Storage(key, kind, size, offset)
    raise damaged(path, _KIND, "its pickle refers to no storage")


def _state_dict(value: Any, path: Path) -> tuple[dict[str | bytes, Any], list[str]]:
    """Find the tensors by name in what was saved, and say what else there is."""
    found = _dictionaries_of_tensors(value)
    if not found:
        raise _without_tensors(value, path)
    taken = min(found, key=lambda keys: (_preference(keys), -_count_tensors(found[keys])))
    state = found.pop(taken)
    if quantized := next(filter(is_quantized, names_in(state, set())), None):
        raise forbidden(quantized, path)
    found.pop((), None)  # its other values are named one by one
    beside: list[str] = []
    seen = {id(state)}
    for depth, taken_key in enumerate(taken):
        for key, entry in value.items():
            if key != taken_key and (*taken[:depth], key) not in found:
                beside.append(_described(key, entry, seen))
        value = value[taken_key]
    notes = []
    if beside:
        notes.append(f"Beside the weights: {some(beside)}; none of it was read.")
    if found:
        others = ["/".join(map(_text, keys)) for keys in found]
        named = "/".join(map(_text, taken)) or "what is outermost"
        notes.append(f"Taken: {shortened(named)}; also there: {some(others)}.")
    return state, notes


def _dictionaries_of_tensors(value: Any) -> dict[tuple[str | bytes, ...], dict[str | bytes, Any]]:
    """Find each dictionary of several tensors by the keys that lead to it, outer ones first."""
    found = {}
    level: list[tuple[tuple[str | bytes, ...], Any]] = [((), value)]
    seen = set()
    for _ in range(_MOST_WRAPPERS):
        inner = []
        for keys, each in level:
            # What is there twice, or holds itself, is looked through once.
            if not isinstance(each, dict) or id(each) in seen:
                continue
            seen.add(id(each))
            if _count_tensors(each) >= _FEWEST_TENSORS:
                found[keys] = each
            inner += [((*keys, key), entry) for key, entry in each.items()]
        level = inner
    return found


def _preference(keys: tuple[str | bytes, ...]) -> list[int]:
    """Rank what keys lead to; what is outermost has none, and is as likely as an unknown key."""
    names = [_text(key) for key in keys]
    return [
        _WRAPPERS.index(name) if name in _WRAPPERS else len(_WRAPPERS) for name in names or [""]
    ]


def _count_tensors(values: dict[str | bytes, Any]) -> int:
    """Count tensors that have an axis."""
    count = 0
    for each in map(_tensor, values.values()):
        match each:
            case Call(arguments=(_, _, tuple(shape), *_)) if shape:
                count += 1
    return count


def _tensor(value: Any) -> Call | None:
    """Give the call that builds a tensor, also where a parameter holds it; None for all else."""
    match value:
        case Call(Name("torch._utils", name), (Call() as inner, *_)) if name in _PARAMETERS:
            value = inner
    match value:
        case Call(Name("torch._utils" | "torch._tensor", name)) if name.startswith("_rebuild"):
            return value
    return None


def _described(key: str | bytes, value: Any, seen: set[int]) -> str:
    """Name an entry, and the types that are in it and nowhere before."""
    names = sorted({str(name) for name in names_in(value, seen) if not is_plain(name)})
    return f"{_text(key)} ({some(names)})" if names else _text(key)


def _text(key: str | bytes) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key


def _without_tensors(value: Any, path: Path) -> ModelError:
    if isinstance(value, Call):
        return ModelError(
            f"PyTorch file holds an object ({value.function}), not tensors by name",
            path,
            "Where it was made, save its state_dict() alone.",
        )
    return ModelError(
        "PyTorch file holds no tensors by name",
        path,
        "Give a file of torch.save(model.state_dict(), FILE).",
    )


class _TensorReader:
    """Make arrays of storages, each of which is converted once.

    Args:
        storages: The bytes of each.
        path: Where they are from, for messages.
        left: How many numbers all tensors together may have.
    """

    def __init__(self, storages: Storages, path: Path, left: int) -> None:
        self.storages = storages
        self.path = path
        self.left = left
        self.numbers: dict[tuple[str, str], NDArray[Any]] = {}

    def array(self, tensor: Call, name: str) -> NDArray[Any]:
        """Give a tensor as an array that looks into its storage."""
        match tensor:
            case Call(Name(_, function)) if function not in _TENSORS:
                raise ModelError(
                    f"PyTorch file builds {shortened(name)!r} with {tensor.function}, which is "
                    "not known",
                    self.path,
                    "Save it as a plain tensor of float32.",
                )
            case Call(_, (Reference(key), int(first), tuple(shape), tuple(strides), *_)):
                pass
            case _:
                raise damaged(self.path, _KIND, f"{name!r} is no tensor")
        storage = _storage(key, self.path)
        numbers = self._numbers(storage)
        first += storage.offset
        if not len(shape) == len(strides) <= _MOST_DIMENSIONS or not all(
            isinstance(each, int) and each in _NUMBERS for each in (*shape, *strides, first)
        ):
            raise damaged(self.path, _KIND, f"{name!r} has a shape that no storage holds")
        if (
            # What is repeated by a stride of zero would take more than there is.
            math.prod(shape) > numbers.size or _last(first, shape, strides) >= numbers.size
        ):
            raise damaged(
                self.path,
                _KIND,
                f"{name!r} of shape {list(shape)} is not in its storage of {numbers.size:,}",
            )
        self.left -= math.prod(shape)
        if self.left < 0:
            raise damaged(self.path, _KIND, "its tensors have the same numbers over and over")
        if 0 in shape:
            return numbers[:0]
        # Where there is but one, the step to the next may be any.
        steps = [
            step * numbers.itemsize if side > 1 else 0
            for side, step in zip(shape, strides, strict=True)
        ]
        return as_strided(numbers[first:], shape, steps, writeable=False)

    def _numbers(self, storage: _Storage) -> NDArray[Any]:
        place = storage.key, storage.kind
        if place not in self.numbers:
            dtype = _DTYPES.get(storage.kind)
            if dtype is None:
                raise damaged(self.path, _KIND, f"{storage.kind} has no numbers that are read")
            data = self.storages.get(storage.key, memoryview(b""))
            if len(data) != storage.size * dtype.itemsize:
                raise damaged(
                    self.path,
                    _KIND,
                    f"storage {storage.key} has {len(data):,} bytes, not {storage.size:,} numbers",
                )
            values = np.frombuffer(data, dtype)
            self.numbers[place] = widened(values, is_bfloat16=storage.kind == "BFloat16Storage")
        return self.numbers[place]


def _last(first: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Give the place of a tensor's last number; -1 if it has none."""
    if 0 in shape:
        return -1
    return first + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))


def _big_endian(path: Path) -> ModelError:
    return ModelError(
        "PyTorch file was written on a big-endian machine",
        path,
        "Save it again on a machine of the usual kind.",
    )
