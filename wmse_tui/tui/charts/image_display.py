"""Shows a PNG file, for instance the preview of augmented views: two pixels a cell, by half-blocks.

Sixel and kitty graphics would be finer, and textual-image (0.12 was tried) draws them in Textual. It is not
used here:

- Its import queries the terminal and waits for the answer: 150 to 360 ms before anything is shown. A terminal
  that takes longer than 100 ms, as over a slow link, is taken to have none, and its late answer is then
  read as keys.
- In tmux 3.3 it falls back to half-blocks as well; a tmux built with sixel claims support whether or not the
  terminal behind it has it.
- A sixel image of 60 by 20 cells is about 160 kB, sent again with every repaint.
- Kitty graphics bypass Textual's writer: a terminal that stops reading would block the app.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from textual.message import Message
from textual.worker import get_current_worker

from wmse_tui.config.regular_files import open_regular
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.canvas import Canvas, Drawing, blank
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle
from wmse_tui.tui.glyphs import to_ascii

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST = 40_000_000  # pixels
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NOTHING = "no image yet"
_ASCII_SHADES = " .:-=+*#%@"
_SHADES = " ░▒▓█"


class ImageError(Exception):
    """The image cannot be shown; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Three bytes a pixel (red, green, blue), row by row from the top."""

    width: int
    height: int
    data: bytes


def read_image(path: Path) -> Pixels:
    """The pixels of a PNG file. Reads from disk: call it in a thread.

    Raises:
        ImageError: the file is missing, no PNG, damaged, or too large.
    """
    from PIL import Image

    try:
        with open_regular(path) as file:
            _check(file.read(24), path.name)  # before Pillow allocates memory for it, or warns
            file.seek(0)
            with Image.open(file, formats=("PNG",)) as image:
                rgb = image.convert("RGB")
    except OSError as error:
        raise ImageError(f"{path.name} cannot be read: {error.strerror or 'it is damaged'}") from error
    except (ValueError, SyntaxError, EOFError, MemoryError) as error:  # what Pillow raises on damaged files
        raise ImageError(f"{path.name} cannot be read: it is damaged") from error
    return Pixels(rgb.width, rgb.height, rgb.tobytes())


def draw_image(pixels: Pixels, *, width: int, height: int, style: ChartStyle) -> Drawing:
    """The image as large as fits, in proportion and centred.

    Its colours are reduced to those of the terminal when the rows are written. In ASCII, and without colours,
    the character of a cell gives its brightness; on a light background denser characters are darker.
    """
    if width < 1 or height < 1 or pixels.width < 1 or pixels.height < 1:
        return Drawing() if width < 1 or height < 1 else blank(width, height)
    canvas = Canvas(width, height)
    shaded = style.ascii or not style.color
    columns, rows = fitted(pixels, width, height)
    image = _scaled(pixels, columns, max(1, -(-rows // 2)) if shaded else rows)
    left, top = (width - columns) // 2, (height - -(-rows // 2)) // 2
    if shaded:
        _shade(canvas, image, left, top, style)
    else:
        _half_blocks(canvas, image, left, top)
    return canvas.drawing()


class ImageDisplay(RowsWidget):
    """An image as large as fits, or a sentence instead."""

    DEFAULT_CSS = "ImageDisplay { height: 1fr; min-height: 2; }"

    class Read(Message):
        """A file was read or could not be; the widget has shown the result."""

        def __init__(self, display: ImageDisplay, path: Path, pixels: Pixels | None, problem: str) -> None:
            super().__init__()
            self.image_display = display
            self.path = path
            self.pixels = pixels
            self.problem = problem

        @property
        def control(self) -> ImageDisplay:
            """The widget."""
            return self.image_display

    _pixels: Pixels | None = None
    _message: str = _NOTHING
    _path: Path | None = None

    def show(self, pixels: Pixels | None, message: str = _NOTHING) -> None:
        """Show an image; None: show `message`, sanitised."""
        self._path = None
        self._accept(pixels, message)

    def open(self, path: Path) -> None:
        """Read a PNG file in a thread and show it; the earlier image stays until then."""
        self._path = path
        self.run_worker(lambda: self._read(path), thread=True, exclusive=True, group="image")

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The image at that size."""
        if self._pixels is not None:
            return draw_image(self._pixels, width=width, height=height, style=style)
        canvas = Canvas(width, height)
        message = safe(self._message, 400)
        message = shorten(to_ascii(message) if style.ascii else message, width, ascii=style.ascii)
        canvas.put(0, max(0, (height - 1) // 2), message.center(width), style.part("muted"))
        return canvas.drawing()

    def on_image_display_read(self, event: Read) -> None:
        """Show what was read, unless another file was opened since."""
        if event.path == self._path:
            self._accept(event.pixels, event.problem)

    def _read(self, path: Path) -> None:
        pixels, problem = None, ""
        try:
            pixels = read_image(path)
        except ImageError as error:
            problem = str(error)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Read(self, path, pixels, problem))

    def _accept(self, pixels: Pixels | None, message: str) -> None:
        if (pixels, message) != (self._pixels, self._message):
            self._pixels, self._message = pixels, message
            self.redraw()


def _check(head: bytes, name: str) -> None:
    if head[:8] != _SIGNATURE:
        raise ImageError(f"{name} is not a PNG image")
    width, height = (int.from_bytes(head[start : start + 4]) for start in (16, 20))
    if not 0 < width * height <= _MOST:
        raise ImageError(f"{name} has {width} x {height} pixels, which cannot be shown")


def fitted(pixels: Pixels, width: int, height: int) -> tuple[int, int]:
    """Columns and half rows, which are about square. Small images grow by integer factors."""
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
    """The colour at five bits a channel: more neighbours are equal, and equal neighbours cost no bytes."""
    return Color.from_rgb(*(value & 0xF8 | value >> 5 for value in (red, green, blue)))
