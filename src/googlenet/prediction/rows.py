"""Rows of predictions, and the formats they are written in: table, CSV, JSON, NDJSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO, get_args

from googlenet.errors import UsageError
from googlenet.names import csv_cell, encodable, visible

SCHEMA = "googlenet.predict/1"

RowFormat = Literal["table", "csv", "json", "ndjson"]


@dataclass(frozen=True)
class Prediction:
    """Hold the likeliest classes of one image.

    Attributes:
        name: The file, as the caller named it; ``image N`` where the image had no name.
        labels: Classes, likeliest first.
        probabilities: Their probabilities in [0, 1].
        titles: Words to show for them, where their names are codes; empty where they are not.
    """

    name: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    titles: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.labels[0]

    @property
    def title(self) -> str:
        """Words for the likeliest class: its title, or its name where it has none."""
        return self.shown[0]

    @property
    def shown(self) -> tuple[str, ...]:
        """Words for each class: its title, or its name where it has none."""
        return tuple(
            title or label
            for title, label in zip(self.titles or self.labels, self.labels, strict=True)
        )

    @property
    def probability(self) -> float:
        """The probability of the likeliest class, in [0, 1]."""
        return self.probabilities[0]

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        top = [
            {
                "label": encodable(label),
                **({"title": encodable(title)} if self.titles else {}),
                "probability": digits(probability),
            }
            for label, title, probability in zip(
                self.labels, self.shown, self.probabilities, strict=True
            )
        ]
        return {"file": encodable(self.name), **top[0], "top": top}


@dataclass(frozen=True)
class Unreadable:
    """Hold one file that gave no pixels.

    Attributes:
        name: The file, as the caller named it.
        reason: The stable code of ``ImageError``.
        message: What happened, for people.
    """

    name: str
    reason: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        error = {"reason": self.reason, "message": encodable(self.message)}
        return {"file": encodable(self.name), "error": error}


Row = Prediction | Unreadable


def write_rows(
    rows: Iterable[Row],
    stream: TextIO,
    row_format: RowFormat,
    *,
    top_k: int = 1,
    model: str | None = None,
    titled: bool = False,
) -> int:
    """Write rows to a text stream; CSV and NDJSON as they come, the others when all are there.

    Args:
        rows: The rows, in the order to write.
        stream: Where to write.
        row_format: ``table`` for people, ``csv``, ``json`` (one document with a schema), or
            ``ndjson`` (one object a line).
        top_k: Number of classes a CSV row or a table row has room for.
        model: The model that predicted, for the JSON document.
        titled: Whether a CSV row has the classes' titles too.

    Returns:
        The number of unreadable files among the rows.

    Raises:
        UsageError: There is no such format.
    """
    counted = _Counted(rows)
    match row_format:
        case "table":
            _write_table(counted, stream, top_k)
        case "csv":
            _write_csv(counted, stream, top_k, titled)
        case "json":
            _write_document(counted, stream, model)
        case "ndjson":
            for row in counted:
                stream.write(json.dumps(row.to_json(), ensure_ascii=False) + "\n")
                stream.flush()
        case _:
            raise UsageError(
                f"there is no format {row_format!r}",
                None,
                f"Choose one of: {', '.join(get_args(RowFormat))}.",
            )
    return counted.unreadable


def digits(probability: float) -> float:
    """Return a float32 value with the nine significant digits that tell it from all others."""
    return float(f"{probability:.9g}")


@dataclass
class _Counted:
    """Pass rows on and count those that are unreadable."""

    rows: Iterable[Row]
    unreadable: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            self.unreadable += isinstance(row, Unreadable)
            yield row


def _write_csv(rows: Iterable[Row], stream: TextIO, top_k: int, titled: bool) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    names = ("label", "title", "probability") if titled else ("label", "probability")
    head = ["file", *names]
    for rank in range(2, top_k + 1):
        head += [f"{name}_{rank}" for name in names]
    writer.writerow([*head, "reason", "error"])
    for row in rows:
        cells: list[str | float] = [csv_cell(row.name)]
        if isinstance(row, Prediction):
            ranked = zip(row.labels, row.shown, row.probabilities, strict=True)
            for label, title, probability in list(ranked)[:top_k]:
                words = [csv_cell(title)] if titled else []
                cells += [csv_cell(label), *words, digits(probability)]
        cells += [""] * (len(head) - len(cells))
        cells += [row.reason, csv_cell(row.message)] if isinstance(row, Unreadable) else ["", ""]
        writer.writerow(cells)
        stream.flush()


def _write_document(rows: _Counted, stream: TextIO, model: str | None) -> None:
    listed = [row.to_json() for row in rows]
    document = {
        "schema": SCHEMA,
        "model": None if model is None else encodable(model),
        "predictions": listed,
        "unreadable": rows.unreadable,
    }
    stream.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _write_table(rows: Iterable[Row], stream: TextIO, top_k: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    # Names fold rather than lose their ends, and none is taken for markup.
    table.add_column("file", overflow="fold")
    table.add_column("prediction", overflow="fold")
    table.add_column("probability", justify="right")
    if top_k > 1:
        table.add_column("next", overflow="fold")
    for row in rows:
        name = Text(visible(row.name))
        if isinstance(row, Unreadable):
            table.add_row(name, Text(f"unreadable: {visible(row.message)}", style="red"))
            continue
        following = zip(row.shown[1:top_k], row.probabilities[1:top_k], strict=True)
        later = ", ".join(f"{visible(label)} {_percent(share)}" for label, share in following)
        cells = [name, Text(visible(row.title), style="bold"), Text(_percent(row.probability))]
        table.add_row(*cells, *([Text(later)] if top_k > 1 else []))
    console = Console(file=stream)
    if not console.is_terminal:  # a file or a pipe has no width to keep to
        console.width = 10_000
    console.print(table)


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f}%"
