"""A widget that is rows of cells, and sends only the cells that changed.

Textual repaints all of a widget that is refreshed. Here a new drawing is compared with the one on the screen,
row by row, and only what differs is refreshed. Nothing is drawn while nobody sees it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeAlias

from rich.cells import cell_len
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from wmse_tui.tui.charts.canvas import Drawing, Row, is_bare
from wmse_tui.tui.charts.style import ChartStyle, chart_style

_Circumstances: TypeAlias = tuple[int, int, ChartStyle]


class RowsWidget(Widget):
    """Shows what `draw_rows` gives; subclasses call `redraw` when that may have changed."""

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 (textual's name)
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._drawing = Drawing()
        self._drawn_for: _Circumstances | None = None  # None: what is on the screen is out of date

    @property
    def drawing(self) -> Drawing:
        """What was drawn last."""
        return self._drawing

    @abstractmethod
    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The picture at that size: a pure function of what the widget holds."""

    def redraw(self) -> None:
        """Show what there is now: the changed cells at once if the widget is seen, else all when it is."""
        if self._drawn_for is None:
            return  # a repaint of everything is under way, or waits until somebody looks
        if not self._is_seen() or self._drawn_for != self._circumstances():
            self._drawn_for = None
            self.refresh()
            return
        before = self._drawing.rows
        self._drawing = self.draw_rows(*self._drawn_for)
        for region in changes(before, self._drawing.rows):
            self.refresh(region)

    def render_line(self, y: int) -> Strip:
        """A row, drawn anew where size or style are no longer those of the drawing."""
        circumstances = self._circumstances()
        if self._drawn_for != circumstances:
            self._drawing = self.draw_rows(*circumstances)
            self._drawn_for = circumstances
        base = self.visual_style.rich_style
        rows = self._drawing.rows
        if y >= len(rows):
            return Strip.blank(circumstances[0], base)
        return Strip(rows[y], circumstances[0]).apply_style(base)

    def _circumstances(self) -> _Circumstances:
        size = self.content_size
        return size.width, size.height, chart_style(self.app)

    def _is_seen(self) -> bool:
        return self.is_attached and self.screen.is_current and self.is_on_screen


def changes(before: tuple[Row, ...], after: tuple[Row, ...]) -> list[Region]:
    """The regions in which two drawings of one size look different: one for each row that does."""
    regions = []
    for y, (old, new) in enumerate(zip(before, after, strict=True)):
        if old != new:
            start, end = _difference(old, new)
            if start < end:
                regions.append(Region(start, y, end - start, 1))
    return regions


def _difference(old: Row, new: Row) -> tuple[int, int]:
    """From where to where two rows differ. Rows with characters of two cells are not taken apart."""
    was, now = _cells(old), _cells(new)
    if len(was) != len(now) or len(now) != sum(cell_len(segment.text) for segment in new):
        return 0, sum(cell_len(segment.text) for segment in new)
    start, end = 0, len(now)
    while start < end and was[start] == now[start]:
        start += 1
    while end > start and was[end - 1] == now[end - 1]:
        end -= 1
    return start, end


def _cells(row: Row) -> list[tuple[str, object]]:
    return [
        (character, None if character == " " and is_bare(segment.style) else segment.style)
        for segment in row
        for character in segment.text
    ]
