"""File and class names as data: what a terminal, a spreadsheet or a page may not act on."""

from __future__ import annotations

import unicodedata

# Spreadsheets run a cell that begins so as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@")

# Both join letters in honest names (Persian, Hindi, emoji), so they stay as they are.
_JOINERS = "\u200c\u200d"


def visible(name: str) -> str:
    r"""Return a name with all that acts or hides replaced by its escape: a newline shows as ``\n``.

    Escaped are control characters, line separators, lone surrogates (a file name that is not UTF-8)
    and invisible format characters, among them those that turn the direction of writing.
    """
    return "".join(map(_visible_character, name))


def encodable(name: str) -> str:
    r"""Return a name that UTF-8 can hold: a byte that is no text shows as ``\udce9``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def csv_cell(name: str) -> str:
    """Return a name for a CSV file, with an apostrophe before what a spreadsheet would run."""
    name = encodable(name)
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name


def _visible_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and character not in _JOINERS):
        # ascii() knows the short forms; its quotes are not wanted.
        return ascii(character)[1:-1]
    return character
