"""The embedding map: points in two dimensions, each in the colour and the marker of its class.

Where several points share a cell, the class with most of them is drawn. Up to 104 classes have distinct
combinations of colour and marker.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from wmse_tui.runs.text.axis import Scale, round_limits, usable
from wmse_tui.runs.text.sanitize import shortened_apart
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle

_MOST = 20_000  # points; of more, an evenly spaced selection
_LONGEST = 24  # cells of a class name
_WIDE = 50  # columns from which on the legend is beside the map


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points with the index of their class, and the names of the classes that occur."""

    points: tuple[tuple[float, float, int], ...] = ()
    names: tuple[tuple[int, str], ...] = ()


def cloud(points: Iterable[Any], labels: Iterable[Any], class_names: Iterable[Any]) -> Cloud:
    """Points (n, 2), labels (n,) and names from sequences or arrays; points that are not finite are left out.

    Raises:
        ValueError: the values do not have these types and shapes.
    """
    try:
        rows, kinds = _plain(points), _plain(labels)
        stride = max(1, -(-min(len(rows), len(kinds)) // _MOST))
        read = [
            (float(row[0]), float(row[1]), int(kind))
            for row, kind in zip(rows[::stride], kinds[::stride], strict=False)
        ]
        names = [str(name) for name in _plain(class_names)]
    except (TypeError, ValueError, IndexError, OverflowError, KeyError) as error:
        raise ValueError("the points of this map cannot be read") from error
    finite = tuple(point for point in read if math.isfinite(point[0]) and math.isfinite(point[1]))
    present = sorted({kind for _, _, kind in finite})
    return Cloud(
        finite, tuple((kind, names[kind] if 0 <= kind < len(names) else str(kind)) for kind in present)
    )


def draw_scatter(
    cloud: Cloud,
    *,
    width: int,
    height: int,
    style: ChartStyle,
    title: str = "",
    note: str = "",
    empty: str = "no map yet",
) -> Drawing:
    """The points, and beside or below them a legend with as many classes as fit."""
    if width < 1 or height < 1:
        return Drawing()
    canvas = Canvas(width, height)
    title, note, empty = map(style.text, (title, note, empty))
    top = int(bool(title or note) and height >= 3)
    if top:
        x = canvas.put(0, 0, title, style.part("title"))
        canvas.put(x + bool(title), 0, note, style.part("muted"))
    if not cloud.points:
        canvas.centre(empty, (0, top, width, height - top), style.part("muted"))
        return canvas.drawing()
    names = [(kind, style.text(name)) for kind, name in cloud.names]
    if width >= _WIDE and height - top >= 3:
        size = _legend_beside(canvas, names, style, top), height - top
    else:
        below = int(height - top >= 4)
        size = width, height - top - below
        if below:
            _legend_below(canvas, names, style)
    _points(canvas, cloud, style, top, *size)
    return canvas.drawing()


class Scatter(RowsWidget):
    """The embedding map."""

    DEFAULT_CSS = "Scatter { height: 1fr; min-height: 3; }"

    _shown: tuple[Cloud, str, str, str] = (Cloud(), "", "", "no map yet")

    def show(
        self,
        points: Iterable[Any],
        labels: Iterable[Any],
        class_names: Iterable[Any],
        title: str = "",
        note: str = "",
    ) -> None:
        """Show points (n, 2) with labels (n,); the arrays are copied."""
        try:
            self._accept((cloud(points, labels, class_names), title, note, "no map yet"))
        except ValueError as error:
            self._accept((Cloud(), title, note, str(error)))

    def clear(self, title: str = "", empty: str = "no map yet") -> None:
        """Show `empty` instead of a map."""
        self._accept((Cloud(), title, "", empty))

    @property
    def points(self) -> tuple[tuple[float, float, int], ...]:
        """The points in the map, each with the index of its class."""
        return self._shown[0].points

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The map at that size."""
        cloud, title, note, empty = self._shown
        return draw_scatter(
            cloud, width=width, height=height, style=style, title=title, note=note, empty=empty
        )

    def _accept(self, shown: tuple[Cloud, str, str, str]) -> None:
        if shown != self._shown:
            self._shown = shown
            self.redraw()


def _plain(values: Iterable[Any]) -> Sequence[Any]:
    tolist = getattr(values, "tolist", None)
    return list(tolist() if callable(tolist) else values)


def _points(canvas: Canvas, cloud: Cloud, style: ChartStyle, top: int, width: int, height: int) -> None:
    x_scale = _scale([x for x, _, _ in cloud.points], width)
    y_scale = _scale([y for _, y, _ in cloud.points], height)
    cells: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for x, y, kind in cloud.points:
        column, row = x_scale.dot_inside(x), y_scale.dot_inside(y)
        if column is not None and row is not None:
            cells[column, top + height - 1 - row][kind] += 1
    for (column, row), counts in cells.items():
        kind = min(counts, key=lambda one: (-counts[one], one))
        canvas.put(column, row, style.marker(kind), style.series(kind))


def _scale(values: Sequence[float], dots: int) -> Scale:
    limits = min(values), max(values)
    return Scale(*(limits if usable(limits) else round_limits(*limits)), dots)


def _legend_beside(canvas: Canvas, names: Sequence[tuple[int, str]], style: ChartStyle, top: int) -> int:
    """Draw it in columns on the right, a third of the width at most; returns the width left of it."""
    rows = canvas.height - top
    each = min(max(cell_len(name) for _, name in names), _LONGEST) + 3
    columns = max(1, min(-(-len(names) // rows), canvas.width // 3 // each))
    left = canvas.width - columns * each
    most = rows * columns
    shown = names if len(names) <= most else names[: most - 1]
    labels = shortened_apart([name for _, name in shown], each - 3, dots="." if style.ascii else "…")
    for index, ((kind, _), name) in enumerate(zip(shown, labels, strict=True)):
        x, y = left + index // rows * each, top + index % rows
        canvas.put(x + 1, y, style.marker(kind), style.series(kind))
        canvas.put(x + 3, y, shorten(name, each - 3, ascii=style.ascii))
    if len(shown) < len(names):
        more = f"+{len(names) - len(shown)} more"
        canvas.put(left + (columns - 1) * each + 1, canvas.height - 1, more, style.part("muted"))
    return left - 1


def _legend_below(canvas: Canvas, names: Sequence[tuple[int, str]], style: ChartStyle) -> None:
    """Draw it in the bottom row."""
    x, y = 0, canvas.height - 1
    for index, (kind, name) in enumerate(names):
        more = f"+{len(names) - index} more"
        last = index == len(names) - 1
        needed = 2 + cell_len(name) + (0 if last else 2 + len(more))
        if x + needed > canvas.width:
            canvas.put(x, y, more, style.part("muted"))
            return
        canvas.put(x, y, style.marker(kind), style.series(kind))
        x = canvas.put(x + 2, y, name) + 2
