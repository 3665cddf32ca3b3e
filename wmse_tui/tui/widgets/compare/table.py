"""A table with a cursor on its rows: the first column stays, the others are reached one by one.

Only the cells that changed are sent. A cell is text with the name of a style, or the number of the series
whose colour it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Size
from textual.message import Message

from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle

_GAP = 2
_WIDEST = 48


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell: safe text, and a style: a `Tone`, the number of a series, or None."""

    text: str
    style: str | int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a table shows; the columns in `right` are aligned to the right."""

    heading: tuple[Entry, ...] = ()
    rows: tuple[tuple[Entry, ...], ...] = ()
    right: frozenset[int] = frozenset()
    empty: str = ""  # said where there are no rows


class SheetTable(RowsWidget, can_focus=True):
    """Shows a sheet."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "sheet--heading",
        "sheet--muted",
        "sheet--info",
        "sheet--good",
        "sheet--warning",
        "sheet--bad",
        "sheet--cursor",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="sheet-up", tooltip="One row up"),
        Binding("down,j", "move(1)", "Down", show=False, id="sheet-down", tooltip="One row down"),
        Binding("left,h", "turn(-1)", "Left", show=False, id="sheet-left", tooltip="Columns to the left"),
        Binding("right,l", "turn(1)", "Right", show=False, id="sheet-right", tooltip="Columns to the right"),
        Binding("g,home", "move(-1000000)", "First", show=False, id="sheet-first", tooltip="The first row"),
        Binding("G,end", "move(1000000)", "Last", show=False, id="sheet-last", tooltip="The last row"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="sheet-page-up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="sheet-page-down", tooltip="A page down"),
    ]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self._sheet = Sheet()
        self._cursor = 0
        self._top = self._left = 0

    @property
    def sheet(self) -> Sheet:
        """What is shown."""
        return self._sheet

    @property
    def cursor(self) -> int | None:
        """The row under the cursor, from 0; None where there are no rows."""
        return self._cursor if self._sheet.rows else None

    def show(self, sheet: Sheet) -> None:
        """Show `sheet`; the cursor stays on its row if there still is one."""
        if sheet == self._sheet:
            return
        taller = len(sheet.rows) != len(self._sheet.rows)
        self._sheet = sheet
        self._cursor = max(0, min(self._cursor, len(sheet.rows) - 1))
        self._left = max(0, min(self._left, len(sheet.heading) - 2))
        if taller:
            self.refresh(layout=True)
        self.redraw()

    def action_move(self, rows: int) -> None:
        """Move the cursor, not beyond the first or the last row."""
        before = self._cursor
        self._cursor = max(0, min(before + rows, len(self._sheet.rows) - 1))
        if self._cursor != before:
            self.post_message(self.Moved(self._cursor))
            self.redraw()

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is in sight."""
        self.action_move(pages * max(1, self.content_size.height - 2))

    def action_turn(self, columns: int) -> None:
        """Show columns further to the left or right, as long as some are hidden there."""
        if not self._sheet.heading:
            return
        hidden = self._left + self._fitting(self.content_size.width) < len(self._sheet.heading) - 1
        if columns < 0 or hidden:
            self._left = max(0, self._left + columns)
            self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return 1 + max(1, len(self._sheet.rows))

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """Heading, and the rows around the cursor."""
        canvas = Canvas(width, height)
        sheet = self._sheet
        if not sheet.rows:
            canvas.put(0, 0, shorten(sheet.empty, width, ascii=style.ascii), self._look("muted", style))
            return canvas.drawing()
        room = max(1, height - 1)
        if len(sheet.rows) > room:  # a line is needed to say so
            room = max(1, room - 1)
        self._top = max(0, min(self._top, self._cursor, len(sheet.rows) - room))
        self._top = max(self._top, self._cursor - room + 1)
        columns = self._columns(width)
        self._line(canvas, 0, sheet.heading, columns, style, self.get_component_rich_style("sheet--heading"))
        for y, row in enumerate(sheet.rows[self._top : self._top + room], 1):
            here = self.has_focus and self._top + y - 1 == self._cursor
            if here:
                canvas.put(0, y, " " * width, self._look("cursor", style))
            self._line(canvas, y, row, columns, style, self._look("cursor", style) if here else None)
        self._hints(canvas, columns, room, style)
        return canvas.drawing()

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def on_click(self, event: Click) -> None:
        if event.y >= 1:
            self.action_move(self._top + event.y - 1 - self._cursor)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_move(-1)

    def _columns(self, width: int) -> list[tuple[int, int, int]]:
        """The columns in sight: number, first cell, width."""
        widths = self._widths()
        places: list[tuple[int, int, int]] = []
        x = 0
        for column in (0, *range(self._left + 1, len(widths))):
            if column and x + widths[column] > width and len(places) > 1:
                break
            places.append((column, x, min(widths[column], max(0, width - x))))
            x += widths[column] + _GAP
        return places

    def _fitting(self, width: int) -> int:
        return len(self._columns(width)) - 1

    def _widths(self) -> list[int]:
        lines = (self._sheet.heading, *self._sheet.rows)
        return [
            min(_WIDEST, max(cell_len(entry.text) for entry in column)) for column in zip(*lines, strict=True)
        ]

    def _line(
        self,
        canvas: Canvas,
        y: int,
        entries: Sequence[Entry],
        columns: Sequence[tuple[int, int, int]],
        style: ChartStyle,
        over: Style | None,
    ) -> None:
        for column, x, width in columns:
            entry = entries[column]
            text = shorten(entry.text, width, ascii=style.ascii)
            if column in self._sheet.right:
                x += width - cell_len(text)
            look = self._look(entry.style, style)
            if over is not None:  # a series keeps its colour in a heading, and nothing does under the cursor
                look = over + look if y == 0 and isinstance(entry.style, int) else over
            canvas.put(x, y, text, look)

    def _hints(
        self, canvas: Canvas, columns: Sequence[tuple[int, int, int]], room: int, style: ChartStyle
    ) -> None:
        """Where there is more than can be seen: `<`, `>`, and beneath the rows which ones these are."""
        muted = self._look("muted", style)
        if self._left:
            canvas.put(columns[0][2] + 1, 0, "<", muted)
        if columns[-1][0] < len(self._sheet.heading) - 1:
            canvas.put(canvas.width - 1, 0, ">", muted)
        there = len(self._sheet.rows)
        if there > room:
            canvas.put(0, room + 1, f"{self._top + 1} to {self._top + room} of {there}", muted)

    def _look(self, name: str | int | None, style: ChartStyle) -> Style:
        if name is None:
            return Style()
        return (
            style.series(name) if isinstance(name, int) else self.get_component_rich_style(f"sheet--{name}")
        )
