"""A table with a cursor on a row or on a cell; the first column stays in place when the others scroll.

Only the cells that changed are sent. Texts must be safe for a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from rich.cells import cell_len
from rich.style import Style
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Size
from textual.message import Message

from wmse_tui.runs.state.status import Tone
from wmse_tui.tui import keys
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle

_GAP = 2
_WIDEST = 48
_LAST = 1_000_000  # beyond the last row or column of any table


@dataclass(frozen=True, slots=True)
class Cell:
    """Text and its style: heading, a tone, the number of a series, or None. `below` is its next line."""

    text: str
    style: Tone | Literal["heading"] | int | None = None
    below: Cell | None = None

    @property
    def lines(self) -> tuple[Cell, ...]:
        """This line and those below it."""
        return (self,) if self.below is None else (self, *self.below.lines)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The content of a table.

    Attributes:
        heading: one cell for each column; the first column is that of the row titles.
        rows: as many cells each.
        right: the columns that are aligned to the right.
        least: the width of each column but the first, at least.
        empty: shown where there are no rows.
    """

    heading: tuple[Cell, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    right: frozenset[int] = frozenset()
    least: int = 0
    empty: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column on the screen: its index, first cell and width."""

    index: int
    x: int
    width: int


class CellTable(RowsWidget, can_focus=True):
    """Shows a sheet. With a cursor on cells, Left and Right move it; else they scroll the columns."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"table--{name}" for name in ("heading", "cursor", *get_args(Tone))
    }
    BINDINGS = keys.TABLE

    class Moved(Message):
        """The cursor is on another row or cell."""

        def __init__(self, table: CellTable) -> None:
            super().__init__()
            self.table = table

    def __init__(
        self,
        *,
        cursor: Literal["row", "cell"] = "row",
        id: str | None = None,  # noqa: A002 (textual's name)
    ) -> None:
        super().__init__(id=id)
        self._by_cell = cursor == "cell"
        self._sheet = Sheet()
        self._row = self._column = 0
        self._top = self._left = 0  # rows and columns (but the first) scrolled out of view
        self._fitting = 0  # rows that were drawn

    @property
    def sheet(self) -> Sheet:
        """What is shown."""
        return self._sheet

    @property
    def row(self) -> int | None:
        """The row under the cursor, from 0; None where there are no rows."""
        return self._row if self._sheet.rows else None

    @property
    def column(self) -> int:
        """The column under the cursor, from 0 for the one after the row titles."""
        return self._column

    def show(self, sheet: Sheet) -> None:
        """Show `sheet`; the cursor stays where it is if there still is such a row or cell."""
        if sheet == self._sheet:
            return
        height = self.whole_height
        self._sheet = sheet
        self._row, self._column = self._clamped(self._row, self._column)
        self._left = max(0, min(self._left, len(sheet.heading) - 2))
        if self.whole_height != height:
            self.refresh(layout=True)
        self.redraw()

    def go(self, row: int, column: int) -> None:
        """Put the cursor on a cell, or on the nearest one that exists."""
        row, column = self._clamped(row, column)
        if (row, column) != (self._row, self._column):
            self._row, self._column = row, column
            self.post_message(self.Moved(self))
            self.redraw()

    def action_move(self, rows: int) -> None:
        """Move the cursor, not beyond the first or the last row."""
        self.go(self._row + rows, self._column)

    def action_page(self, pages: int) -> None:
        """Move the cursor by the number of visible rows."""
        self.action_move(pages * max(1, self._fitting))

    def action_first(self) -> None:
        """Go to the first row or cell."""
        self.go(0, 0)

    def action_last(self) -> None:
        """Go to the last row or cell."""
        self.go(_LAST, _LAST)

    def action_move_column(self, columns: int) -> None:
        """Move a cell cursor by columns; with a row cursor, scroll the columns."""
        if self._by_cell:
            self.go(self._row, self._column + columns)
            return
        if not self._sheet.heading:
            return
        more = self._columns(self.content_size.width)[-1].index < len(self._sheet.heading) - 1
        if columns < 0 or more:
            self._left = max(0, self._left + columns)
            self.redraw()

    def _clamped(self, row: int, column: int) -> tuple[int, int]:
        columns = len(self._sheet.heading) - 1 if self._by_cell else 1
        return max(0, min(row, len(self._sheet.rows) - 1)), max(0, min(column, columns - 1))

    # Drawing

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return max(2, self.whole_height)

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The heading, and the rows around the cursor."""
        canvas = Canvas(width, height)
        sheet, heights = self._sheet, self._heights(height)
        if not sheet.rows:
            canvas.put(0, 0, shorten(sheet.empty, width, ascii=style.ascii), self._style("muted", style))
            return canvas.drawing()
        # Where not all of them fit, the last line shows which rows these are.
        space = height - 1 if sum(heights) <= height - 1 else height - 2
        self._top = max(0, min(self._top, self._row, _first_of_last(heights, space)))
        self._top = max(self._top, _first_of_last(heights[: self._row + 1], space))
        columns = self._columns(width)
        self._draw_heading(canvas, columns, style)
        y, self._fitting = 1, 0
        for index in range(self._top, len(sheet.rows)):
            if self._fitting and y + heights[index] > 1 + space:
                break
            self._draw_row(canvas, y, index, columns, style)
            y, self._fitting = y + heights[index], self._fitting + 1
        self._draw_hints(canvas, columns, y, style)
        return canvas.drawing()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Draw with the cursor, or without it; a handler of Focus runs before `has_focus` changes."""
        super().watch_has_focus(has_focus)
        self.redraw()

    def on_click(self, event: Click) -> None:
        if event.y < 1 or not self._sheet.rows:
            return
        columns = self._columns(self.content_size.width)
        under = [column.index for column in columns if column.index and column.x <= event.x]
        if under or not self._by_cell:
            y, row = 1, self._top
            for height in self._heights(self.content_size.height)[self._top :]:
                y += height
                if event.y < y:
                    break
                row += 1
            self.go(row, max(under, default=1) - 1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_move(-1)

    def _heights(self, height: int) -> list[int]:
        """Lines from each row to the next, with a blank one below rows of several lines if all rows fit."""
        spaced = self.whole_height <= height
        return [_lines(row) + (spaced and _lines(row) > 1) for row in self._sheet.rows]

    @property
    def whole_height(self) -> int:
        """Lines of the heading and of all rows."""
        return 1 + sum(_lines(row) + (_lines(row) > 1) for row in self._sheet.rows)

    def _columns(self, width: int) -> list[_Shown]:
        """The columns in sight; that of the cursor is among them."""
        widths = self._widths()
        if self._by_cell:
            self._left = min(self._left, self._column)
        shown = self._from(self._left, widths, width)
        while self._by_cell and shown[-1].index <= self._column and self._left < self._column:
            self._left += 1
            shown = self._from(self._left, widths, width)
        return shown

    @staticmethod
    def _from(left: int, widths: Sequence[int], width: int) -> list[_Shown]:
        shown: list[_Shown] = []
        x = 0
        for index in (0, *range(left + 1, len(widths))):
            if index and x + widths[index] > width and len(shown) > 1:
                break
            shown.append(_Shown(index, x, min(widths[index], max(0, width - x))))
            x += widths[index] + _GAP
        return shown

    def _widths(self) -> list[int]:
        sheet = self._sheet
        widest = [max(map(_width, column)) for column in zip(sheet.heading, *sheet.rows, strict=True)]
        return [min(_WIDEST, max(width, sheet.least if index else 0)) for index, width in enumerate(widest)]

    def _draw_heading(self, canvas: Canvas, columns: Sequence[_Shown], style: ChartStyle) -> None:
        whole = self._style("heading", style)
        for column in columns:
            cell = self._sheet.heading[column.index]
            # A series has its own colour in a heading too.
            self._draw_text(canvas, 0, column, cell, whole + self._style(cell.style, style), style)

    def _draw_row(
        self, canvas: Canvas, y: int, index: int, columns: Sequence[_Shown], style: ChartStyle
    ) -> None:
        at_row = index == self._row
        if at_row and self.has_focus and not self._by_cell:
            canvas.put(0, y, " " * canvas.width, self._style("cursor", style))
        for column in columns:
            cell = self._sheet.rows[index][column.index]
            at_cursor = at_row and (column.index - 1 == self._column if self._by_cell else self.has_focus)
            lines = _lines(self._sheet.rows[index])
            for line, part in enumerate((*cell.lines, *(Cell(""),) * (lines - len(cell.lines)))):
                cell_style = self._style(part.style, style)
                if at_cursor and self.has_focus:
                    cell_style = self._style("cursor", style)
                elif at_cursor:
                    cell_style += Style(bold=True, underline=True)
                if at_cursor and self._by_cell:
                    canvas.put(column.x, y + line, " " * column.width, cell_style)
                self._draw_text(canvas, y + line, column, part, cell_style, style)

    def _draw_text(
        self, canvas: Canvas, y: int, column: _Shown, cell: Cell, cell_style: Style, style: ChartStyle
    ) -> None:
        text = shorten(cell.text, column.width, ascii=style.ascii)
        indent = column.width - cell_len(text) if column.index in self._sheet.right else 0
        canvas.put(column.x + indent, y, text, cell_style)

    def _draw_hints(self, canvas: Canvas, columns: Sequence[_Shown], y: int, style: ChartStyle) -> None:
        """Mark hidden columns with `<` and `>`; in line `y`, the range of visible rows."""
        muted = self._style("muted", style)
        if self._left:
            canvas.put(columns[0].width, 0, "<", muted)
        if columns[-1].index < len(self._sheet.heading) - 1:
            canvas.put(canvas.width - 1, 0, ">", muted)
        total = len(self._sheet.rows)
        if total > self._fitting:
            text = f"{self._top + 1} to {self._top + self._fitting} of {total}"
            canvas.put(0, y, text, muted)

    def _style(self, name: str | int | None, style: ChartStyle) -> Style:
        if name is None:
            return Style()
        if isinstance(name, int):
            return style.series(name)
        return self.get_component_rich_style(f"table--{name}")


def _width(cell: Cell) -> int:
    return max(cell_len(line.text) for line in cell.lines)


def _lines(row: Sequence[Cell]) -> int:
    return max(len(cell.lines) for cell in row)


def _first_of_last(heights: Sequence[int], space: int) -> int:
    """The index of the first of the last rows that fit in `space` lines together, at least one."""
    first, used = len(heights), 0
    while first and (used + heights[first - 1] <= space or not used):
        first -= 1
        used += heights[first]
    return first
