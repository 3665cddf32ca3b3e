"""What the terminal shows, cell by cell, so that only cells that differ are sent.

Textual sends whole widgets, and the whole screen where a dialog opens: 20 to 60 KB at 120 by 40 cells, most
of which the terminal shows already. A key that moves a cursor costs two rows here, and a dialog its own box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from rich.cells import get_character_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

Cell: TypeAlias = tuple[str, Style | None]  # "": the right half of a wide character
_UNKNOWN: Cell = ("\0", None)
_JOINED = 6  # equal cells between two differences: to send them is shorter than to move the cursor


class FrameDifference(CompositorUpdate):
    """Pieces of rows, each with its column and row."""

    def __init__(self, pieces: Sequence[tuple[int, int, Strip]]) -> None:
        self.pieces = pieces

    def render_segments(self, console: Console) -> str:
        """The escape sequences that draw the pieces."""
        return "".join(
            Control.move_to(x, y).segment.text + strip.render(console) for x, y, strip in self.pieces
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for x, y, strip in self.pieces:
            yield Control.move_to(x, y).segment
            yield from strip


class Frame:
    """The cells of the terminal as they were sent last."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []

    def forget(self) -> None:
        """The terminal may show anything: send all of the next update."""
        self._rows = []

    def difference(
        self, update: LayoutUpdate | ChopsUpdate, width: int, height: int
    ) -> FrameDifference | None:
        """What of `update` differs from the terminal, which shows it from now on; None: nothing does."""
        if len(self._rows) != height or (self._rows and len(self._rows[0]) != width):
            self._rows = [[_UNKNOWN] * width for _ in range(height)]
        pieces: list[tuple[int, int, Strip]] = []
        for x, y, strip in _strips(update):
            if 0 <= y < height:
                pieces += ((column, y, piece) for column, piece in self._changed(self._rows[y], x, strip))
        return FrameDifference(pieces) if pieces else None

    @staticmethod
    def _changed(row: list[Cell], x: int, strip: Strip) -> Iterator[tuple[int, Strip]]:
        cells = _cells(strip)[: len(row) - x]
        at = [i for i, cell in enumerate(cells) if cell != row[x + i]]
        row[x : x + len(cells)] = cells
        while at:
            end = next((i for i in range(1, len(at)) if at[i] - at[i - 1] > _JOINED), len(at))
            first, last = at[0], at[end - 1] + 1
            at = at[end:]
            while first and not cells[first][0]:
                first -= 1
            while last < len(cells) and not cells[last][0]:
                last += 1
            yield x + first, _strip(cells[first:last])


def _strips(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """The strips of an update, each with its column and row."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield x, y, strip
                x += strip.cell_length
        return
    for y, x1, x2 in update.spans:
        for end, (x, part) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if part is not None and x < x2 and end > x1:  # beyond the span a strip may be out of date
                first = max(x, x1)
                yield first, y, part.crop(first - x, min(end, x2) - x)


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        seen, blank = (None, None) if style is None else (_seen(style), _blank(style))
        if text.isascii():
            cells += ((character, blank if character == " " else seen) for character in text)
            continue
        for character in text:
            size = get_character_cell_size(character)
            if size:
                cells.append((character, blank if character == " " else seen))
                cells += (("", seen) for _ in range(size - 1))
            elif cells:  # a mark that combines with the character before it
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
    return cells


@lru_cache(maxsize=4096)
def _seen(style: Style) -> Style:
    """`style` without what a click does there, which a terminal does not show."""
    return style.clear_meta_and_links() if style.meta or style.link else style


@lru_cache(maxsize=4096)
def _blank(style: Style) -> Style:
    """How a space in `style` looks, whatever the colour of the text around it."""
    if style.reverse:
        return _seen(style)
    lines = (style.underline, style.underline2, style.overline, style.strike)
    return _seen(style) if any(lines) else Style(bgcolor=style.bgcolor)


def _strip(cells: Sequence[Cell]) -> Strip:
    segments: list[Segment] = []
    text, style = "", cells[0][1]
    for character, own in cells:
        same = own is style or own == style
        if not same and character == " " and style is not None and own == _blank(style):
            same = True
        if not same:
            segments.append(Segment(text, style))
            text, style = "", own
        text += character
    return Strip([segment for segment in (*segments, Segment(text, style)) if segment.text], len(cells))
