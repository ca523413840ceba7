"""Numbers of seven bits a byte, as protocol buffers and sorted tables have them."""

from __future__ import annotations


def read_varint(data: bytes, position: int) -> tuple[int, int] | None:
    """Read a number.

    Returns:
        The number, and where it ends; nothing if the data ends before, or it has over ten bytes.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            return None
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return None
