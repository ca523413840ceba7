"""How the report spells names and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = "–"


def percent(share: float | None) -> str:
    """Spell a share in [0, 1] as a percentage with one decimal."""
    return UNKNOWN if share is None else f"{100 * share:.1f}%"


def whole_percent(share: float) -> str:
    """Spell a share in [0, 1] in the two or three characters that a matrix cell has room for."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def decimal(number: float | None, digits: int = 3) -> str:
    """Spell a number with a fixed count of decimals, or in powers of ten where it is huge."""
    if number is None:
        return UNKNOWN
    return f"{number:.{digits}f}" if abs(number) < 1e6 else f"{number:.{digits}g}"


def significant(number: float | None, digits: int = 3) -> str:
    """Spell a number with a count of significant digits: learning rates, images per second."""
    if number is None:
        return UNKNOWN
    if 10 ** (digits - 1) <= abs(number) < 1e6:
        return f"{number:,.0f}"
    return f"{number:.{digits}g}"


def count(number: int | None) -> str:
    """Spell a whole number with commas between thousands."""
    return UNKNOWN if number is None else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Spell a count with its noun: ``1 image``, ``2,624 images``, ``3 classes``."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def duration(seconds: float | None) -> str:
    """Spell a time in seconds with its two largest units."""
    if seconds is None:
        return UNKNOWN
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def setting(value: Any) -> str:
    """Spell the value of a setting; a long list is cut, with the count of what was left out."""
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case str():
            return value or "(empty)"
        case Mapping():
            return _listed([f"{key}: {setting(item)}" for key, item in value.items()])
        case Sequence():
            return _listed([setting(item) for item in value])
        case _:
            return str(value)


def _listed(items: list[str], most: int = 12) -> str:
    if not items:
        return "none"
    left_out = len(items) - most
    return ", ".join(items[:most]) + (f" and {left_out} more" if left_out > 0 else "")


def setting_groups(
    settings: Mapping[str, Any], caption: str = ""
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Spell nested settings as groups of (caption, rows of name and value), in their own order."""
    rows: list[tuple[str, str]] = []
    inner: list[tuple[str, list[tuple[str, str]]]] = []
    for key, value in settings.items():
        name = key.replace("_", " ")
        if isinstance(value, Mapping) and value:
            inner += setting_groups(value, f"{caption} › {name}" if caption else name)
        else:
            rows.append((name, setting(value)))
    return [(caption, rows), *inner] if rows else inner
