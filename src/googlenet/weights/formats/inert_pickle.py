"""What a pickle describes, without doing what it says.

A pickle is a program. Here its instructions build dictionaries, lists, tuples, text and numbers;
where they would call something, there is a record of the call. Nothing is imported or called, so
that no pickle can run anything. What would call more than training scripts save is refused all the
same: such a file was made to run code, or needs code that only its maker has.

Source: Python's Lib/pickletools.py, which describes every instruction.
"""

from __future__ import annotations

import os
import pickletools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import damaged

# A training checkpoint of a GoogLeNet has some 50,000; each may take a hundred bytes of memory.
_MOST_INSTRUCTIONS = 250_000
# Longer ones are none that is known, and would fill the screen.
_LONGEST_NAME = 200

_KIND = "PyTorch"

# What scripts save beside weights, as Python 3 and 2 name it: containers, arguments, times, states
# of random numbers. Of modules that can do more, only what holds data is here.
_HARMLESS = frozenset(
    f"{module}.{name}"
    for modules, names in {
        "builtins __builtin__": "set frozenset list dict tuple object int long float complex bool "
        "str unicode bytes bytearray slice range xrange",
        "collections": "OrderedDict Counter defaultdict deque ChainMap UserDict",
        "argparse": "Namespace",
        "types": "SimpleNamespace",
        "datetime": "date datetime time timedelta timezone",
        "pathlib pathlib._local": "Path PosixPath WindowsPath PurePath PurePosixPath "
        "PureWindowsPath",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "uuid": "UUID",
        "_codecs": "encode",
        "numpy": "dtype",
        "numpy.core.multiarray numpy._core.multiarray": "_reconstruct scalar",
        "numpy.core.numeric numpy._core.numeric": "_frombuffer",
        "torch": "Size device",
        "torch.serialization": "_get_layout",
        "torch.torch_version": "TorchVersion",
        "pytorch_lightning.utilities.parsing lightning.pytorch.utilities.parsing "
        "lightning_fabric.utilities.data lightning.fabric.utilities.data": "AttributeDict",
        "easydict": "EasyDict",
        "addict.addict": "Dict",
        "munch": "Munch",
        "yacs.config": "CfgNode",
    }.items()
    for module in modules.split()
    for name in names.split()
)
# Packages and modules of classes that hold data: tensors, layers, optimizers, settings.
_HARMLESS_PACKAGES = frozenset(
    ("torch._utils", "torch._tensor", "torch.nn", "torch.optim", "numpy.random", "omegaconf")
)
# What says nothing of a value: it is in all files, or is how Python writes plain values.
_PLAIN_PACKAGES = ("torch", "numpy")
_PLAIN_MODULES = ("builtins", "__builtin__", "_codecs")

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# Instructions that carry what they push.
_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
    )
)
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = ("PROTO", "FRAME")


@dataclass(frozen=True)
class Name:
    """Hold the name of something that a pickle would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """Hold what a pickle would call, and with what; also for objects that it would make.

    Attributes:
        function: What would be called.
        arguments: With what; a tuple, unless the pickle is odd.
        given: What the result would be given afterwards: items, keys and values, a state.
    """

    function: Name
    arguments: Any
    given: list[Any] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Reference:
    """Hold what stands for a value that is kept outside the pickle."""

    key: Any


@dataclass(frozen=True)
class Pickle:
    """Hold what a pickle describes.

    Attributes:
        value: Dictionaries (ordered ones are plain), lists (for sets too), tuples, text, bytes,
            numbers, None, and ``Name``, ``Call`` and ``Reference``. Dictionaries have only the keys
            that are text or bytes. It may hold itself.
        references: The key of each reference, in the order of the pickle.
    """

    value: Any
    references: list[Any]


_ORDERED = Name("collections", "OrderedDict")


def read_pickle(stream: BytesIO, path: str | os.PathLike[str]) -> Pickle:
    """Read a pickle from where a stream is to the pickle's end.

    Args:
        stream: Bytes that begin with a pickle.
        path: Where it is from, for messages.

    Raises:
        ModelError: It is damaged, or would call what no script saves beside weights.
    """
    machine = _Machine(path)
    try:
        # Text in a pickle may have escapes that Python is about to forbid.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for count, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
                if count > _MOST_INSTRUCTIONS:
                    raise damaged(path, _KIND, "its pickle has too many instructions")
                if instruction.name == "STOP":
                    return Pickle(machine.stack.pop(), machine.references)
                machine.step(instruction.name, argument)
    # What wrong instructions lead to: too few values, values of another type, no such key.
    except (
        *(ValueError, IndexError, KeyError, TypeError, AttributeError),
        *(OverflowError, RecursionError),
    ) as error:
        raise damaged(path, _KIND, f"its pickle is broken ({error})") from error
    raise damaged(path, _KIND, "its pickle does not end")


def names_in(value: Any, seen: set[int]) -> Iterator[Name]:
    """Give the names within a value of a pickle.

    Args:
        value: It may hold itself.
        seen: What was looked through already, by identity; the value's parts are added.
    """
    left = [value]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        match each:
            case Name():
                yield each
            case Call():
                left += (each.given, each.arguments, each.function)
            case dict():
                left += each.values()
            case list() | tuple():
                left += each


def is_plain(name: Name) -> bool:
    """Tell whether a name is so common in files of PyTorch that it says nothing."""
    if name.module in _PLAIN_MODULES:
        return _is_harmless(name)
    return name == _ORDERED or name.module.partition(".")[0] in _PLAIN_PACKAGES


def is_quantized(name: Name) -> bool:
    """Tell whether a name is of PyTorch's quantization."""
    return "quantized" in name.module or name.name.startswith(("_rebuild_qtensor", "QInt", "QUInt"))


