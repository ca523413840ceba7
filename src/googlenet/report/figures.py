"""Where the lines, ticks and cells of the report's figures go; the templates draw them as SVG.

Drawn by hand rather than by a plotting library, so that colours follow the reader's light or dark
theme, text is the page's own, every epoch and cell has a tooltip, and no extra is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

# The drawing area in units of the SVG; one unit is about one pixel at the width of a phone.
WIDTH = 420
HEIGHT = 250
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 34

Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """Hold one measured quantity: its style's name, its label, and a value for each epoch.

    The legend tells the last value, or the highest.
    """

    style: str
    label: str
    values: Values
    tell_highest: bool = False

    @property
    def known(self) -> list[float]:
        """The values that are there."""
        return [value for value in self.values if value is not None]

    @property
    def told(self) -> float:
        """The value that the legend tells."""
        return max(self.known) if self.tell_highest else self.known[-1]


@dataclass(frozen=True)
class DrawnLine:
    """Hold a line in the units of the SVG: a path, dots for lone points, and the told value."""

    style: str
    label: str
    path: str
    dots: tuple[tuple[float, float], ...]
    told: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Hold a line chart over epochs in the units of the SVG.

    Attributes:
        description: What a reader who cannot see the figure is told.
        x_ticks: Place and label of each tick of the epoch axis.
        y_ticks: The same for the value axis.
        hovers: Left edge, width and text of each epoch's tooltip.
        mark: Place of the epoch that was kept; None where there is none.
    """

    name: str
    title: str
    description: str
    lines: tuple[DrawnLine, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    hovers: tuple[tuple[float, float, str], ...]
    mark: float | None


def line_chart(
    name: str,
    title: str,
    epochs: Sequence[int],
    lines: Sequence[Line],
    spell: Callable[[float], str],
    *,
    mark: int | None = None,
    limits: tuple[float, float] = (-math.inf, math.inf),
    from_zero: bool = False,
) -> Chart | None:
    """Lay out a chart of ``lines`` over ``epochs``; lines without a value are left out.

    Args:
        spell: How a value is written in the legend and in tooltips.
        mark: The epoch to draw an upright line at.
        limits: Values that the axis need not go beyond.
        from_zero: Whether the axis begins at 0.

    Returns:
        The chart, or None where no line has a value.
    """
    lines = [line for line in lines if line.known]
    if not lines:
        return None
    known = [value for line in lines for value in line.known] + [0.0] * from_zero
    y_ticks = _ticks(min(known), max(known), limits)
    low, high = min(min(known), y_ticks[0]), max(max(known), y_ticks[-1])
    first, last = epochs[0], epochs[-1]

    def x(epoch: float) -> float:
        share = 0.5 if last == first else (epoch - first) / (last - first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    step = (WIDTH - LEFT - RIGHT) / max(last - first, 1)
    # Tick labels are spelled with the decimals that the distance between ticks needs.
    digits = _decimals(y_ticks[1] - y_ticks[0])
    return Chart(
        name=name,
        title=title,
        description=_description(title, epochs, lines, spell),
        lines=tuple(_drawn(line, [x(epoch) for epoch in epochs], y, spell) for line in lines),
        x_ticks=tuple((x(epoch), f"{epoch:,}") for epoch in _epoch_ticks(first, last)),
        y_ticks=tuple((y(tick), _tick_label(tick, digits)) for tick in y_ticks),
        hovers=tuple(
            (round(x(epoch) - step / 2, 1), round(step, 1), _hover(lines, index, epoch, spell))
            for index, epoch in enumerate(epochs)
        ),
        mark=None if mark is None or len(epochs) == 1 else x(mark),
    )


def _drawn(
    line: Line, xs: Sequence[float], y: Callable[[float], float], spell: Callable[[float], str]
) -> DrawnLine:
    stretches: list[list[tuple[float, float]]] = [[]]
    for place, value in zip(xs, line.values, strict=True):
        if value is not None:
            stretches[-1].append((place, y(value)))
        elif stretches[-1]:
            stretches.append([])  # a missing value leaves a gap, not a bridge
    return DrawnLine(
        style=line.style,
        label=line.label,
        path=" ".join(
            "M" + " L".join(f"{place:g},{height:g}" for place, height in stretch)
            for stretch in stretches
            if len(stretch) > 1
        ),
        dots=tuple(stretch[0] for stretch in stretches if len(stretch) == 1),
        told=spell(line.told),
    )


def _ticks(low: float, high: float, limits: tuple[float, float]) -> list[float]:
    """Return three to seven round numbers that enclose the values, within ``limits``."""
    span = high - low or abs(high) or 1.0
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [float(f"{step * index:.12g}") for index in range(start, stop + 1)]
    if len(ticks) < 2:
        ticks = [float(f"{step * index:.12g}") for index in range(start - 1, start + 2)]
    inside = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
    return inside if len(inside) > 1 else ticks


def _decimals(step: float) -> int:
    return next((n for n in range(12) if abs(round(step, n) - step) < 1e-6 * step), 12)


def _tick_label(tick: float, digits: int) -> str:
    if digits <= 3 and abs(tick) < 1e6:
        return f"{tick:,.{digits}f}"
    mantissa, _, exponent = f"{tick:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}" if tick else "0"


def _epoch_ticks(first: int, last: int) -> list[int]:
    rough = max(1, (last - first) / 6)
    power = 10 ** math.floor(math.log10(rough))
    step = next(int(power * f) for f in (1, 2, 5, 10) if power * f >= rough)
    ticks = list(range(-(-first // step) * step, last + 1, step))
    return ticks or [first]


def _hover(lines: Sequence[Line], index: int, epoch: int, spell: Callable[[float], str]) -> str:
    values = [
        f"{line.label} {spell(value)}"
        for line in lines
        if (value := line.values[index]) is not None
    ]
    return " · ".join([f"epoch {epoch}", *values])


def _description(
    title: str, epochs: Sequence[int], lines: Sequence[Line], spell: Callable[[float], str]
) -> str:
    told = []
    for line in lines:
        change = f" to {spell(line.known[-1])}" if len(line.known) > 1 else ""
        told.append(f"{line.label} {spell(line.known[0])}{change}")
    span = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
    return f"{title} over {span}: {', '.join(told)}."


@dataclass(frozen=True)
class Cell:
    """Hold one cell of a confusion matrix: its place, count, and share of its true class."""

    row: int
    column: int
    count: int
    share: float

    @property
    def right(self) -> bool:
        """Whether truth and prediction agree."""
        return self.row == self.column

    @property
    def tint(self) -> float:
        """Opacity in [0, 1]; the root lets a few mistakes among many images be seen."""
        return round(math.sqrt(self.share), 3)


def matrix_rows(confusion: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """Return every cell; a class without a measured image has shares of 0."""
    rows = []
    for row, counts in enumerate(confusion):
        total = sum(counts)
        rows.append(
            [
                Cell(row, column, count, count / total if total else 0.0)
                for column, count in enumerate(counts)
            ]
        )
    return rows


def heat_cells(confusion: Sequence[Sequence[int]], most: int = 4000) -> tuple[list[Cell], int]:
    """Return the cells that hold an image, fullest first, and how many were cut to keep ``most``.

    Cells with the same count are kept or cut together, or a part of the map would look empty.
    """
    cells = sorted(_filled(confusion), key=lambda cell: -cell.count)
    if len(cells) <= most:
        return cells, 0
    kept = [cell for cell in cells if cell.count > cells[most].count] or cells[:most]
    return kept, len(cells) - len(kept)


def commonest_confusions(confusion: Sequence[Sequence[int]], most: int = 10) -> list[Cell]:
    """Return the cells off the diagonal that hold the most images, fullest first."""
    cells = (cell for cell in _filled(confusion) if not cell.right)
    return sorted(cells, key=lambda cell: (-cell.count, -cell.share))[:most]


def _filled(confusion: Sequence[Sequence[int]]) -> Iterator[Cell]:
    # Of a thousand classes' million cells nearly all are empty.
    for row, counts in enumerate(confusion):
        total = sum(counts)
        for column, count in enumerate(counts):
            if count:
                yield Cell(row, column, count, count / total)
