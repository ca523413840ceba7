"""``googlenet inspect``: the paper's table for a variant or a model."""

from __future__ import annotations

import os
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App

from googlenet.cli.console import (
    aligned,
    markdown_table,
    stacked,
    write_document,
    write_result,
)
from googlenet.cli.convert import report_lines

if TYPE_CHECKING:
    from googlenet.architecture.spec import GoogLeNetSpec
    from googlenet.architecture.table import Table, TableRow
    from googlenet.weights.convert import ForeignModel
    from googlenet.weights.model_config import ModelConfig

SCHEMA = "googlenet.inspect/1"

EXAMPLES = """\
Examples:
  googlenet inspect                          # the default variant, bn
  googlenet inspect paper --size 224
  googlenet inspect caffe --format markdown > table.md
  googlenet inspect runs/photos/best --json
  googlenet inspect bvlc_googlenet.caffemodel
  googlenet inspect --diff caffe torchvision
  googlenet inspect --names
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
    names: bool = False,
    diff: tuple[str, str] | None = None,
    size: int | None = None,
    format: Literal["text", "markdown", "json"] = "text",
    json: bool = False,
) -> int:
    """Show shapes, parameters and cost of a variant or a model, as in the paper's Table 1.

    Multiply-adds are those of convolutions and linear layers for one image; "field" is the side,
    in input pixels, of what one output value can see. Of another tool's weights file it first says
    what it is, what was guessed of it, and what would be left out.

    Args:
        model: Variant (bn, paper, caffe, torchvision, slim, inception5h, ...), model directory or
            another tool's weights file [default: bn].
        names: Show what each tool calls the layers, activations and parameters.
        diff: Two variants, models or files: show what they disagree on.
        size: Side of the input in pixels [default: 224, or the model's own].
        format: How to write the table [default: text].
        json: The same as --format json.
    """
    chosen = "json" if json else format
    if names:
        from googlenet.cli.names import show_names

        return show_names(chosen)
    if diff is not None:
        return _show_differences(diff, chosen)
    from googlenet.architecture.table import table

    seen = _look(model)
    own = 224 if seen.config is None else seen.config.preprocessing.size
    drawn = table(seen.spec, own if size is None else size)
    if chosen == "json":
        write_document(to_json(drawn, seen.config, seen.foreign))
    elif chosen == "markdown":
        told = (
            [] if seen.foreign is None else [f"    {each}" for each in report_lines(seen.foreign)]
        )
        write_result("\n".join([*map(_visible, told), *([""] if told else []), _markdown(drawn)]))
    else:
        report = [] if seen.foreign is None else [*report_lines(seen.foreign), ""]
        write_result("\n".join([*map(_visible, report), _text(drawn, seen.config)]))
    return 0


@dataclass(frozen=True)
class _Seen:
    """Hold what a word on the command line stands for."""

    spec: GoogLeNetSpec
    config: ModelConfig | None = None
    foreign: ForeignModel | None = None


def _look(model: str) -> _Seen:
    """Find a variant, a model directory or another tool's file; a variant's name comes first."""
    from googlenet.architecture.variants import VARIANTS, variant
    from googlenet.weights.opening import is_model_directory, read_foreign
    from googlenet.weights.published import PUBLISHED

    # A directory of a variant's name is reached as ./NAME.
    if model in VARIANTS or not (_is_path(model) or model in PUBLISHED):
        return _Seen(variant(model))
    if is_model_directory(model):
        from googlenet.weights.model_config import read_config

        config = read_config(model)
        return _Seen(config.spec, config)
    foreign = read_foreign(model)
    return _Seen(foreign.config.spec, foreign.config, foreign)


def _is_path(name: str) -> bool:
    from googlenet.weights.opening import SUFFIXES

    return (
        os.path.lexists(name)
        or os.path.lexists(f"{name}.index")
        or bool({"/", os.sep} & set(name))
        or Path(name).suffix in SUFFIXES
    )


def _show_differences(pair: tuple[str, str], chosen: str) -> int:
    from googlenet.architecture.difference import differences

    first, second = pair
    found = differences(_look(first).spec, _look(second).spec)
    if chosen == "json":
        write_document(
            {
                "schema": "googlenet.diff/1",
                "first": first,
                "second": second,
                "differences": [asdict(each) for each in found],
            }
        )
    elif not found:
        write_result(f"{first} and {second} are the same network")
    else:
        rows = [("", first, second), *((each.fact, each.first, each.second) for each in found)]
        write_result(markdown_table(rows) if chosen == "markdown" else stacked(rows))
    return 0


def to_json(
    drawn: Table, config: ModelConfig | None, foreign: ForeignModel | None
) -> dict[str, Any]:
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
    if foreign is not None:
        document["found"] = list(foreign.found)
        document["guessed"] = list(foreign.guessed)
        document["left_out"] = list(foreign.dropped)
    return document


def _text(drawn: Table, config: ModelConfig | None) -> str:
    spec = drawn.spec
    classes = f"{spec.num_classes} classes"
    lines = [
        f"GoogLeNet {spec.variant}, {classes}, input {drawn.size}x{drawn.size} "
        f"(smallest {drawn.smallest_size}x{drawn.smallest_size})"
    ]
    if config is not None:
        shown = (config.titles.get(each, each).partition(",")[0] for each in config.classes[:10])
        names = ", ".join(shown)
        more = ", ..." if len(config.classes) > 10 else ""
        lines.append(f"classes: {names}{more}; weights: {config.weights}")
    lines += ["", *aligned([HEADINGS, *_cells(drawn)]), "", *_totals(drawn)]
    if spec.source:
        lines += ["", f"source: {spec.source}"]
    lines += [f"  - {difference}" for difference in spec.differences]
    return "\n".join(map(_visible, lines))


def _visible(line: str) -> str:
    from googlenet.names import visible

    return visible(line)  # a stranger may have written the model


def _markdown(drawn: Table) -> str:
    table = markdown_table([HEADINGS, *_cells(drawn)], numbers=True)
    return "\n".join([table, "", *(f"{total}  " for total in _totals(drawn))])


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
