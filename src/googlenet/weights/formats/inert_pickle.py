"""What a pickle describes, without doing what it says.

A pickle is a program. Here its instructions build dictionaries, lists, tuples, text and numbers;
where they would call something, there is a record of the call. Nothing is imported or called, so
that no pickle can run anything.

Source: Python's Lib/pickletools.py, which describes every instruction.
"""

from __future__ import annotations

import os
import pickletools
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from googlenet.errors import ModelError
from googlenet.weights.formats.contents import damaged

# A training checkpoint of a GoogLeNet has some 50,000; each may take a hundred bytes of memory.
_MOST_INSTRUCTIONS = 250_000
# Longer ones are none that is allowed, and would fill the screen.
_LONGEST_NAME = 200

_KIND = "PyTorch"

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# Instructions that carry what they push.
_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
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


@dataclass(frozen=True, eq=False)
class Call:
    """Hold what a pickle would call, and with what; also for objects that it would make."""

    function: Any
    arguments: Any


@dataclass(frozen=True, eq=False)
class Reference:
    """Hold what stands for a value that is kept outside the pickle."""

    key: Any


@dataclass(frozen=True)
class Pickle:
    """Hold what a pickle describes.

    Attributes:
        value: Dictionaries (ordered ones are plain), lists (for sets too), tuples, text, bytes,
            numbers, None, and ``Name``, ``Call`` and ``Reference``. It may hold itself.
        references: The key of each reference, in the order of the pickle.
    """

    value: Any
    references: list[Any]


_ORDERED = Name("collections", "OrderedDict")


def read_pickle(stream: BytesIO, allowed: Collection[str], path: str | os.PathLike[str]) -> Pickle:
    """Read a pickle from where a stream is to the pickle's end.

    Args:
        stream: Bytes that begin with a pickle.
        allowed: The names that it may have, such as ``collections.OrderedDict``.
        path: Where it is from, for messages.

    Raises:
        ModelError: It is damaged, or has a name that is not allowed.
    """
    machine = _Machine(allowed, path)
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


class _Machine:
    """Follow one pickle's instructions."""

    def __init__(self, allowed: Collection[str], path: str | os.PathLike[str]) -> None:
        self.allowed = allowed
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
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "LIST":
                stack.append(self._to_mark())
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
            case "BUILD":
                # More that a made object is told; none that is read needs it.
                stack.pop()
            case "BINPERSID":
                self.references.append(stack.pop())
                stack.append(Reference(self.references[-1]))
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
        if not isinstance(self.stack[-1], list):
            raise TypeError("only a list is appended to")
        self.stack[-1].extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError("only a dictionary has items")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # A key of another type may be hashed by all that is in it, without end.
            if isinstance(key, (str, bytes)):
                target[key] = value

    def _call(self, function: Any, arguments: Any) -> Any:
        if function != _ORDERED:
            return Call(function, arguments)
        # Python 2 hands an ordered dictionary its items; Python 3 sets them afterwards.
        pairs = arguments[0] if arguments else []
        if not isinstance(pairs, list):
            raise TypeError("only a list has items")
        self.copied += len(pairs)
        if self.copied > _MOST_INSTRUCTIONS:
            raise ValueError("too many items")
        return {key: value for key, value in pairs if isinstance(key, (str, bytes))}

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name is text")
        found = Name(module[:_LONGEST_NAME], name[:_LONGEST_NAME])
        if str(found) not in self.allowed:
            raise forbidden(found, self.path)
        self.stack.append(found)


def forbidden(name: Name, path: str | os.PathLike[str]) -> ModelError:
    """Return the error for a pickle that names what no weights need."""
    if "quantized" in name.module or name.name.startswith(("_rebuild_qtensor", "QInt", "QUInt")):
        return ModelError(
            f"PyTorch file is of a quantized model: it has {name}",
            path,
            "Give the floating-point model that it was made from.",
        )
    return ModelError(
        f"PyTorch file holds more than weights ({name}), of which nothing was run",
        path,
        "If you trust it, open it where it was made, and save its state_dict() alone.",
    )
