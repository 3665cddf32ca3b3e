"""How charts look in the running app: which characters, which colours, or none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from rich.style import Style
from textual.app import App

from wmse_tui.tui.charts.palette import (
    ASCII_MARKERS,
    AXIS,
    ERROR,
    MARKERS,
    MUTED,
    Palette,
    faint,
    series_color,
)

Part: TypeAlias = Literal["text", "title", "muted", "axis", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartStyle:
    """The look of every chart.

    Attributes:
        ascii: only ASCII is drawn.
        palette: colours for a dark or a light background, or the terminal's own sixteen.
        color: with colours at all.
    """

    ascii: bool = False
    palette: Palette = "dark"
    color: bool = True

    def series(self, index: int) -> Style:
        """How series `index` is drawn."""
        return _series(self, index)

    def faint(self, index: int) -> Style:
        """How the band of series `index` is drawn."""
        return _faint(self, index)

    def part(self, part: Part) -> Style:
        """How a part of a chart is drawn that is no series."""
        return _part(self, part)

    def marker(self, index: int) -> str:
        """The marker of series `index`."""
        markers = ASCII_MARKERS if self.ascii else MARKERS
        return markers[index % len(markers)]


def chart_style(app: App[object]) -> ChartStyle:
    """What the theme of `app`, its ASCII mode and NO_COLOR make of charts."""
    theme = app.current_theme
    palette: Palette = "terminal" if app.native_ansi_color else "dark" if theme.dark else "light"
    return ChartStyle(ascii=bool(getattr(app, "ascii", False)), palette=palette, color=not app.no_color)


@lru_cache(maxsize=256)
def _series(style: ChartStyle, index: int) -> Style:
    return Style(color=series_color(style.palette, index)) if style.color else Style()


@lru_cache(maxsize=256)
def _faint(style: ChartStyle, index: int) -> Style:
    if not style.color:
        return Style(dim=True)
    color = series_color(style.palette, index)
    if style.palette == "terminal":
        return Style(color=color, dim=True)
    return Style(color=faint(style.palette, color))


@lru_cache(maxsize=64)
def _part(style: ChartStyle, part: Part) -> Style:
    palette = style.palette
    match part:
        case "title":
            return Style(bold=True)
        case "muted" | "axis" if style.color:
            color = (MUTED if part == "muted" else AXIS)[palette]
            return Style(dim=True) if color is None else Style(color=color)
        case "error" if style.color:
            return Style(color=ERROR[palette], bold=True)
        case "error":
            return Style(bold=True, reverse=True)
        case _:
            return Style()
