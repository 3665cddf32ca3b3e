"""The published table as a grid with a cursor; only the cells that change are drawn again.

A cell has two lines: the published numbers, and one's own. Columns that do not fit are reached by
moving, a whole column at a time.
"""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message

from wmse_tui.runs.table.paper import Cell, PublishedTable
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle

_COLUMN = 19
_GAP = 1  # at the end of each column
_NOTHING = PublishedTable((), (), ())


class PaperGrid(RowsWidget, can_focus=True):
    """The table; tells where its cursor is with `Moved`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--title", "grid--own", "grid--muted", "grid--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(0, -1)", "Left", show=False, id="paper-left", tooltip="One data set back"),
        Binding("right,l", "move(0, 1)", "Right", show=False, id="paper-right", tooltip="One data set on"),
        Binding("up,k", "move(-1, 0)", "Up", show=False, id="paper-up", tooltip="One method up"),
        Binding("down,j", "move(1, 0)", "Down", show=False, id="paper-down", tooltip="One method down"),
        Binding("g,home", "corner(0)", "First", show=False, id="paper-first", tooltip="The first cell"),
        Binding("G,end", "corner(-1)", "Last", show=False, id="paper-last", tooltip="The last cell"),
    ]

    class Moved(Message):
        """The cursor is on another cell, or the cell beneath it has changed."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.table = _NOTHING
        self.row = self.column = 0
        self._top = self._left = 0  # the first row and column that are shown

    @property
    def cell(self) -> Cell | None:
        """The cell beneath the cursor; None where there is no recipe."""
        return self.table.cells[self.row][self.column] if self.table.rows else None

    @property
    def place(self) -> tuple[str, str]:
        """Row and column of the cursor, by their titles."""
        if not self.table.rows:
            return "", ""
        return self.table.rows[self.row], self.table.columns[self.column]

    def show(self, table: PublishedTable) -> None:
        """Show `table`; the cursor stays where it is unless the table has another shape."""
        before, self.table = self.table, table
        if (before.rows, before.columns) != (table.rows, table.columns):
            self.row = self.column = self._top = self._left = 0
            self.refresh(layout=True)
            self.post_message(self.Moved())
        elif table.rows and before.cells[self.row][self.column] != self.cell:
            self.post_message(self.Moved())
        self.redraw()

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor, not beyond the border."""
        self.go(self.row + rows, self.column + columns)

    def action_corner(self, place: int) -> None:
        """Go to the first (0) or the last (-1) cell."""
        self.go(place % max(1, len(self.table.rows)), place % max(1, len(self.table.columns)))

    def go(self, row: int, column: int) -> None:
        """Put the cursor on a cell, the nearest one if there is none."""
        if not self.table.rows:
            return
        before = (self.row, self.column)
        self.row = min(max(0, row), len(self.table.rows) - 1)
        self.column = min(max(0, column), len(self.table.columns) - 1)
        if (self.row, self.column) == before:
            return
        self.redraw()
        self.post_message(self.Moved())

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return 1 + len(self.table.rows) * self._row_height

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:  # noqa: ARG002
        """The titles, and the cells around the cursor."""
        canvas = Canvas(width, height)
        if not self.table.rows:
            return canvas.drawing()
        header, per_row = self._header, self._row_height
        columns, rows = max(1, (width - header) // _COLUMN), max(1, (height - 1) // per_row)
        self._left = _scrolled(self._left, self.column, columns, len(self.table.columns))
        self._top = _scrolled(self._top, self.row, rows, len(self.table.rows))
        title, muted = (self.get_component_rich_style(f"grid--{name}") for name in ("title", "muted"))
        shown = range(self._left, min(self._left + columns, len(self.table.columns)))
        for place, column in enumerate(shown):
            canvas.put(header + place * _COLUMN, 0, safe(self.table.columns[column], _COLUMN - 2), title)
        if self._left:
            canvas.put(header - 2, 0, "<", muted)
        if shown.stop < len(self.table.columns):
            canvas.put(header + len(shown) * _COLUMN - 2, 0, ">", muted)
        for line, row in enumerate(range(self._top, min(self._top + rows, len(self.table.rows)))):
            y = 1 + line * per_row
            canvas.put(0, y, safe(self.table.rows[row]), title)
            for place, column in enumerate(shown):
                self._draw_cell(canvas, header + place * _COLUMN, y, row, column)
        return canvas.drawing()

    def _draw_cell(self, canvas: Canvas, x: int, y: int, row: int, column: int) -> None:
        here = (row, column) == (self.row, self.column)
        width = _COLUMN - _GAP
        for line, (text, name) in enumerate(
            words(self.table.cells[row][column]) for words in (published, own)
        ):
            style = self.get_component_rich_style(name) if name else Style()
            if here and self.has_focus:
                style = self.get_component_rich_style("grid--cursor")
            elif here:
                style += Style(bold=True, underline=True)
            canvas.put(x, y + line, text[:width].ljust(width if here else 0), style)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def on_click(self, event: Click) -> None:
        column, row = (
            self._left + (event.x - self._header) // _COLUMN,
            self._top + (event.y - 1) // self._row_height,
        )
        if event.x >= self._header and event.y >= 1:
            self.go(row, column)

    @property
    def _row_height(self) -> int:
        return 2 if self.screen.has_class("-short") else 3

    @property
    def _header(self) -> int:
        """Columns that the titles of the rows take."""
        return max((len(safe(title)) for title in self.table.rows), default=0) + 2


def _scrolled(first: int, cursor: int, room: int, there: int) -> int:
    """The first thing to show of those `there` are, so that the one at `cursor` is seen."""
    return max(0, cursor - room + 1, min(first, cursor, there - room))


def published(cell: Cell | None) -> tuple[str, str]:
    """The upper line of a cell and the class of its colours."""
    if cell is None:
        return "", "grid--muted"
    numbers = cell.published
    if numbers.linear is None and numbers.knn is None:
        return "unverified" if numbers.note.startswith("unverified") else "no number", "grid--muted"
    return f"{_percent(numbers.linear)} / {_percent(numbers.knn)}", ""


def own(cell: Cell | None) -> tuple[str, str]:
    """The lower line: the best of one's own runs and how many there are, or those that are not done."""
    if cell is None:
        return "", ""
    if cell.n:
        linear, knn = (
            None if best is None else 100 * best.accuracy for best in (cell.best_linear, cell.best_knn)
        )
        return f"{_percent(linear)} / {_percent(knn)} n={cell.n}", "grid--own"
    return (f"{len(cell.partial)} unfinished", "grid--muted") if cell.partial else ("", "")


def _percent(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"
