"""``googlenet inspect``: the paper's table for a variant or a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App

from googlenet.cli.console import aligned, write_document, write_result

if TYPE_CHECKING:
    from googlenet.architecture.table import Table, TableRow
    from googlenet.weights.model_config import ModelConfig

SCHEMA = "googlenet.inspect/1"

EXAMPLES = """\
Examples:
  googlenet inspect                          # the default variant, bn
  googlenet inspect paper --size 224
  googlenet inspect caffe --format markdown > table.md
  googlenet inspect runs/photos/best --json
"""

HEADINGS = (
    *("type", "patch/stride", "output", "depth"),
    *("#1x1", "#3x3 reduce", "#3x3", "#5x5 reduce", "#5x5", "pool proj"),
    *("parameters", "multiply-adds", "field"),
)

app = App(name="inspect", help_epilogue=EXAMPLES)


@app.default
def inspect(
    model: str = "bn",
    *,
    size: int | None = None,
    format: Literal["text", "markdown", "json"] = "text",
    json: bool = False,
) -> int:
    """Show shapes, parameters and cost of a variant or a model, as in the paper's Table 1.

    Multiply-adds are those of convolutions and linear layers for one image; "field" is the side,
    in input pixels, of what one output value can see.

    Args:
        model: Variant (bn, paper, caffe, torchvision) or model directory [default: bn].
        size: Side of the input in pixels [default: 224, or the model's own].
        format: How to write the table [default: text].
        json: The same as --format json.
    """
    from googlenet.architecture.table import table
    from googlenet.architecture.variants import VARIANTS, variant
    from googlenet.weights.model_config import read_config

    # A directory of a variant's name is reached as ./NAME.
    config = read_config(model) if model not in VARIANTS and _is_path(model) else None
    spec = variant(model) if config is None else config.spec
    own = 224 if config is None else config.preprocessing.size
    drawn = table(spec, own if size is None else size)
    if json or format == "json":
        write_document(to_json(drawn, config))
    else:
        write_result(_markdown(drawn) if format == "markdown" else _text(drawn, config))
    return 0


def _is_path(name: str) -> bool:
    return Path(name).exists() or "/" in name or "\\" in name


def to_json(drawn: Table, config: ModelConfig | None) -> dict[str, Any]:
    """Return the table as one JSON document."""
    spec = drawn.spec
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "variant": spec.variant,
        "num_classes": spec.num_classes,
        "size": drawn.size,
        "smallest_size": drawn.smallest_size,
        "source": spec.source,
        "differences": list(spec.differences),
        "rows": [row.to_json() for row in drawn.rows],
        "head_rows": [row.to_json() for row in drawn.head_rows],
        "without_heads": asdict(drawn.without_heads),
        "with_heads": None if drawn.with_heads is None else asdict(drawn.with_heads),
    }
    if config is not None:
        document["classes"] = list(config.classes)
        document["weights"] = config.weights
        document["library_version"] = config.library_version
    return document


def _text(drawn: Table, config: ModelConfig | None) -> str:
    from googlenet.names import visible

    spec = drawn.spec
    classes = f"{spec.num_classes} classes"
    lines = [
        f"GoogLeNet {spec.variant}, {classes}, input {drawn.size}x{drawn.size} "
        f"(smallest {drawn.smallest_size}x{drawn.smallest_size})"
    ]
    if config is not None:
        names = ", ".join(config.classes[:10])
        more = ", ..." if len(config.classes) > 10 else ""
        lines.append(f"classes: {names}{more}; weights: {config.weights}")
    lines += ["", *aligned([HEADINGS, *_cells(drawn)]), "", *_totals(drawn)]
    if spec.source:
        lines += ["", f"source: {spec.source}"]
    lines += [f"  - {difference}" for difference in spec.differences]
    return "\n".join(map(visible, lines))  # a stranger may have written the model


def _markdown(drawn: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rule = line(["---", *["---:"] * (len(HEADINGS) - 1)])
    table = [line(HEADINGS), rule, *(line(cells) for cells in _cells(drawn))]
    return "\n".join([*table, "", *(f"{total}  " for total in _totals(drawn))])


def _cells(drawn: Table) -> list[tuple[str, ...]]:
    return [_row_cells(row) for row in (*drawn.rows, *drawn.head_rows)]


def _row_cells(row: TableRow) -> tuple[str, ...]:
    widths = [""] * 6 if row.widths is None else [str(each or "") for each in astuple(row.widths)]
    patch = "" if row.patch is None else f"{row.patch}x{row.patch}/{row.stride}"
    return (
        row.type,
        patch,
        f"{row.height}x{row.width}x{row.channels}",
        str(row.depth),
        *widths,
        f"{row.parameters:,}" if row.parameters else "",
        f"{row.multiply_adds:,}" if row.multiply_adds else "",
        str(row.receptive_field),
    )


def _totals(drawn: Table) -> list[str]:
    plain, heads = drawn.without_heads, drawn.with_heads
    lines = [
        f"without heads: {plain.parameters:,} parameters, {plain.multiply_adds:,} multiply-adds"
    ]
    if heads is not None:
        lines.append(
            f"with heads:    {heads.parameters:,} parameters, {heads.multiply_adds:,} multiply-adds"
        )
    elif drawn.spec.aux is not None:
        lines.append(f"the auxiliary heads cannot train on inputs of {drawn.size}x{drawn.size}")
    return lines
