"""Names of any tool, understood: an activation or a parameter by whatever name a user knows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from googlenet.architecture.dialect import Dialect
from googlenet.architecture.dialect_table import DIALECTS
from googlenet.errors import UsageError

__all__ = ["DIALECTS", "Dialect", "bare_name", "find_endpoint", "find_parameter"]


def find_endpoint(name: str) -> str | None:
    """Return our name of an activation, or None where no dialect knows it.

    Args:
        name: In any dialect; ``DIALECT:NAME`` where two mean different things by it. Our own names
            come first.

    Raises:
        UsageError: The name means different activations in different dialects.
    """
    return _find(name, {dialect: each.endpoints for dialect, each in DIALECTS.items()})


def find_parameter(name: str) -> str | None:
    """Return our name of a parameter, or None where no dialect knows it.

    Args:
        name: In any dialect; ``DIALECT:NAME`` where two mean different things by it. Our own names
            come first.

    Raises:
        UsageError: The name means different parameters in different dialects.
    """
    return _find(name, {dialect: each.parameters for dialect, each in DIALECTS.items()})


def _find(name: str, tables: Mapping[str, Mapping[str, str]]) -> str | None:
    dialect, colon, rest = name.partition(":")
    if colon and dialect in tables and rest:
        return tables[dialect].get(rest) or tables[dialect].get(bare_name(rest))
    if name in tables["torchvision"]:
        return tables["torchvision"][name]
    for written in (name, bare_name(name)):
        meanings = {
            dialect: table[written] for dialect, table in tables.items() if written in table
        }
        if len(set(meanings.values())) > 1:
            choices = ", ".join(f"{each}:{written} ({ours})" for each, ours in meanings.items())
            raise UsageError(
                f"the name {name!r} means different things", None, f"Say which: {choices}"
            )
        if meanings:
            return next(iter(meanings.values()))
    return None


def bare_name(name: str) -> str:
    """Take off what TensorFlow puts around a name: scope, last operation, number of the output.

    ``InceptionV1/InceptionV1/Mixed_4b/concat:0`` is ``Mixed_4b``.
    """
    name = re.sub(r"^(import/)?(InceptionV1/)*(Logits/(?=Predictions))?", "", name)
    return re.sub(r"(/(concat|Relu|MaxPool|AvgPool|BiasAdd))?(:0)?$", "", name)
