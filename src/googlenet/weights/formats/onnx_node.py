"""A node of an ONNX graph, as far as what it says is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """Hold a node of a graph.

    Attributes:
        op: The operation.
        inputs: The names of what it reads.
        outputs: The names of what it gives.
        attributes: Its attributes, as messages.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def ints(self, attribute: str) -> tuple[int, ...]:
        """Read an attribute that is a list of integers."""
        value = self.attributes.get(attribute)
        return () if value is None else tuple(value.ints[:8])

    def number(self, attribute: str, default: float) -> float:
        """Read a number of float32 with the digits that it was written with."""
        value = self.attributes.get(attribute)
        return default if value is None else float(f"{value.f:.7g}")

    def integer(self, attribute: str, default: int) -> int:
        """Read a whole number."""
        value = self.attributes.get(attribute)
        return default if value is None else int(value.i)

    def text(self, attribute: str) -> str:
        """Read an attribute that is text."""
        value = self.attributes.get(attribute)
        return "" if value is None else value.s.decode("utf-8", "replace")
