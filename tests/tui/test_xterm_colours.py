"""256 colours: what the themes use exists among them, and pictures look as they do in truecolor."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Background

from wmse_tui.tui.charts.style import AXIS, ERROR, MUTED, SERIES, Palette
from wmse_tui.tui.themes import THEMES
from wmse_tui.tui.xterm_colours import COLOURS, Channels, XtermFilter, nearest, oklab

PALETTES: tuple[Palette, ...] = ("dark", "light")


def channels(colour: str) -> Channels:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def theme_colours() -> list[tuple[str, str]]:
    found = []
    for theme in THEMES:
        values = {**vars(theme), **theme.variables}
        found += [(f"{theme.name} {name}", value) for name, value in values.items()]
    for palette in PALETTES:
        parts = [*SERIES[palette], MUTED[palette], AXIS[palette], ERROR[palette]]
        found += [(f"charts {palette}", part) for part in parts if part is not None]
    return [(name, str(value)) for name, value in found if re.fullmatch(r"#[0-9a-f]{6}", str(value))]


def test_every_colour_of_the_themes_and_charts_is_one_of_the_256() -> None:
    assert len(theme_colours()) > 60
    assert [name for name, colour in theme_colours() if channels(colour) not in COLOURS] == []


@pytest.mark.parametrize("colour", COLOURS)
def test_each_of_the_256_is_nearest_to_itself(colour: Channels) -> None:
    assert COLOURS[nearest(colour) - 16] == colour


@given(st.integers(0, 255))
def test_a_grey_stays_grey(level: int) -> None:
    found = COLOURS[nearest((level, level, level)) - 16]
    assert len(set(found)) == 1
    assert abs(found[0] - level) <= 9


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_no_colour_is_perceptually_nearer(colour: Channels) -> None:
    def distance(number: int) -> float:
        return sum((a - b) ** 2 for a, b in zip(oklab(colour), oklab(COLOURS[number - 16]), strict=True))

    found = nearest(colour)
    if max(colour) - min(colour) > 2:
        assert distance(found) <= min(map(distance, range(16, 256))) + 1e-12


def test_the_filter_leaves_text_and_the_terminals_own_colours_alone() -> None:
    own = Segment("a", Style(color=Color.from_ansi(3), bold=True))
    drawn = Segment(
        "b", Style(color=Color.from_rgb(18, 18, 18), bgcolor=Color.from_rgb(250, 0, 0), bold=True)
    )
    first, second, third = XtermFilter().apply([own, drawn, Segment("c")], Background(0, 0, 0))
    assert (first, third) == (own, Segment("c"))
    assert second.style == Style(color=Color.from_ansi(233), bgcolor=Color.from_ansi(196), bold=True)
