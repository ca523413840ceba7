"""Protocol-buffer messages from tables of field numbers, so that no tool's own schema is needed.

A number and a type for each field is all that the wire format knows. Fields that a table leaves out
are skipped when a message is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from googlenet.weights.formats.contents import damaged
from googlenet.weights.formats.varint import read_varint

# Field name to its number and type. A type is a scalar's name, a message's or enumeration's name in
# the same table, and ends in "*" where the field is repeated, in "[]" where it is packed.
Fields = Mapping[str, tuple[int, str]]
# Name to number.
Enumeration = Mapping[str, int]

# A field of two bytes may be a message of fifty in memory. A frozen graph of 3,000 nodes has some
# 150,000 fields; packed numbers are one.
_MOST_FIELDS = 250_000
# How a field's value is kept: as a number, as bytes after their count, or as so many bytes.
_NUMBER, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}

_SCALARS = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "fixed32": FieldDescriptorProto.TYPE_FIXED32,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    # Text is read as bytes too: the files of strangers hold what is no UTF-8.
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}


def message_types(
    package: str,
    messages: Mapping[str, Fields],
    enumerations: Mapping[str, Enumeration] | None = None,
) -> dict[str, Any]:
    """Make message classes.

    A packed field of numbers may be declared as ``bytes*``: each run of numbers is then one value,
    and NumPy reads it without making a Python object of every number.

    Args:
        package: A name that keeps these apart from others.
        messages: The fields of each message.
        enumerations: The values of each enumeration.

    Returns:
        The class of each message, by its name.
    """
    enumerations = enumerations or {}
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, values in enumerations.items():
        described = file.enum_type.add(name=name)
        for value, number in values.items():
            # Values share the file's scope, so two enumerations may not both call one MAX.
            described.value.add(name=value, number=number)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field_name, (number, type_name) in fields.items():
            _add_field(message, package, field_name, number, type_name, enumerations)
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages
    }


def parse(message_type: Any, data: bytes, path: str | os.PathLike[str], kind: str) -> Any:
    """Read a message.

    Raises:
        ModelError: The bytes are no such message, or one of more fields than any of weights.
    """
    _check_count(message_type.DESCRIPTOR, data, path, kind)
    try:
        return message_type.FromString(data)
    except DecodeError as error:
        raise damaged(path, kind, f"it is no protocol buffer ({error})") from error


def _check_count(descriptor: Any, data: bytes, path: str | os.PathLike[str], kind: str) -> None:
    """Count a message's fields, and those of the messages in it, before any is made.

    What is wrong otherwise is left to who reads the message.
    """
    left = _MOST_FIELDS
    pending = [(descriptor, 0, len(data))]
    while pending:
        descriptor, position, end = pending.pop()
        inner = _inner_messages(descriptor)
        while position < end:
            left -= 1
            if left < 0:
                raise damaged(path, kind, f"it has more than {_MOST_FIELDS:,} fields")
            found = read_varint(data, position)
            if found is None:
                break
            tag, position = found
            if tag & 7 in _FIXED:
                position += _FIXED[tag & 7]
            elif tag & 7 in (_NUMBER, _BYTES):
                found = read_varint(data, position)
                if found is None:
                    break
                value, position = found
                if tag & 7 == _BYTES:
                    if value and tag >> 3 in inner:
                        pending.append((inner[tag >> 3], position, min(position + value, end)))
                    position += value


@cache
def _inner_messages(descriptor: Any) -> dict[int, Any]:
    return {
        field.number: field.message_type
        for field in descriptor.fields
        if field.message_type is not None
    }


def _add_field(
    message: Any,
    package: str,
    name: str,
    number: int,
    type_name: str,
    enumerations: Mapping[str, Enumeration],
) -> None:
    base = type_name.removesuffix("[]").removesuffix("*")
    repeated = base != type_name
    field = message.field.add(
        name=name,
        number=number,
        label=(
            FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        ),
    )
    if base in _SCALARS:
        field.type = _SCALARS[base]
    else:
        field.type = (
            FieldDescriptorProto.TYPE_ENUM
            if base in enumerations
            else FieldDescriptorProto.TYPE_MESSAGE
        )
        field.type_name = f".{package}.{base}"
    if type_name.endswith("[]"):
        field.options.packed = True
