"""The legend: beside the title where it fits, else in the emptiest corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from wmse_tui.runs.text.sanitize import shortened_apart
from wmse_tui.tui.charts.canvas import Box, Canvas
from wmse_tui.tui.charts.style import ChartStyle

_GAP = 2


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A marker, its label (sanitised) and the style of its series."""

    marker: str
    label: str
    style: Style


def legend_width(entries: Sequence[LegendEntry]) -> int:
    """Cells that the entries need in one row."""
    return sum(2 + cell_len(entry.label) for entry in entries) + _GAP * max(0, len(entries) - 1)


def draw_legend(canvas: Canvas, entries: Sequence[LegendEntry], style: ChartStyle, box: Box | None) -> None:
    """Draw into the top row, right-aligned; with a `box`, into the corner where it hides least."""
    if box is None:
        x = canvas.width - legend_width(entries)
        for entry in entries:
            canvas.put(x, 0, entry.marker, entry.style)
            x = canvas.put(x + 2, 0, entry.label) + _GAP
        return
    _, _, width, height = box
    rows = min(len(entries), height - 1)
    columns = min(max(cell_len(entry.label) for entry in entries) + 4, width * 2 // 3)
    if rows < 1 or columns < 8:
        return
    shown = list(entries[:rows])
    if rows < len(entries):
        more = f"{len(entries) - rows + 1} more"
        shown[-1] = LegendEntry("+", more, style.part("muted"))
    x, y = _corner(canvas, box, columns, len(shown))
    dots = "." if style.ascii else "…"
    labels = shortened_apart([entry.label for entry in shown], columns - 4, dots=dots)
    for row, (entry, label) in enumerate(zip(shown, labels, strict=True), y):
        canvas.put(x, row, " " * columns)
        canvas.put(x + 1, row, entry.marker, entry.style)
        canvas.put(x + 3, row, shorten(label, columns - 4, ascii=style.ascii))


def shorten(text: str, width: int, *, ascii: bool = False) -> str:  # noqa: A002 (what the mode is called)
    """`text` in at most `width` cells; an ellipsis marks a cut."""
    if cell_len(text) <= width:
        return text
    dots = "..." if ascii else "…"
    if width < 4:
        return set_cell_size(text, max(0, width)).rstrip()
    return set_cell_size(text, width - len(dots)).rstrip() + dots


def _corner(canvas: Canvas, box: Box, columns: int, rows: int) -> tuple[int, int]:
    left, top, width, height = box
    right, bottom = left + width - columns, top + height - rows
    corners = ((right, top), (right, bottom), (left, top), (left, bottom))

    def hidden(corner: tuple[int, int]) -> int:
        x, y = corner
        return sum(
            not canvas.is_free(column, row) for row in range(y, y + rows) for column in range(x, x + columns)
        )

    return min(corners, key=hidden)
