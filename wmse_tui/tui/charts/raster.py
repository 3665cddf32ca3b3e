"""The adapter to plotext 5.3: dots in, characters out.

plotext joins dots by lines and packs them into braille. It gets integers within a known box: it raises on
infinity and on zero under a logarithm, and chooses ticks by itself, so axes and ticks are drawn elsewhere.

This uses its private `monitor_class`. The public functions (`plot`, `build`) give the same cells, but they
share one figure in the process, measure the terminal, and return escape sequences that must be parsed again:
1.2 to 2 times the time of a raster at 58 x 10 to 118 x 30 cells. Here the matrix is read directly, and the
colour of a layer is its index, a number below 256.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

Dot: TypeAlias = tuple[int, int]  # column and row of dots, both from the lower left

DOTS_ACROSS, DOTS_UP = 2, 4  # of a braille cell
_LAYERS = 256


@dataclass(frozen=True, slots=True)
class RasterLayer:
    """Lines of one colour; `marker` is a character, or empty for braille."""

    lines: tuple[tuple[Dot, ...], ...]
    marker: str = ""


class RasterCell(NamedTuple):
    """A character, its column and row from the upper left, and the index of its layer."""

    x: int
    y: int
    character: str
    layer: int


def dots_of(width: int, height: int, marker: str) -> tuple[int, int]:
    """Columns and rows of dots in a box of cells."""
    return (width, height) if marker else (width * DOTS_ACROSS, height * DOTS_UP)


@lru_cache(maxsize=16)
def raster(layers: tuple[RasterLayer, ...], width: int, height: int) -> tuple[RasterCell, ...]:
    """The cells that are not empty, at most one at each position.

    Later layers cover earlier ones. Lines may leave the box and are clipped. The latest rasters are cached:
    new values seldom move a dot.
    """
    if width < 1 or height < 1 or not any(layer.lines for layer in layers):
        return ()
    # Imported here: the first screen has no chart, and this takes 40 ms.
    from plotext._date import date_class
    from plotext._monitor import monitor_class

    monitor = monitor_class()
    monitor.set_size([width, height])
    monitor.set_date(date_class())
    monitor.set_frame(False)
    monitor.set_xfrequency(0)
    monitor.set_yfrequency(0)
    # Layers of braille and of characters share one axis, from the middle of the first dot, whatever its
    # size, to the middle of the last.
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
        RasterCell(x, height - 1 - y, character, matrix.fullground[y][x])
        for y, row in enumerate(matrix.marker)
        for x, character in enumerate(row)
        if character != " "
    )
