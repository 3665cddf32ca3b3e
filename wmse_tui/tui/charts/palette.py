"""Which colour and which marker a series has, by its index: no two of the first 104 are alike.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), told apart by people with each kind
of colour blindness. On a dark background only blue had to be lightened; on a light one all but blue had to be
darkened to stand out at 3 to 1 (WCAG 2.2, 1.4.11). Whoever sees no colour has the markers.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Palette: TypeAlias = Literal["dark", "light", "terminal"]

SERIES: dict[Palette, tuple[str, ...]] = {
    "dark": ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#3f8fd6", "#c8ccd2"),
    "light": ("#0072b2", "#c04f00", "#007a59", "#a8487a", "#8a5a00", "#6e6400", "#1f86c4", "#4d4d4d"),
    "terminal": ("cyan", "yellow", "green", "magenta", "red", "bright_blue", "bright_cyan", "bright_magenta"),
}

# Thirteen have no divisor in common with eight colours, so both may go around. None of them is drawn twice
# as wide as a letter, or as a picture, by the usual terminals.
MARKERS = "●▲■◆○△□◇▼▽+×*"
ASCII_MARKERS = "ox+*#@%&=vsz$"

# What is not a series. None: as the text around it.
MUTED: dict[Palette, str | None] = {"dark": "#8b95a3", "light": "#5f6670", "terminal": None}
AXIS: dict[Palette, str | None] = {"dark": "#6b7684", "light": "#7a7a72", "terminal": None}
ERROR: dict[Palette, str] = {"dark": "#ff7a6b", "light": "#b3261e", "terminal": "red"}

_GROUND: dict[Palette, str] = {"dark": "#161b22", "light": "#f2f2ed", "terminal": "#000000"}
_FAINT = 0.45  # of the colour; the rest is background


def series_color(palette: Palette, index: int) -> str:
    """The colour of series `index`."""
    colors = SERIES[palette]
    return colors[index % len(colors)]


def faint(palette: Palette, color: str) -> str:
    """`color`, mixed with the background; only for colours that are given as `#rrggbb`."""
    mixed = (
        round(_FAINT * over + (1 - _FAINT) * under)
        for over, under in zip(_channels(color), _channels(_GROUND[palette]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
