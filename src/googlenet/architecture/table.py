"""The paper's Table 1 for any spec: a row a block, with its shape, widths and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from googlenet.architecture.cost import Layer, heads_fit, layers, smallest_input
from googlenet.architecture.spec import AUX_PLACES, GoogLeNetSpec, InceptionWidths

# Table 1 gives the stem's second and third convolution one row.
_ONE_ROW = {"conv2": "conv3"}


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """Hold one row of the table.

    Attributes:
        name: The block, such as ``inception3a``.
        type: What it computes, in the paper's words.
        patch: Side of the window, or None where there is none, or none alone.
        stride: Step of the window, or None.
        height: Rows that come out.
        width: Columns that come out.
        channels: Channels that come out.
        depth: Layers with weights, one after the other.
        widths: The six widths of an inception module; the stem's reduction has two of them.
        parameters: Learned numbers.
        multiply_adds: Of convolutions and linear layers, for one image.
        receptive_field: Side, in input pixels, of what one output value can see.
    """

    name: str
    type: str
    patch: int | None
    stride: int | None
    height: int
    width: int
    channels: int
    depth: int
    widths: InceptionWidths | None
    parameters: int
    multiply_adds: int
    receptive_field: int

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values; of the widths, those that the block has."""
        row = asdict(self)
        if row["widths"] is not None:
            row["widths"] = {name: width for name, width in row["widths"].items() if width}
        return row


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Hold the cost of a whole network: learned numbers, and multiply-adds for one image."""

    parameters: int
    multiply_adds: int


@dataclass(frozen=True, kw_only=True)
class Table:
    """Hold the table of a network at one input size.

    Attributes:
        spec: The network.
        size: Side of the input in pixels.
        smallest_size: Side of the smallest input that the network takes.
        rows: The main path, top to bottom.
        head_rows: The auxiliary heads, where the spec has them and this input fits them.
        without_heads: Cost of the main path.
        with_heads: Cost with the heads, or None where ``head_rows`` is empty.
    """

    spec: GoogLeNetSpec
    size: int
    smallest_size: int
    rows: tuple[TableRow, ...]
    head_rows: tuple[TableRow, ...]
    without_heads: Totals
    with_heads: Totals | None


def table(spec: GoogLeNetSpec, size: int = 224) -> Table:
    """Draw up the table of a spec.

    Args:
        spec: The network.
        size: Side of the square input in pixels.

    Raises:
        InputSizeError: The input is too small for the network.
    """
    heads = spec.aux is not None and heads_fit(spec, size, size)
    blocks = {
        name: list(group) for name, group in groupby(layers(spec, size, heads=heads), key=_block)
    }
    head_rows = tuple(_row(spec, name, blocks.pop(name)) for name in AUX_PLACES if name in blocks)
    rows: list[TableRow] = []
    for name, block in blocks.items():
        if name == "fc":
            rows.append(_like(rows[-1], "dropout", f"dropout ({spec.dropout:.0%})"))
        rows.append(_row(spec, name, block))
    rows.append(_like(rows[-1], "softmax", "softmax"))
    return Table(
        spec=spec,
        size=size,
        smallest_size=smallest_input(spec),
        rows=tuple(rows),
        head_rows=head_rows,
        without_heads=_totals(rows),
        with_heads=_totals([*rows, *head_rows]) if head_rows else None,
    )


def _block(layer: Layer) -> str:
    return _ONE_ROW.get(layer.block, layer.block)


def _row(spec: GoogLeNetSpec, name: str, block: Sequence[Layer]) -> TableRow:
    last = block[-1]
    lone = last if name.startswith(("conv", "maxpool", "avgpool")) else None
    return TableRow(
        name=name,
        type=_type(name, last),
        patch=lone.kernel if lone else None,
        stride=lone.stride if lone else None,
        height=last.out_height,
        width=last.out_width,
        channels=last.out_channels,
        depth=_depth(name, block),
        widths=_widths(spec, name),
        parameters=sum(layer.parameters for layer in block),
        multiply_adds=sum(layer.multiply_adds for layer in block),
        receptive_field=max(layer.receptive_field for layer in block),
    )


def _like(above: TableRow, name: str, kind: str) -> TableRow:
    """Make the row of a step that has no weights and leaves the shape as it is."""
    return TableRow(
        name=name,
        type=kind,
        patch=None,
        stride=None,
        height=above.height,
        width=above.width,
        channels=above.channels,
        depth=0,
        widths=None,
        parameters=0,
        multiply_adds=0,
        receptive_field=above.receptive_field,
    )


def _type(name: str, last: Layer) -> str:
    if name.startswith("inception"):
        return f"inception ({name.removeprefix('inception')})"
    if name in AUX_PLACES:
        return f"auxiliary head {name[-1]} (on {AUX_PLACES[name]})"
    names = {"lrn": "local response norm", "average pool": "avg pool"}
    return names.get(last.kind, last.kind)


def _depth(name: str, block: Sequence[Layer]) -> int:
    """Count layers with weights along the longest path; a module's branches lie side by side."""
    if name.startswith("inception"):
        return 2
    return sum(layer.parameters > 0 for layer in block)


def _widths(spec: GoogLeNetSpec, name: str) -> InceptionWidths | None:
    if name.startswith("inception"):
        return spec.inception[name.removeprefix("inception")]
    if name == "conv3":
        return InceptionWidths(0, spec.stem[1], spec.stem[2], 0, 0, 0)
    return None


def _totals(rows: Sequence[TableRow]) -> Totals:
    return Totals(
        parameters=sum(row.parameters for row in rows),
        multiply_adds=sum(row.multiply_adds for row in rows),
    )
