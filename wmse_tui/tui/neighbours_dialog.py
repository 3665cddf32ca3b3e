"""Test images with their nearest training images, a few rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.state.neighbour_images import NeighbourImages, read_neighbours
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.tui import keys
from wmse_tui.tui.charts.image_display import ImageDisplay, ImageError, Pixels, fitted, read_image
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.dialogs import Dialog

_ROWS = 3  # in sight


@dataclass(frozen=True, slots=True)
class NeighbourGrid:
    """What was saved in a run, and its pixels."""

    about: NeighbourImages
    pixels: Pixels

    def strip(self, row: int) -> Pixels:
        """The pixels of one row."""
        size = 3 * self.pixels.width * self.about.tile
        data = self.pixels.data[row * size : (row + 1) * size]
        return Pixels(self.pixels.width, self.about.tile, data)


def read_grid(run: RunDirectory) -> NeighbourGrid | None:
    """The newest neighbours that were saved; None where there are none. Reads from disk.

    Raises:
        StorageError: they cannot be used.
    """
    about = read_neighbours(run)
    if about is None:
        return None
    try:
        pixels = read_image(run.artifacts / about.file)
    except ImageError as error:
        raise StorageError("the nearest neighbours cannot be shown", str(error)) from error
    size = about.tile * len(about.classes[0]), about.tile * len(about.classes)
    if (pixels.width, pixels.height) != size:
        text = f"{about.file} has {pixels.width} x {pixels.height} pixels, not {size[0]} x {size[1]}"
        raise StorageError("the nearest neighbours cannot be shown", text)
    return NeighbourGrid(about, pixels)


class NeighboursDialog(Dialog[bool]):
    """Shows saved neighbours; answers whether they are to be computed again.

    Args:
        run: of which.
        found: what it has saved.
    """

    BINDINGS = keys.bindings(
        ("q", "dismiss(None)"),
        ("enter", "dismiss(True)"),
        ("down,j,pagedown,space", "rows(1)"),
        ("up,k,pageup", "rows(-1)"),
        ("home,g", "first"),
    )

    def __init__(self, run: RunDirectory, found: NeighbourGrid) -> None:
        super().__init__()
        self._run, self._found = run, found
        self._first = 0

    def compose(self) -> ComposeResult:
        about = self._found.about
        with Vertical(classes="dialog", id="neighbours") as box:
            box.border_title = Content(f"Nearest neighbours, {without_middle(safe(self._run.id), 40)}")
            for _ in range(_ROWS):
                yield ImageDisplay()
                yield Static("", markup=False, classes="classes")
            yield Static("", markup=False, id="neighbours-note")
            searched = f"{about.images:,} of {about.of:,}" if about.images < about.of else f"{about.of:,}"
            text = (
                f"Epoch {about.epoch}, {safe(about.checkpoint, 40)}: {safe(about.split, 20)} image, then its "
                f"nearest of {searched} ({safe(about.train_split, 20)}), {safe(about.metric, 20)}. "
                "Enter computes them again, escape closes."
            )
            yield Static(text, markup=False, classes="hint")

    def on_resize(self) -> None:
        """Draw at the new size."""
        self.call_after_refresh(self._draw)

    def action_rows(self, by: int) -> None:
        """Show the next rows, or the previous ones."""
        last = max(0, len(self._found.about.classes) - _ROWS)
        self._first = min(max(0, self._first + by * _ROWS), last)
        self._draw()

    def action_first(self) -> None:
        """Show the first rows."""
        self._first = 0
        self._draw()

    def _draw(self) -> None:
        about = self._found.about
        shown = range(self._first, min(self._first + _ROWS, len(about.classes)))
        for index, (display, line) in enumerate(
            zip(self.query(ImageDisplay), self.query(".classes").results(Static), strict=True)
        ):
            row = self._first + index
            if row not in shown:
                display.show(None, "")
                line.update("")
                continue
            strip = self._found.strip(row)
            display.show(strip)
            line.update(class_line(about.classes[row], strip, *display.size))
        text = f"{shown[0] + 1} to {shown[-1] + 1} of {len(about.classes)} test images"
        self.query_one("#neighbours-note", Static).update(text)


def class_line(classes: tuple[str, ...], strip: Pixels, width: int, height: int) -> Content:
    """The class below each image of a strip; an exclamation mark: it is not that of the first."""
    columns, _ = fitted(strip, max(1, width), max(1, height))
    left, text = (width - columns) // 2, Content("")
    for index, name in enumerate(classes):
        start = left + index * columns // len(classes)
        text += Content(" " * (start - cell_len(text.plain)))
        space = max(1, left + (index + 1) * columns // len(classes) - start - 1)
        wrong = index > 0 and name != classes[0]
        label = shorten(f"! {safe(name, 60)}" if wrong else safe(name, 60), space, ascii=True)
        text += Content.styled(label, "bold" if index == 0 else "$warning" if wrong else "$success")
    return text
