"""The adapter to plotext 5.3: dots in, characters out.

plotext joins dots by lines and packs them into braille. Each raster is a monitor of its own, so nothing is
shared between charts or threads. What it gets are whole numbers within a known box: it raises on infinity, on
zero under a logarithm, and guesses ticks by itself, so none of that is asked of it. Its matrix is read as it
is, which leaves out the escape sequences that would have to be parsed again: the colour of a layer is its
index, a number below 256.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

Dot: TypeAlias = tuple[int, int]  # column and row of dots, both from the lower left

DOTS_ACROSS, DOTS_UP = 2, 4  # of a braille cell
_LAYERS = 256


@dataclass(frozen=True, slots=True)
class Layer:
    """Lines of one look: `marker` is a character, or empty for braille."""

    lines: tuple[tuple[Dot, ...], ...]
    marker: str = ""


class Cell(NamedTuple):
    """A character, where from the upper left, and of which layer."""

    x: int
    y: int
    character: str
    layer: int


def dots_of(width: int, height: int, marker: str) -> tuple[int, int]:
    """How many dots a box of cells has across and up."""
    return (width, height) if marker else (width * DOTS_ACROSS, height * DOTS_UP)


@lru_cache(maxsize=16)
def raster(layers: tuple[Layer, ...], width: int, height: int) -> tuple[Cell, ...]:
    """The cells with something in them, at most one for each place.

    Later layers lie above earlier ones. Lines may leave the box; what is outside is not drawn. The last
    rasters are kept: new values seldom move a dot.
    """
    if width < 1 or height < 1 or not any(layer.lines for layer in layers):
        return ()
    # Imported here: the first screen needs no chart, and this takes 40 ms.
    from plotext._date import date_class
    from plotext._monitor import monitor_class

    monitor = monitor_class()
    monitor.set_size([width, height])
    monitor.set_date(date_class())
    monitor.set_frame(False)
    monitor.set_xfrequency(0)
    monitor.set_yfrequency(0)
    # Layers of braille and of characters share one axis: it goes from the middle of the first dot, however
    # large a dot is, to that of the last.
    monitor.set_xlim(0.0, 1.0)
    monitor.set_ylim(0.0, 1.0)
    for index, layer in enumerate(layers[:_LAYERS]):
        across, up = dots_of(width, height, layer.marker)
        for line in layer.lines:
            monitor.draw(
                [x / max(1, across - 1) for x, _ in line],
                [y / max(1, up - 1) for _, y in line],
                marker=layer.marker or "braille",
                color=index,
                lines=True,
            )
    monitor.build_plot()
    matrix = monitor.matrix
    return tuple(
        Cell(x, height - 1 - y, character, matrix.fullground[y][x])
        for y, row in enumerate(matrix.marker)
        for x, character in enumerate(row)
        if character != " "
    )