class _Machine:
    """Follow one pickle's instructions."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.references: list[Any] = []
        self.copied = 0

    def step(self, instruction: str, argument: Any) -> None:
        """Follow one instruction."""
        stack = self.stack
        match instruction:
            case "MARK":
                self.marks.append(len(stack))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "FROZENSET" | "LIST":
                stack.append(self._to_mark())
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "DICT":
                values = self._to_mark()
                stack.append({})
                self._set(values)
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._to_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._to_mark())
            case "GLOBAL":
                self._name(*argument.split(" ", 1))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                self._name(module, name)
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self._call(function, arguments))
            case "NEWOBJ_EX":
                named, arguments, function = stack.pop(), stack.pop(), stack.pop()
                stack.append(self._call(function, arguments))
                self._give([named])
            case "BUILD":
                self._give([stack.pop()])
            case "BINPERSID":
                self._refer(stack.pop())
            case "POP":
                stack.pop()
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case name if name in _LITERALS:
                stack.append(argument)
            case name if name in _TUPLES:
                first = len(stack) - _TUPLES[name]
                if first < 0:
                    raise IndexError("too few values for a tuple")
                stack[first:] = [tuple(stack[first:])]
            case name if name not in _IGNORED:
                raise ValueError(f"instruction {name}")

    def _to_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _extend(self, values: list[Any]) -> None:
        match self.stack[-1]:
            case list(target) | Call(given=target):
                target.extend(values)
            case _:
                raise TypeError("only a list is appended to")

    def _set(self, values: list[Any]) -> None:
        match self.stack[-1]:
            case dict(target):
                target.update(_items(zip(values[::2], values[1::2], strict=True)))
            case Call(given=target):
                target.extend(values)
            case _:
                raise TypeError("only a dictionary has items")

    def _give(self, state: list[Any]) -> None:
        """Keep what an object is told once it is made; plain containers need none of it."""
        match self.stack[-1]:
            case Call(given=target):
                target.extend(state)
            case Name() as name if not _is_harmless(name):
                raise forbidden(name, self.path)

    def _refer(self, key: Any) -> None:
        match key:
            # Files before PyTorch 1.6 have the source text of a layer's class beside its name.
            case ("module", Name() as name, *_):
                self.stack.append(name)
            case _:
                self.references.append(key)
                self.stack.append(Reference(key))

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Name):
            raise TypeError("only what has a name is called")
        if not _is_harmless(function):
            raise forbidden(function, self.path)
        if function != _ORDERED:
            return Call(function, arguments)
        # Python 2 hands an ordered dictionary its items; Python 3 sets them afterwards.
        pairs = arguments[0] if arguments else []
        if not isinstance(pairs, list):
            raise TypeError("only a list has items")
        self.copied += len(pairs)
        if self.copied > _MOST_INSTRUCTIONS:
            raise ValueError("too many items")
        return dict(_items(pairs))

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name is text")
        self.stack.append(Name(module[:_LONGEST_NAME], name[:_LONGEST_NAME]))


def _items(pairs: Iterable[Sequence[Any]]) -> Iterator[tuple[str | bytes, Any]]:
    """Give items of a dictionary, but those whose key is neither text nor bytes."""
    for key, value in pairs:
        match key:
            # How bytes are in files of torch.save: as text of the same numbers.
            case Call(Name("_codecs", "encode"), (str(text), *_)):
                yield text, value
            # A key of another type may be hashed by all that is in it, without end.
            case str() | bytes():
                yield key, value


def _is_harmless(name: Name) -> bool:
    if str(name) in _HARMLESS:
        return True
    # A name with dots may lead out of a package: torch.nn has "modules.module.sys".
    package = ".".join(name.module.split(".", 2)[:2])
    return "." not in name.name and not _HARMLESS_PACKAGES.isdisjoint(
        (package, package.partition(".")[0])
    )


def forbidden(name: Name, path: str | os.PathLike[str]) -> ModelError:
    """Return the error for a pickle that has what no weights need."""
    if is_quantized(name):
        return ModelError(
            f"PyTorch file is of a quantized model: it has {name}",
            path,
            "Give the floating-point model that it was made from.",
        )
    return ModelError(
        f"PyTorch file carries code: it would call {name}, and nothing of it was run",
        path,
        "If you trust it, open it where it was made, and save its state_dict() alone.",
    )
