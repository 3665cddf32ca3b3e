"""Photographs in cells: two pixels a cell, one above the other, by half-blocks.

Sixel and kitty graphics would be finer, and textual-image (0.12 was tried) draws them in Textual. It is not
used here:

- It learns what the terminal can by writing to it and reading the answer while it is imported: 150 to 360 ms
  before anything is shown. A terminal whose answer takes longer than 100 ms, as over a slow link, counts as
  one that cannot, and its late answer is then read as keys.
- In tmux 3.3 it falls back to half-blocks as well; a tmux that was built with sixel claims to have it,
  whatever the terminal behind it can.
- A sixel picture of 60 by 20 cells is about 160 kB, sent again with every repaint.
- Kitty graphics go past Textual's writer: a terminal that stops reading would stop the app.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style

from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.pixels import Pixels
from wmse_tui.tui.charts.style import ChartStyle

if TYPE_CHECKING:
    from PIL.Image import Image

_ASCII_SHADES = " .:-=+*#%@"
_SHADES = " ░▒▓█"


def draw_picture(pixels: Pixels, *, width: int, height: int, style: ChartStyle) -> Drawing:
    """The picture, as large as it fits with its sides in proportion, in the middle of the room.

    Colours are those of the picture: where the terminal has 256 or 16 of them, the nearest is sent when the
    rows are written. In ASCII, and without colours, each cell is as dark or light as the picture is there; on
    a light background more ink is darker.
    """
    if width < 1 or height < 1 or pixels.width < 1 or pixels.height < 1:
        return Drawing() if width < 1 or height < 1 else Canvas(width, height).drawing()
    canvas = Canvas(width, height)
    shaded = style.ascii or not style.color
    columns, rows = _fitted(pixels, width, height)
    image = _scaled(pixels, columns, max(1, -(-rows // 2)) if shaded else rows)
    left, top = (width - columns) // 2, (height - -(-rows // 2)) // 2
    if shaded:
        _shade(canvas, image, left, top, style)
    else:
        _half_blocks(canvas, image, left, top)
    return canvas.drawing()


def _fitted(pixels: Pixels, width: int, height: int) -> tuple[int, int]:
    """Columns and half rows, of which each is as wide as high. Small pictures grow by whole factors."""
    scale = min(width / pixels.width, 2 * height / pixels.height)
    if scale >= 2:
        scale = float(int(scale))
    return (
        min(width, max(1, round(pixels.width * scale))),
        min(2 * height, max(1, round(pixels.height * scale))),
    )


def _scaled(pixels: Pixels, columns: int, rows: int) -> Image:
    from PIL import Image

    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    grows = columns >= pixels.width and rows >= pixels.height
    return image.resize((columns, rows), Image.Resampling.NEAREST if grows else Image.Resampling.BOX)


def _half_blocks(canvas: Canvas, image: Image, left: int, top: int) -> None:
    data, columns, rows = image.tobytes(), image.width, image.height

    def at(x: int, y: int) -> Color:
        start = 3 * (y * columns + x)
        return _color(data[start], data[start + 1], data[start + 2])

    for y in range(0, rows, 2):
        for x in range(columns):
            below = at(x, y + 1) if y + 1 < rows else None
            canvas.put(left + x, top + y // 2, *_cell(at(x, y), below))


@lru_cache(maxsize=16384)
def _cell(above: Color, below: Color | None) -> tuple[str, Style]:
    if below == above:
        return "█", Style.from_color(above)
    return "▀", Style.from_color(above, below)


def _shade(canvas: Canvas, image: Image, left: int, top: int, style: ChartStyle) -> None:
    shades = _ASCII_SHADES if style.ascii else _SHADES
    if style.palette == "light":
        shades = shades[::-1]
    light = image.convert("L").tobytes()
    for y in range(image.height):
        row = light[y * image.width : (y + 1) * image.width]
        canvas.put(left, top + y, "".join(shades[value * len(shades) // 256] for value in row))


@lru_cache(maxsize=16384)
def _color(red: int, green: int, blue: int) -> Color:
    """A few bits less than there are: neighbours become equal, and equal neighbours cost no bytes."""
    return Color.from_rgb(*(value & 0xF8 | value >> 5 for value in (red, green, blue)))
