"""A widget made of rows of cells that repaints only the cells that changed.

Textual repaints a whole widget on a refresh. This one compares a new drawing with the one on the screen, row
by row, and refreshes the difference. It draws nothing while it is hidden.
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

_SizeAndStyle: TypeAlias = tuple[int, int, ChartStyle]


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
        self._drawn_for: _SizeAndStyle | None = None  # None: the screen is out of date

    @property
    def drawing(self) -> Drawing:
        """The latest drawing."""
        return self._drawing

    @abstractmethod
    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The rows at that size: a pure function of the widget's data."""

    def redraw(self) -> None:
        """Repaint the changed cells, or everything once the widget is visible again."""
        if self._drawn_for is None:
            return  # a full repaint is pending
        if not self._is_visible() or self._drawn_for != self._size_and_style():
            self._drawn_for = None
            self.refresh()
            return
        before = self._drawing.rows
        self._drawing = self.draw_rows(*self._drawn_for)
        for region in changes(before, self._drawing.rows):
            self.refresh(region)

    def render_line(self, y: int) -> Strip:
        """One row; draws again if size or style have changed."""
        current = self._size_and_style()
        if self._drawn_for != current:
            self._drawing = self.draw_rows(*current)
            self._drawn_for = current
        base = self.visual_style.rich_style
        rows = self._drawing.rows
        if y >= len(rows):
            return Strip.blank(current[0], base)
        return Strip(rows[y], current[0]).apply_style(base)

    def _size_and_style(self) -> _SizeAndStyle:
        size = self.content_size
        return size.width, size.height, chart_style(self.app)

    def _is_visible(self) -> bool:
        return self.is_attached and self.screen.is_current and self.is_on_screen


def changes(before: tuple[Row, ...], after: tuple[Row, ...]) -> list[Region]:
    """The regions in which two drawings of one size differ, at most one for each row."""
    regions = []
    for y, (old, new) in enumerate(zip(before, after, strict=True)):
        if old != new:
            start, end = _difference(old, new)
            if start < end:
                regions.append(Region(start, y, end - start, 1))
    return regions


def _difference(old: Row, new: Row) -> tuple[int, int]:
    """The columns between which two rows differ; all of them if a row has wide characters."""
    before, after = _cells(old), _cells(new)
    if len(before) != len(after) or len(after) != sum(cell_len(segment.text) for segment in new):
        return 0, sum(cell_len(segment.text) for segment in new)
    start, end = 0, len(after)
    while start < end and before[start] == after[start]:
        start += 1
    while end > start and before[end - 1] == after[end - 1]:
        end -= 1
    return start, end


def _cells(row: Row) -> list[tuple[str, object]]:
    return [
        (character, None if character == " " and is_bare(segment.style) else segment.style)
        for segment in row
        for character in segment.text
    ]
