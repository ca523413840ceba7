"""The geometry of the charts and matrices, and the spelling of numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from googlenet.report import text
from googlenet.report.figures import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Line,
    commonest_confusions,
    heat_cells,
    line_chart,
    matrix_rows,
)

VALUES = st.none() | st.floats(0, 1e9) | st.floats(0, 1e-9) | st.sampled_from([0.0, 1.0, 0.69])


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40), st.booleans())
def test_chart_stays_inside_its_frame(pairs: list[tuple[float | None, ...]], zero: bool) -> None:
    lines = [Line("a", "a", [pair[0] for pair in pairs]), Line("b", "b", [p[1] for p in pairs])]
    epochs = range(1, len(pairs) + 1)
    limits = (0.0, math.inf)
    chart = line_chart("x", "x", epochs, lines, text.decimal, limits=limits, from_zero=zero)
    known = sum(value is not None for pair in pairs for value in pair)
    if not known:
        assert chart is None
        return
    assert chart is not None
    points = [dot for line in chart.lines for dot in line.dots]
    for line in chart.lines:
        steps = line.path.replace("M", "").replace("L", "").split()
        points += [(float(step.split(",")[0]), float(step.split(",")[1])) for step in steps]
    assert len(points) == known
    for x, y in points:
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
    assert 2 <= len(chart.y_ticks) <= 7
    labels = [label for _, label in chart.y_ticks]
    assert len(set(labels)) == len(labels)
    assert all(TOP <= place <= HEIGHT - BOTTOM for place, _ in chart.y_ticks)
    assert 1 <= len(chart.x_ticks) <= 8


def test_ticks_are_round() -> None:
    chart = line_chart(
        "x", "x", [1, 2], [Line("a", "a", [0.31, 0.72])], text.decimal, limits=(0, math.inf)
    )
    assert chart is not None
    assert [label for _, label in chart.y_ticks] == ["0.8", "0.6", "0.4", "0.2"][::-1]


def test_small_ticks_are_in_powers_of_ten() -> None:
    line = Line("a", "a", [1e-3, 5e-4], tell_highest=True)
    chart = line_chart("x", "x", [1, 2], [line], text.significant, from_zero=True)
    assert chart is not None
    assert [label for _, label in chart.y_ticks] == ["0", "2.5e-4", "5e-4", "7.5e-4", "1e-3"]
    assert chart.lines[0].told == "0.001"


def test_missing_value_is_a_gap() -> None:
    line = Line("a", "a", [1.0, 2.0, None, 2.0, None, 3.0, 4.0])
    chart = line_chart("x", "x", range(1, 8), [line], text.decimal)
    assert chart is not None
    assert chart.lines[0].path.count("M") == 2
    assert len(chart.lines[0].dots) == 1
    assert "epoch 3" in chart.hovers[2][2] and "1.000" not in chart.hovers[2][2]


def test_description_tells_the_course() -> None:
    chart = line_chart("x", "Loss", [1, 2], [Line("a", "main", [0.7, 0.3])], text.decimal)
    assert chart is not None
    assert chart.description == "Loss over epochs 1 to 2: main 0.700 to 0.300."


def test_many_epochs_are_laid_out_at_once() -> None:
    chart = line_chart("x", "x", [1, 10**12], [Line("a", "a", [1.0, 2.0])], text.decimal)
    assert chart is not None and len(chart.x_ticks) <= 8


def test_matrix_shares_are_of_the_true_class() -> None:
    rows = matrix_rows([[3, 1], [0, 0]])
    assert [[cell.share for cell in row] for row in rows] == [[0.75, 0.25], [0.0, 0.0]]


def test_heat_map_drops_the_emptiest_cells() -> None:
    matrix = [[5, 1, 0], [2, 7, 0], [0, 3, 9]]
    cells, left_out = heat_cells(matrix, most=4)
    assert [cell.count for cell in cells] == [9, 7, 5, 3]
    assert left_out == 2
    assert heat_cells(matrix, most=6) == (heat_cells(matrix)[0], 0)


def test_heat_map_keeps_or_drops_equal_cells_together() -> None:
    matrix = [[5, 1, 1], [1, 7, 0], [0, 1, 9]]
    cells, left_out = heat_cells(matrix, most=5)
    assert [cell.count for cell in cells] == [9, 7, 5]
    assert left_out == 4


def test_commonest_confusions_come_first() -> None:
    cells = commonest_confusions([[5, 1, 0], [2, 7, 4], [0, 3, 9]], most=2)
    assert [(cell.row, cell.column, cell.count) for cell in cells] == [(1, 2, 4), (2, 1, 3)]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.97, "1 min 00 s"),
        (222.4, "3 min 42 s"),
        (3600.0, "1 h 00 min"),
        (93784.0, "26 h 03 min"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_numbers() -> None:
    assert text.percent(0.8567) == "85.7%"
    assert text.percent(None) == text.decimal(None) == text.significant(None) == "–"
    assert [text.whole_percent(share) for share in (0, 0.001, 0.5, 0.999, 1)] == [
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
    ]
    assert [text.significant(number) for number in (311.4, 28.51, 0.00096213)] == [
        "311",
        "28.5",
        "0.000962",
    ]
    assert [text.plural(number, "image") for number in (0, 1, 2624)] == [
        "0 images",
        "1 image",
        "2,624 images",
    ]
    assert text.plural(3, "class") == "3 classes"


def test_settings_are_grouped_and_long_lists_cut() -> None:
    groups = text.setting_groups(
        {"seed": 0, "plan": {"heads": True, "recipe": {"lr": None, "steps": list(range(20))}}}
    )
    assert groups == [
        ("", [("seed", "0")]),
        ("plan", [("heads", "yes")]),
        (
            "plan › recipe",
            [("lr", "not set"), ("steps", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more")],
        ),
    ]
