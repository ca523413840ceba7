"""Caffe's binary files byte by byte, from the field numbers of caffe.proto, without our schema."""

from __future__ import annotations

import struct

import numpy as np

CONVOLUTION, DROPOUT, INNER_PRODUCT, LRN, POOLING, RELU = 4, 6, 14, 15, 17, 18


def varint(number: int) -> bytes:
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def message(field: int, payload: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def single(field: int, value: float) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<f", value)


def blob(values: np.ndarray, *, legacy: bool = False, dims: tuple[int, ...] | None = None) -> bytes:
    """A BlobProto; the older generation fills four axes from the front, (1, 1, out, in)."""
    dims = values.shape if dims is None else dims
    if legacy:
        dims = (1,) * (4 - len(dims)) + tuple(dims)
        shape = b"".join(number(field, size) for field, size in enumerate(dims, start=1))
    else:
        shape = message(7, message(1, b"".join(map(varint, dims))))
    double = values.dtype == np.float64
    data = values.astype("<f8" if double else "<f4").tobytes()
    return shape + message(8 if double else 5, data)


def layer(name: str, kind: str, *blobs: bytes, settings: bytes = b"") -> bytes:
    """NetParameter.layer with a LayerParameter in it."""
    body = message(1, name.encode()) + message(2, kind.encode())
    return message(100, body + b"".join(message(7, each) for each in blobs) + settings)


def legacy_layer(name: str, kind: int, *blobs: bytes, settings: bytes = b"") -> bytes:
    """NetParameter.layers with a V1LayerParameter in it."""
    body = message(4, name.encode()) + number(5, kind)
    return message(2, body + b"".join(message(6, each) for each in blobs) + settings)


def linked(bottom: str, top: str, *, legacy: bool = False) -> bytes:
    """The fields that link a layer to others."""
    first = 2 if legacy else 3
    return message(first, bottom.encode()) + message(first + 1, top.encode())


class Chain:
    """Layers one behind the other, each with the name of what it gives.

    Attributes:
        top: What the last one gives.
        layers: Their bytes.
    """

    def __init__(self, bottom: str) -> None:
        self.top = bottom
        self.layers: list[bytes] = []

    def add(self, name: str, kind: str, *arrays: np.ndarray, settings: bytes = b"") -> None:
        links = linked(self.top, name)
        self.layers.append(layer(name, kind, *map(blob, arrays), settings=links + settings))
        self.top = name
