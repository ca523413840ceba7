"""The report's colours can be told apart, in light and in dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

Colour = tuple[float, float, float]

STYLE = (resources.files("googlenet.report") / "templates" / "report.css").read_text("utf-8")
DARK = "@media (prefers-color-scheme: dark)"


def palette(theme: str) -> dict[str, str]:
    """Return the custom properties of a theme; the dark one overrides the light one."""
    light, dark = STYLE.split(DARK, 1)
    found = dict(re.findall(r"--([\w-]+): ([^;]+);", light))
    if theme == "dark":
        found |= dict(re.findall(r"--([\w-]+): ([^;]+);", dark[: dark.index("}\n}")]))
    return found


def colour(value: str) -> Colour:
    """Read ``#rrggbb`` or ``r g b``."""
    if value.startswith("#"):
        return (int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16))
    red, green, blue = map(float, value.split())
    return (red, green, blue)


def luminance(shade: Colour) -> float:
    """Return the relative luminance in [0, 1]. Source: WCAG 2.2."""
    linear = [
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in shade
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio from 1 to 21. Source: WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"),
    [
        ("ink", "paper"),
        ("ink", "well"),
        ("ink", "caution-well"),
        ("soft", "paper"),
        ("soft", "well"),
        ("main", "paper"),
    ],
)
def test_text_is_legible(theme: str, front: str, back: str) -> None:
    colours = palette(theme)
    assert contrast(colour(colours[front]), colour(colours[back])) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("line", ["main", "aux2", "aux1", "validation", "balanced"])
def test_lines_stand_out(theme: str, line: str) -> None:
    colours = palette(theme)
    assert contrast(colour(colours[line]), colour(colours["paper"])) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tint", ["right", "wrong"])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_numbers_in_matrix_cells_are_legible(theme: str, tint: str, share: float) -> None:
    colours = palette(theme)
    opacity = share * float(colours["fullest"])
    front, back = colour(colours[tint]), colour(colours["paper"])
    red, green, blue = (
        opacity * over + (1 - opacity) * under for over, under in zip(front, back, strict=True)
    )
    assert contrast(colour(colours["ink"]), (red, green, blue)) >= 4.5
