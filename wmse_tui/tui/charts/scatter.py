"""The embedding map: points in two dimensions, each in the colour and the marker of its class.

Where several points share a cell, the class with most of them is drawn. Every class has a combination of
colour and marker of its own, up to 104 classes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.axes import Scale, round_limits, usable
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import fit
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle
from wmse_tui.tui.glyphs import to_ascii

_MOST = 20_000  # points; of more, evenly picked ones
_LONGEST = 24  # cells of a class name
_WIDE = 50  # columns from which on the legend stands beside the map


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points with the index of their class, and the names of the classes that occur, by index."""

    points: tuple[tuple[float, float, int], ...] = ()
    names: tuple[tuple[int, str], ...] = ()


def cloud(points: Iterable[Any], labels: Iterable[Any], class_names: Iterable[Any]) -> Cloud:
    """Points (n, 2), labels (n,) and names from sequences or numpy arrays; what is not finite is left out.

    Raises:
        ValueError: they are not such points and labels.
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
    kept = tuple(point for point in read if math.isfinite(point[0]) and math.isfinite(point[1]))
    present = sorted({kind for _, _, kind in kept})
    return Cloud(
        kept, tuple((kind, names[kind] if 0 <= kind < len(names) else str(kind)) for kind in present)
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
    """The points over the whole of the room, and beside or below them as many classes as fit."""
    if width < 1 or height < 1:
        return Drawing()
    canvas = Canvas(width, height)
    words = [_shown(text, style) for text in (title, note, empty)]
    top = int(bool(words[0] or words[1]) and height >= 3)
    if top:
        x = canvas.put(0, 0, words[0], style.part("title"))
        canvas.put(x + bool(words[0]), 0, words[1], style.part("muted"))
    if not cloud.points:
        text = words[2][:width]
        canvas.put((width - len(text)) // 2, top + (height - top - 1) // 2, text, style.part("muted"))
        return canvas.drawing()
    names = [(kind, _shown(name, style)) for kind, name in cloud.names]
    if width >= _WIDE and height - top >= 3:
        room = _legend_beside(canvas, names, style, top), height - top
    else:
        below = int(height - top >= 4)
        room = width, height - top - below
        if below:
            _legend_below(canvas, names, style)
    _points(canvas, cloud, style, top, *room)
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
        """Show points (n, 2) with labels (n,); arrays may be changed or dropped afterwards."""
        try:
            self._accept((cloud(points, labels, class_names), title, note, "no map yet"))
        except ValueError as error:
            self._accept((Cloud(), title, note, str(error)))

    def clear(self, title: str = "", empty: str = "no map yet") -> None:
        """Show that there is no map, and why."""
        self._accept((Cloud(), title, "", empty))

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


def _shown(text: str, style: ChartStyle) -> str:
    shown = safe(text, 80)
    return to_ascii(shown) if style.ascii else shown


def _points(canvas: Canvas, cloud: Cloud, style: ChartStyle, top: int, width: int, height: int) -> None:
    across = _scale([x for x, _, _ in cloud.points], width)
    up = _scale([y for _, y, _ in cloud.points], height)
    cells: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for x, y, kind in cloud.points:
        column, row = across.inside(x), up.inside(y)
        if column is not None and row is not None:
            cells[column, top + height - 1 - row][kind] += 1
    for (column, row), counts in cells.items():
        kind = min(counts, key=lambda one: (-counts[one], one))
        canvas.put(column, row, style.marker(kind), style.series(kind))


def _scale(values: Sequence[float], dots: int) -> Scale:
    limits = min(values), max(values)
    return Scale(*(limits if usable(limits) else round_limits(*limits)), dots)


def _legend_beside(canvas: Canvas, names: Sequence[tuple[int, str]], style: ChartStyle, top: int) -> int:
    """In columns on the right, a third of the width at most; returns what is left of the width."""
    rows = canvas.height - top
    each = min(max(cell_len(name) for _, name in names), _LONGEST) + 3
    columns = max(1, min(-(-len(names) // rows), canvas.width // 3 // each))
    left = canvas.width - columns * each
    room = rows * columns
    shown = names if len(names) <= room else names[: room - 1]
    for index, (kind, name) in enumerate(shown):
        x, y = left + index // rows * each, top + index % rows
        canvas.put(x + 1, y, style.marker(kind), style.series(kind))
        canvas.put(x + 3, y, fit(name, each - 3, ascii=style.ascii))
    if len(shown) < len(names):
        more = f"+{len(names) - len(shown)} more"
        canvas.put(left + (columns - 1) * each + 1, canvas.height - 1, more, style.part("muted"))
    return left - 1


def _legend_below(canvas: Canvas, names: Sequence[tuple[int, str]], style: ChartStyle) -> None:
    """In the bottom row."""
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
