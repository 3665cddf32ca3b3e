"""The list of runs on the screen: one row for each run or group, of which only changed cells are sent.

Textual's DataTable needs seconds for a thousand rows and redraws all of itself; here a refresh without a
change sends nothing, and a key costs two rows. Unlike `CellTable` it is a viewport with a scrollbar, it
formats only the rows in sight, and its columns share the width that there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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
from wmse_tui.runs.table.groups import RunGroup
from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui import keys
from wmse_tui.tui.widgets.runs.ages import now_minute
from wmse_tui.tui.widgets.runs.columns import DEFAULT, GAP, CellContext, Column, fit_columns, group_cell
from wmse_tui.tui.widgets.runs.listing import Listing, ListLine, Order
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
        """The cursor is on another line, or its run or group has changed."""

        def __init__(self, line: ListLine) -> None:
            super().__init__()
            self.row = line.row
            self.group = line.group if line.row is None else None

    class Chosen(Message):
        """A run or group was double-clicked."""

    class MarkClicked(Message):
        """The mark before the current run or group was clicked."""

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
        self._cursor = 0  # its line
        self._moved = False  # by a key or a click; until then the cursor stays at the top while runs appear
        self._drawn: dict[int, _ScreenLine] = {}  # by line of the screen

    @property
    def rows(self) -> tuple[RunRow, ...]:
        """The listed runs, in order."""
        return self._listing.rows

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor; None on a group too."""
        return self._line_at_cursor.row

    @property
    def current_group(self) -> RunGroup | None:
        """The group under the cursor."""
        return self._line_at_cursor.group if self._line_at_cursor.row is None else None

    @property
    def _lines(self) -> tuple[ListLine, ...]:
        return self._listing.lines

    @property
    def _line_at_cursor(self) -> ListLine:
        return self._lines[self._cursor] if self._lines else ListLine()

    def show(self, listing: Listing, minute: int) -> None:
        """Show this list; the cursor stays on its run or group, or on its line if that is gone."""
        before, lines = self._line_at_cursor, listing.lines
        if listing is self._listing and minute == self._minute:
            return
        resized = len(lines) != len(self._lines)
        before_fitted = self._width, bool(self._listing.by)
        self._listing, self._minute = listing, minute
        if not lines or not self._moved:
            self._cursor = 0
        else:
            found = _index_of(before, lines)
            self._cursor = min(self._cursor if found is None else found, len(lines) - 1)
        if before_fitted != (self._width, bool(listing.by)):
            self._fit_columns()
        if resized:
            self.virtual_size = Size(0, len(lines) + _HEAD)
        self._scroll_to_cursor()
        self._redraw()
        if self._line_at_cursor != before:
            self.post_message(self.Moved(self._line_at_cursor))

    def show_columns(self, names: Iterable[str]) -> None:
        """Show these columns, as far as they fit, in their usual order."""
        self._names = tuple(names)
        self._fit_columns()

    def _fit_columns(self) -> None:
        self._columns = fit_columns(self._width - MARK, self._names, means=bool(self._listing.by))
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
        self._move(row if row >= 0 else len(self._lines) + row)

    def _move(self, row: int) -> None:
        self._moved = True
        row = max(0, min(row, len(self._lines) - 1))
        if row == self._cursor:
            return
        self._cursor = row
        self._scroll_to_cursor()
        self._redraw()
        self.post_message(self.Moved(self._line_at_cursor))

    @property
    def _width(self) -> int:
        """Cells of a line, without the scrollbar that a long list has."""
        return self.size.width - (len(self._lines) > self._height)

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
        elif row < len(self._lines):
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
        self._scroll_to_cursor()
        self._fit_columns()

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
        if index >= len(self._lines):
            return _ScreenLine("empty")
        line = self._lines[index]
        marked = self._is_marked(line)
        cells = [Cell("●" if marked else "")]
        for column, width in self._columns:
            cell = self._cell(line, column, width)
            cells.append(Cell(_fitted(cell.text, width, right=column.right), cell.style))
        return _ScreenLine(
            "cursor" if index == self._cursor else "marked" if marked else "plain", tuple(cells)
        )

    def _is_marked(self, line: ListLine) -> bool:
        """Whether the run is marked, or all runs of the group are."""
        rows = line.group.rows if line.row is None and line.group is not None else (line.row,)
        return all(row is not None and row.path in self._listing.marked for row in rows)

    def _cell(self, line: ListLine, column: Column, width: int) -> Cell:
        options = self._listing.options
        indent = ""
        if column.name == "run" and line.group is not None:
            unfolded = line.group.name in self._listing.unfolded
            indent = "  " if line.row is not None else "▾ " if unfolded else "▸ "
        context = CellContext(width - len(indent), self._minute, self._ascii)
        if line.row is not None:
            cell = column.cell(line.row, replace(context, options=options.of(line.row)))
        else:
            assert line.group is not None, "a line is of a run or of a group"
            cell = group_cell(column, line.group, context, options)
        return Cell(indent + cell.text, cell.style)

    def _heading(self, column: Column, width: int) -> Cell:
        title = column.title
        if column.name == self._listing.order.column:
            arrow = _arrow(self._listing.order)
            title = f"{title[: width - 1]}{arrow}"
        return Cell(_fitted(title, width, right=column.right))


def _index_of(line: ListLine, lines: Sequence[ListLine]) -> int | None:
    """Where the line is in another list, or the nearest thing to it: its run, or the group of that."""
    path = line.row.path if line.row else line.group.rows[0].path if line.group else ""
    for same in (
        lambda other: other.key == line.key,
        lambda other: other.row is not None and other.row.path == path,
        lambda other: other.group is not None and any(row.path == path for row in other.group.rows),
    ):
        for index, other in enumerate(lines):
            if same(other):
                return index
    return None


def _arrow(order: Order) -> str:
    return "▼" if order.falling else "▲"


def _fitted(text: str, width: int, *, right: bool) -> str:
    """`text` in exactly `width` cells, wide characters counted as two."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width)
    return " " * (width - length) + text if right else text + " " * (width - length)
