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
from googlenet.weights.formats.contents import WeightsFile, damaged, read_bytes, some
from googlenet.weights.formats.half_precision import widened
from googlenet.weights.formats.inert_pickle import Call, Name, Reference, read_pickle
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
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_PARAMETER = "torch._utils._rebuild_parameter"
# What checkpoints of weights and training have in them; none of it is called.
_ALLOWED = frozenset(
    (
        "collections.OrderedDict",
        *_TENSORS,
        _PARAMETER,
        *(f"{module}.{name}" for module in ("torch", "torch.cuda") for name in _DTYPES),
        *(f"torch.{name}" for name in ("Size", "device", "float32", "float64", "float16", "int64")),
        "argparse.Namespace",
        "_codecs.encode",
        "numpy.dtype",
        *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
    )
)

# Where training scripts keep the weights in a checkpoint.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
# A checkpoint in a checkpoint in a checkpoint.
_MOST_WRAPPERS = 3
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

    Returns:
        The tensors under their own names (``inception3a.branch1.conv.weight``) and in PyTorch's
        layout (kernels out, in, H, W; linear layers out, in): floating-point, of which half
        precision and bfloat16 become float32, or integers. All else is left out.

    Raises:
        ModelError: The file is damaged, a TorchScript archive, quantized, or its pickle names
            anything that weights do not need; nothing that it names is run.
    """
    path = Path(path)
    data = read_bytes(path)
    value, storages = _read_zip(data, path) if data.startswith(_ZIP) else _read_stream(data, path)
    state, notes = _state_dict(value, path)
    reader = _TensorReader(storages, path, _MOST_SHARED * len(data))
    arrays: dict[str, NDArray[Any]] = {}
    others = []
    for key, entry in state.items():
        name = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
        if _is_tensor(entry):
            arrays[name] = reader.array(entry, name)
        else:
            others.append(name)
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
    pickle = read_pickle(BytesIO(members.read(f"{root}data.pkl")), _ALLOWED, path)
    start = f"{root}data/"
    return pickle.value, {
        name.removeprefix(start): memoryview(members.read(name))
        for name in members.names
        if name.startswith(start)
    }


def _read_stream(data: bytes, path: Path) -> tuple[Any, Storages]:
    """Read pickles one after the other, with the storages behind them."""
    stream = BytesIO(data)
    beginning = [read_pickle(stream, (), path).value for _ in range(2)]
    if beginning != [_MAGIC, _PROTOCOL]:
        raise damaged(path, _KIND, "it does not begin as a file of torch.save")
    system = read_pickle(stream, (), path).value
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _big_endian(path)
    pickle = read_pickle(stream, _ALLOWED, path)
    keys = read_pickle(stream, (), path).value
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
        length = count * _DTYPES[described[key].kind].itemsize
        position += _COUNT
        if key in storages or length > len(data) - position:
            raise damaged(path, _KIND, f"storage {key} lies beyond its end")
        storages[key] = memoryview(data)[position : position + length]
        position += length
    return pickle.value, storages


def _storage(reference: Any, path: Path) -> _Storage:
    match reference:
        case ("storage", Name(name=kind), str(key), _, int(size), *view) if kind in _DTYPES:
            match view:
                case [] | [None] if size in _NUMBERS:
                    return _Storage(key, kind, size, 0)
                case [(_, int(offset), int())] if size in _NUMBERS and offset in _NUMBERS:
                    return _Storage(key, kind, size, offset)
    raise damaged(path, _KIND, "its pickle refers to no storage")


def _state_dict(value: Any, path: Path) -> tuple[dict[str | bytes, Any], list[str]]:
    """Find the tensors by name in what was saved."""
    left: list[str] = []
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(value, dict):
            break
        if any(map(_is_tensor, value.values())):
            return value, [f"Left out {some(left)}: beside the weights."] if left else []
        inner = next((key for key in _WRAPPERS if isinstance(value.get(key), dict)), None)
        left += [str(key) for key in value if key != inner]
        value = value.get(inner)
    raise ModelError(
        "PyTorch file holds no tensors by name",
        path,
        "Give a file of torch.save(model.state_dict(), FILE).",
    )


def _is_tensor(value: Any) -> bool:
    return (
        isinstance(value, Call)
        and isinstance(value.function, Name)
        and str(value.function) in (*_TENSORS, _PARAMETER)
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
            case Call(arguments=(Call() as inner, *_)):  # a parameter holds a tensor
                tensor = inner
        match tensor:
            case Call(Name(), (Reference(key), int(first), tuple(shape), tuple(strides), *_)):
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
            dtype = _DTYPES[storage.kind]
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
