"""Where a verb writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def progress_console() -> Console:
    """Return the console for progress and notes, on standard error; a bar only on a terminal."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    # Sentences run on in a log; only a terminal has an edge to break them at.
    return Console(stderr=True, no_color=plain, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def progress_bar(work: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal while inside the ``with`` block, and nothing elsewhere.

    Args:
        work: What is being done.
        unit: What is counted.

    Returns:
        A function to tell how many are done, of how many.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = progress_console()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed}}/{{task.total}} {unit}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task(work, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def note(text: str) -> None:
    """Say something about the work on standard error."""
    from googlenet.names import visible

    print(visible(text), file=sys.stderr)


def write_result(text: str) -> None:
    """Write results to standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def write_document(document: Mapping[str, Any]) -> None:
    """Write one JSON document to standard output."""
    write_result(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def aligned(rows: Sequence[Sequence[str]], *, numbers: bool = True) -> list[str]:
    """Set cells in columns; ``numbers`` sets all but the first column to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if numbers and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


# A table that is wider than this is broken by most terminals.
_WIDEST = 120


def stacked(rows: Sequence[Sequence[str]]) -> str:
    """Set three columns, or, where they are wide, each row's second and third cell in two lines."""
    lines = aligned(rows, numbers=False)
    if max(map(len, lines)) <= _WIDEST:
        return "\n".join(lines)
    _, first, second = rows[0]
    width = max(len(first), len(second))
    blocks = [
        f"{fact}\n  {first:<{width}}  {one}\n  {second:<{width}}  {two}"
        for fact, one, two in rows[1:]
    ]
    return "\n".join(blocks)


def markdown_table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Write a table in Markdown; ``numbers`` sets all but the first column to the right."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rule = line(["---", *["---:" if numbers else "---"] * (len(rows[0]) - 1)])
    return "\n".join([line(rows[0]), rule, *(line(cells) for cells in rows[1:])])
