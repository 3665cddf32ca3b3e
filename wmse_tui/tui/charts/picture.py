"""The widget of a photograph: the preview of augmented views, for instance."""

from __future__ import annotations

from pathlib import Path

from textual.message import Message
from textual.worker import get_current_worker

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import fit
from wmse_tui.tui.charts.pictures import draw_picture
from wmse_tui.tui.charts.pixels import PictureError, Pixels, read_picture
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle
from wmse_tui.tui.glyphs import to_ascii

_NOTHING = "no picture yet"


class Picture(RowsWidget):
    """A picture as large as it fits, or a sentence where there is none."""

    DEFAULT_CSS = "Picture { height: 1fr; min-height: 2; }"

    class Read(Message):
        """A file was read, or could not be; the widget shows it by itself."""

        def __init__(self, picture: Picture, path: Path, pixels: Pixels | None, problem: str) -> None:
            super().__init__()
            self.picture = picture
            self.path = path
            self.pixels = pixels
            self.problem = problem

        @property
        def control(self) -> Picture:
            """The widget."""
            return self.picture

    _pixels: Pixels | None = None
    _words: str = _NOTHING
    _path: Path | None = None

    def show(self, pixels: Pixels | None, words: str = _NOTHING) -> None:
        """Show a picture; None: show `words`, which may come from anywhere."""
        self._path = None
        self._accept(pixels, words)

    def open(self, path: Path) -> None:
        """Read a PNG file in a thread and show it; what was there stays until then."""
        self._path = path
        self.run_worker(lambda: self._read(path), thread=True, exclusive=True, group="picture")

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The picture at that size."""
        if self._pixels is not None:
            return draw_picture(self._pixels, width=width, height=height, style=style)
        canvas = Canvas(width, height)
        words = safe(self._words, 400)
        words = fit(to_ascii(words) if style.ascii else words, width, ascii=style.ascii)
        canvas.put(0, max(0, (height - 1) // 2), words.center(width), style.part("muted"))
        return canvas.drawing()

    def on_picture_read(self, event: Read) -> None:
        """Show what was read, unless something else was asked for since."""
        if event.path == self._path:
            self._accept(event.pixels, event.problem)

    def _read(self, path: Path) -> None:
        pixels, problem = None, ""
        try:
            pixels = read_picture(path)
        except PictureError as error:
            problem = str(error)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Read(self, path, pixels, problem))

    def _accept(self, pixels: Pixels | None, words: str) -> None:
        if (pixels, words) != (self._pixels, self._words):
            self._pixels, self._words = pixels, words
            self.redraw()
