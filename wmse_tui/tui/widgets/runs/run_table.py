"""The list of runs on the screen: one row for each run, of which only changed cells are sent.

Textual's DataTable needs seconds for a thousand rows and redraws all of itself; here a refresh without a
change sends nothing, and a key costs two rows. Unlike `CellTable` it is a viewport with a scrollbar, it
formats only the rows in sight, and its columns share the width that there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from wmse_tui.runs.state.status import Tone
from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui import keys
from wmse_tui.tui.widgets.runs.ages import now_minute
from wmse_tui.tui.widgets.runs.columns import DEFAULT, GAP, CellContext, Column, fit_columns
from wmse_tui.tui.widgets.runs.listing import Listing, Order
from wmse_tui.tui.widgets.table import Cell

MARK = 2  # cells before the first column
_HEAD = 1  # rows


@dataclass(frozen=True, slots=True)
class _ScreenLine:
    """A line of the screen: a heading, or a row that is at the cursor, marked, plain, or missing (empty)."""

    kind: Literal["heading", "cursor", "marked", "plain", "empty"]
    cells: tuple[Cell, ...] = ()


class RunTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a listing, with ages as of a minute; the cursor stays on its run."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"table--{name}" for name in ("heading", "cursor", "marked", "plain", *get_args(Tone))
    }
    BINDINGS = keys.RUN_TABLE

    class Moved(Message):
        """The cursor is on another run, or its run has changed; None: there is none."""

        def __init__(self, row: RunRow | None) -> None:
            super().__init__()
            self.row = row

    class Chosen(Message):
        """A run was double-clicked."""

    class MarkClicked(Message):
        """The mark before the current run was clicked."""

    class HeadingClicked(Message):
        """The heading of a column was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._ascii = ascii_only
        self._listing = Listing()
        self._minute = now_minute()
        self._names: tuple[str, ...] = DEFAULT
        self._columns: tuple[tuple[Column, int], ...] = ()
        self._cursor = 0  # its row
        self._moved = False  # by a key or a click; until then the cursor stays at the top while runs appear
        self._drawn: dict[int, _ScreenLine] = {}  # by line of the screen

    @property
    def rows(self) -> tuple[RunRow, ...]:
        """The listed runs, in order."""
        return self._listing.rows

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        return self.rows[self._cursor] if self.rows else None

    def show(self, listing: Listing, minute: int) -> None:
        """Show this list; the cursor stays on its run, or on its row if that run is not listed any more."""
        before, rows = self.current, listing.rows
        if listing is self._listing and minute == self._minute:
            return
        resized = len(rows) != len(self._listing.rows)
        self._listing, self._minute = listing, minute
        if not rows or not self._moved:
            self._cursor = 0
        else:
            path = before.path if before is not None else ""
            found = next((index for index, row in enumerate(rows) if row.path == path), self._cursor)
            self._cursor = min(found, len(rows) - 1)
        if resized:
            self.virtual_size = Size(0, len(rows) + _HEAD)
        self._scroll_to_cursor()
        self._redraw()
        if self.current is not before:
            self.post_message(self.Moved(self.current))

    def show_columns(self, names: Iterable[str]) -> None:
        """Show these columns, as far as they fit, in their usual order."""
        self._names = tuple(names)
        self._columns = fit_columns(self.size.width - MARK, self._names)
        self._drawn.clear()
        self.refresh()

    # Moving

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self._move(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by a screen."""
        self._move(self._cursor + by * max(1, self._height - 1))

    def action_move_to(self, row: int) -> None:
        """Move the cursor to a row; -1 is the last."""
        self._move(row if row >= 0 else len(self.rows) + row)

    def _move(self, row: int) -> None:
        self._moved = True
        row = max(0, min(row, len(self.rows) - 1))
        if row == self._cursor:
            return
        self._cursor = row
        self._scroll_to_cursor()
        self._redraw()
        self.post_message(self.Moved(self.current))

    @property
    def _height(self) -> int:
        """Rows of runs that fit."""
        return max(0, self.size.height - _HEAD)

    def _scroll_to_cursor(self) -> None:
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + self._height > 0:
            self.scroll_to(y=self._cursor - self._height + 1, animate=False, immediate=True)

    def on_click(self, event: Click) -> None:
        where = event.get_content_offset(self)
        if where is None:
            return
        row = where.y - _HEAD + self.scroll_offset.y
        if where.y < _HEAD:
            self._click_heading(where.x)
        elif row < len(self.rows):
            self._move(row)
            if where.x < MARK:
                self.post_message(self.MarkClicked())
            elif event.chain == 2:
                self.post_message(self.Chosen())

    def _click_heading(self, x: int) -> None:
        left = MARK
        for column, width in self._columns:
            if left <= x < left + width + GAP:
                self.post_message(self.HeadingClicked(column.name))
            left += width + GAP

    # Drawing

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self._columns = fit_columns(self.size.width - MARK, self._names)
        self._scroll_to_cursor()
        self._drawn.clear()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._drawn.clear()  # Textual sends every line after a scroll

    def notify_style_update(self) -> None:
        self._drawn.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        line = self._drawn[y] = self._line(y)
        width = self.size.width
        if line.kind == "empty":
            return Strip.blank(width, self.rich_style)
        whole = self.get_component_rich_style(f"table--{line.kind}")
        segments = [Segment(f"{line.cells[0].text:<{MARK}}", whole)]
        for cell in line.cells[1:]:
            segments += [Segment(cell.text, self._style(line, cell, whole)), Segment(" " * GAP, whole)]
        return Strip(segments).adjust_cell_length(width, whole)

    def _style(self, line: _ScreenLine, cell: Cell, whole: Style) -> Style:
        if cell.style is None or line.kind in ("cursor", "heading"):
            return whole
        return self.get_component_rich_style(f"table--{cell.style}")

    def _redraw(self) -> None:
        """Refresh the cells that differ from what was drawn last."""
        for y in range(self.size.height):
            before, after = self._drawn.get(y), self._line(y)
            if before == after:
                continue
            for region in self._changed(y, before, after):
                self.refresh(region)

    def _changed(self, y: int, before: _ScreenLine | None, after: _ScreenLine) -> list[Region]:
        if before is None or before.kind != after.kind or len(before.cells) != len(after.cells):
            return [Region(0, y, self.size.width, 1)]
        regions = []
        left, widths = 0, (MARK, *(width for _, width in self._columns))
        for width, old, new in zip(widths, before.cells, after.cells, strict=True):
            if old != new:
                regions.append(Region(left, y, width, 1))
            left += width + (GAP if left else 0)
        return regions

    def _line(self, y: int) -> _ScreenLine:
        """The current content of a line of the screen."""
        if y < _HEAD:
            return _ScreenLine("heading", (Cell(""), *(self._heading(*pair) for pair in self._columns)))
        index = y - _HEAD + self.scroll_offset.y
        if index >= len(self.rows):
            return _ScreenLine("empty")
        row = self.rows[index]
        marked = row.path in self._listing.marked
        cells = [Cell("●" if marked else "")]
        for column, width in self._columns:
            cell = column.cell(row, CellContext(width, self._minute, self._ascii))
            cells.append(Cell(_fitted(cell.text, width, right=column.right), cell.style))
        return _ScreenLine(
            "cursor" if index == self._cursor else "marked" if marked else "plain", tuple(cells)
        )

    def _heading(self, column: Column, width: int) -> Cell:
        title = column.title
        if column.name == self._listing.order.column:
            arrow = _arrow(self._listing.order)
            title = f"{title[: width - 1]}{arrow}"
        return Cell(_fitted(title, width, right=column.right))


def _arrow(order: Order) -> str:
    return "▼" if order.falling else "▲"


def _fitted(text: str, width: int, *, right: bool) -> str:
    """`text` in exactly `width` cells, wide characters counted as two."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width)
    return " " * (width - length) + text if right else text + " " * (width - length)
