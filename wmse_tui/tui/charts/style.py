"""The characters and colours of charts.

No two of the first 104 series share both colour and marker. The colours are those of Okabe and Ito ("Color
Universal Design", 2008), distinguishable with each kind of colour blindness, as near as the 256 of xterm come
to them. On a dark background blue is lightened; on a light one all but blue are darkened to a contrast of 3
to 1 (WCAG 2.2, 1.4.11). Markers distinguish the series where colours do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from rich.style import Style
from textual.app import App

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.glyphs import to_ascii

Palette: TypeAlias = Literal["dark", "light", "terminal"]
Part: TypeAlias = Literal["text", "title", "muted", "axis", "error"]

SERIES: dict[Palette, tuple[str, ...]] = {
    "dark": ("#5fafff", "#ffaf00", "#00af87", "#d787af", "#d75f00", "#ffff5f", "#5f87d7", "#d0d0d0"),
    "light": ("#005faf", "#d75f00", "#00875f", "#af5f87", "#875f00", "#5f5f00", "#0087af", "#4e4e4e"),
    "terminal": ("cyan", "yellow", "green", "magenta", "red", "bright_blue", "bright_cyan", "bright_magenta"),
}

# Thirteen and the number of colours, eight, are coprime: cycling through both gives 104 combinations. The
# usual terminals draw each of these one cell wide and never as an emoji.
MARKERS = "●▲■◆○△□◇▼▽+×*"
ASCII_MARKERS = "ox+*#@%&=vsz$"

# Parts other than series. None: the colour of the surrounding text.
MUTED: dict[Palette, str | None] = {"dark": "#a8a8a8", "light": "#585858", "terminal": None}
AXIS: dict[Palette, str | None] = {"dark": "#808080", "light": "#767676", "terminal": None}
ERROR: dict[Palette, str] = {"dark": "#ff8787", "light": "#af0000", "terminal": "red"}

_BACKGROUND: dict[Palette, str] = {"dark": "#121212", "light": "#ffffff", "terminal": "#000000"}
_FAINT = 0.45  # share of the series colour in that of its band
_SHADES = (_FAINT, 0.7, 1.0)  # of few, several and many of a series in a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartStyle:
    """Characters and colours of every chart.

    Attributes:
        ascii: draw ASCII characters only.
        palette: colours for a dark or a light background, or the terminal's own sixteen.
        color: False where NO_COLOR is set.
    """

    ascii: bool = False
    palette: Palette = "dark"
    color: bool = True

    def series(self, index: int) -> Style:
        """The style of series `index`."""
        return _series(self, index)

    def faint(self, index: int) -> Style:
        """The style of the band of series `index`."""
        return self.shade(index, 0)

    def shade(self, index: int, level: int) -> Style:
        """The style of series `index` for few (level 0), several (1) or many (2) values in a cell."""
        return _shade(self, index, level)

    def part(self, part: Part) -> Style:
        """The style of a part other than a series."""
        return _part(self, part)

    def marker(self, index: int) -> str:
        """The marker of series `index`."""
        markers = ASCII_MARKERS if self.ascii else MARKERS
        return markers[index % len(markers)]

    def text(self, text: str) -> str:
        """`text` from any source, sanitised, in at most 80 characters that this style may draw."""
        shown = safe(text, 80)
        return to_ascii(shown) if self.ascii else shown


def chart_style(app: App[object]) -> ChartStyle:
    """The style for the theme of `app`, its ASCII mode and NO_COLOR."""
    theme = app.current_theme
    palette: Palette = "terminal" if app.native_ansi_color else "dark" if theme.dark else "light"
    return ChartStyle(ascii=bool(getattr(app, "ascii", False)), palette=palette, color=not app.no_color)


@lru_cache(maxsize=256)
def _series(style: ChartStyle, index: int) -> Style:
    return Style(color=_series_color(style.palette, index)) if style.color else Style()


@lru_cache(maxsize=512)
def _shade(style: ChartStyle, index: int, level: int) -> Style:
    color = _series_color(style.palette, index) if style.color else None
    if color is None or style.palette == "terminal":
        dim, bold = level == 0 or None, level == 2 or None
        return Style(color=color, dim=dim, bold=bold)
    return Style(color=_mixed_with_background(style.palette, color, _SHADES[level]))


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


def _series_color(palette: Palette, index: int) -> str:
    colors = SERIES[palette]
    return colors[index % len(colors)]


def _mixed_with_background(palette: Palette, color: str, share: float) -> str:
    """A `share` of `color` (`#rrggbb`) mixed with the background of `palette`."""
    mixed = (
        round(share * over + (1 - share) * under)
        for over, under in zip(_channels(color), _channels(_BACKGROUND[palette]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
