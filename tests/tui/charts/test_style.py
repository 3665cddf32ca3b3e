"""Colours that can be seen on the themes' backgrounds, and combinations of which no two are alike."""

from __future__ import annotations

import pytest
from textual.color import Color

from wmse_tui.tui.charts.style import ASCII_MARKERS, AXIS, ERROR, MARKERS, MUTED, SERIES, ChartStyle, Palette
from wmse_tui.tui.glyphs import to_ascii
from wmse_tui.tui.themes import THEMES

GROUNDS: dict[Palette, list[str]] = {
    "dark": [str(theme.background) for theme in THEMES if theme.name == "wmse-dark"]
    + [str(theme.surface) for theme in THEMES if theme.name == "wmse-dark"],
    "light": [str(theme.background) for theme in THEMES if theme.name == "wmse-light"]
    + [str(theme.surface) for theme in THEMES if theme.name == "wmse-light"],
}


def luminance(color: Color) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = (channel / 255 for channel in (color.r, color.g, color.b))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(Color.parse(one)), luminance(Color.parse(other))))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", ["dark", "light"])
def test_every_colour_contrasts_with_the_background(palette: Palette) -> None:
    muted, axis = MUTED[palette], AXIS[palette]
    assert muted is not None
    assert axis is not None
    for ground in GROUNDS[palette]:
        for color in (*SERIES[palette], axis):
            assert contrast(color, ground) >= 3, (color, ground)
        for color in (muted, ERROR[palette]):
            assert contrast(color, ground) >= 4.5, (color, ground)


@pytest.mark.parametrize("in_ascii", [False, True])
@pytest.mark.parametrize("palette", ["dark", "light", "terminal"])
def test_a_hundred_series_differ(palette: Palette, in_ascii: bool) -> None:
    style = ChartStyle(ascii=in_ascii, palette=palette)
    styles = {(style.marker(index), str(style.series(index))) for index in range(104)}

    assert len(styles) == 104


def test_markers_differ_and_are_one_cell_wide() -> None:
    assert len(set(MARKERS)) == len(MARKERS) == len(set(ASCII_MARKERS)) == len(ASCII_MARKERS)
    assert all(len(to_ascii(marker)) == 1 for marker in MARKERS)
    assert ASCII_MARKERS.isascii()


def test_the_terminal_palette_leaves_every_colour_to_the_terminal() -> None:
    style = ChartStyle(palette="terminal")
    colors = [style.series(index).color for index in range(8)] + [style.part("error").color]

    assert all(color is not None and color.number is not None and color.number < 16 for color in colors)
    assert style.part("muted").color is None
