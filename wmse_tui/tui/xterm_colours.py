"""The 256 colours of xterm, and the nearest of them to any other colour.

Over SSH and in tmux, 256 colours are the normal case. rich reduces by hue and rounds each channel, which
turns dark greys into navy and grey pictures pink. Here the nearest colour is that of the smallest distance in
OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab), where distances are as large as they look.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color, ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Background
from textual.filter import LineFilter

Channels = tuple[int, int, int]
Lab = tuple[float, float, float]

_LEVELS = (0, 95, 135, 175, 215, 255)
_FIRST = 16  # the sixteen before are the user's
COLOURS: tuple[Channels, ...] = (
    *((r, g, b) for r in _LEVELS for g in _LEVELS for b in _LEVELS),
    *((level, level, level) for level in range(8, 239, 10)),
)
"""Red, green and blue of the colours 16 to 255: a cube, then a ramp of greys."""


def _linear(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def oklab(colour: Channels) -> Lab:
    """Lightness, green-red and blue-yellow of an sRGB colour."""
    r, g, b = map(_linear, colour)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


_LABS = tuple(map(oklab, COLOURS))


@lru_cache(maxsize=65536)
def nearest(colour: Channels) -> int:
    """The number, 16 to 255, of the colour that looks most like `colour`; of a grey, always a grey."""
    lightness, red, yellow = oklab(colour)
    grey = max(colour) - min(colour) <= 2
    found = (
        ((light - lightness) ** 2 + (a - red) ** 2 + (b - yellow) ** 2, number)
        for number, (light, a, b) in enumerate(_LABS, _FIRST)
        if not grey or len(set(COLOURS[number - _FIRST])) == 1
    )
    return min(found)[1]


class XtermFilter(LineFilter):
    """Gives each colour its nearest twin among the 256, just before a line is written."""

    def apply(self, segments: list[Segment], background: Background) -> list[Segment]:  # noqa: ARG002
        return [
            Segment(text, None if style is None else _reduced(style), control)
            for text, style, control in segments
        ]


@lru_cache(maxsize=16384)
def _reduced(style: Style) -> Style:
    colour, background = _colour(style.color), _colour(style.bgcolor)
    if colour is style.color and background is style.bgcolor:
        return style
    return style + Style(color=colour, bgcolor=background)


def _colour(colour: Color | None) -> Color | None:
    if colour is None or colour.type is not ColorType.TRUECOLOR or colour.triplet is None:
        return colour
    return Color.from_ansi(nearest((colour.triplet.red, colour.triplet.green, colour.triplet.blue)))
