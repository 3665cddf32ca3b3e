"""The embedding map: points in two dimensions, each in the colour and the marker of its class.

Where several points share a cell, the class with most of them is drawn, the stronger the more points there
are; the centre of each class is reversed. One class can be chosen: the others are dots then. Up to 104
classes have distinct combinations of colour and marker.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from rich.cells import cell_len
from rich.style import Style
from textual.events import Click
from textual.message import Message

from wmse_tui.runs.text.axis import Scale, round_limits, usable
from wmse_tui.runs.text.sanitize import shortened_apart
from wmse_tui.tui.charts.canvas import Box, Canvas, Drawing
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle, chart_style

_MOST = 20_000  # points; of more, an evenly spaced selection
_LONGEST = 24  # cells of a class name
_WIDE = 50  # columns from which on the legend is beside the map
_FEWEST = 5  # points of a class whose centre is worth a mark
_REVERSE = Style(reverse=True, bold=True)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterContent:
    """A map and what surrounds it.

    Attributes:
        cloud: the points.
        chosen: the class that is drawn above the others, which are dots then; None: all alike.
        title, note: the row above.
        empty: shown where there are no points.
    """

    cloud: Cloud = Cloud()
    chosen: int | None = None
    title: str = ""
    note: str = ""
    empty: str = "no map yet"


def draw_scatter(content: ScatterContent, *, width: int, height: int, style: ChartStyle) -> Drawing:
    """The points, and beside or below them a legend with as many classes as fit."""
    return _Map(content, width, height, style).drawing()


def class_at(
    content: ScatterContent, x: int, y: int, *, width: int, height: int, style: ChartStyle
) -> int | None:
    """The class at a cell of the drawing of that size, in the map or in the legend; None: there is none."""
    return _Map(content, width, height, style).classes.get((x, y))


class _Map:
    """A map drawn on a canvas.

    Attributes:
        classes: the class that each marked cell shows, those of the legend included.
    """

    def __init__(self, content: ScatterContent, width: int, height: int, style: ChartStyle) -> None:
        self._content, self._style = content, style
        self._canvas = Canvas(width, height)
        self.classes: dict[tuple[int, int], int] = {}
        if min(width, height) > 0:
            self._draw()

    def drawing(self) -> Drawing:
        """The rows."""
        return self._canvas.drawing() if self._canvas.width else Drawing()

    def _draw(self) -> None:
        canvas, style, content = self._canvas, self._style, self._content
        width, height = canvas.width, canvas.height
        title, note, empty = map(style.text, (content.title, content.note, content.empty))
        top = int(bool(title or note) and height >= 3)
        if top:
            x = canvas.put(0, 0, title, style.part("title"))
            canvas.put(x + bool(title), 0, note, style.part("muted"))
        if not content.cloud.points:
            canvas.centre(empty, (0, top, width, height - top), style.part("muted"))
            return
        names = [(kind, style.text(name)) for kind, name in content.cloud.names]
        if width >= _WIDE and height - top >= 3:
            box = 0, top, self._legend_beside(names, top), height - top
        else:
            below = int(height - top >= 4)
            box = 0, top, width, height - top - below
            if below:
                self._legend_below(names)
        self._points(box)

    def _points(self, box: Box) -> None:
        _, top, width, height = box
        points, chosen = self._content.cloud.points, self._content.chosen
        x_scale, y_scale = _scale([x for x, _, _ in points], width), _scale([y for _, y, _ in points], height)

        def cell(x: float, y: float) -> tuple[int, int] | None:
            column, row = x_scale.dot_inside(x), y_scale.dot_inside(y)
            return None if column is None or row is None else (column, top + height - 1 - row)

        cells: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        for x, y, kind in points:
            if (at := cell(x, y)) is not None:
                cells[at][kind] += 1
        drawn = {
            at: chosen
            if chosen is not None and chosen in counts
            else min(counts, key=lambda one: (-counts[one], one))
            for at, counts in cells.items()
        }
        weights = {
            at: cells[at].total() if chosen is None else cells[at][kind]
            for at, kind in drawn.items()
            if chosen in (None, kind)
        }
        most = max(weights.values(), default=0)
        for at, kind in drawn.items():
            self.classes[at] = kind
            if at in weights:
                shade = self._style.shade(kind, _level(weights[at], most))
                self._canvas.put(*at, self._style.marker(kind), shade)
            else:
                self._canvas.put(*at, "." if self._style.ascii else "·", self._style.part("axis"))
        for kind, (x, y) in _centres(points).items():
            if chosen in (None, kind) and (at := cell(x, y)) is not None:
                self.classes[at] = kind
                self._canvas.put(*at, self._style.marker(kind), self._style.series(kind) + _REVERSE)

    def _name(self, x: int, y: int, kind: int, name: str) -> int:
        """Write an entry of the legend; returns the column after it."""
        chosen = _REVERSE if kind == self._content.chosen else Style()
        self._canvas.put(x, y, self._style.marker(kind), self._style.series(kind))
        end = self._canvas.put(x + 2, y, name, chosen)
        self.classes |= {(column, y): kind for column in range(x, end)}
        return end

    def _legend_beside(self, names: Sequence[tuple[int, str]], top: int) -> int:
        """Draw it in columns on the right, a third of the width at most; returns the width left of it."""
        canvas, style = self._canvas, self._style
        rows = canvas.height - top
        each = min(max(cell_len(name) for _, name in names), _LONGEST) + 3
        columns = max(1, min(-(-len(names) // rows), canvas.width // 3 // each))
        left = canvas.width - columns * each
        most = rows * columns
        shown = list(names if len(names) <= most else names[: most - 1])
        hidden = [entry for entry in names[len(shown) :] if entry[0] == self._content.chosen]
        shown = [*shown[: len(shown) - len(hidden)], *hidden]
        labels = shortened_apart([name for _, name in shown], each - 3, dots="." if style.ascii else "…")
        for index, ((kind, _), name) in enumerate(zip(shown, labels, strict=True)):
            x, y = left + index // rows * each, top + index % rows
            self._name(x + 1, y, kind, shorten(name, each - 3, ascii=style.ascii))
        if len(shown) < len(names):
            more = f"+{len(names) - len(shown)} more"
            canvas.put(left + (columns - 1) * each + 1, canvas.height - 1, more, style.part("muted"))
        return left - 1

    def _legend_below(self, names: Sequence[tuple[int, str]]) -> None:
        """Draw it in the bottom row, the chosen class first."""
        canvas = self._canvas
        x, y = 0, canvas.height - 1
        names = sorted(names, key=lambda entry: entry[0] != self._content.chosen)
        for index, (kind, name) in enumerate(names):
            more = f"+{len(names) - index} more"
            last = index == len(names) - 1
            needed = 2 + cell_len(name) + (0 if last else 2 + len(more))
            if x + needed > canvas.width:
                canvas.put(x, y, more, self._style.part("muted"))
                return
            x = self._name(x, y, kind, name) + 2


class Scatter(RowsWidget):
    """The embedding map."""

    DEFAULT_CSS = "Scatter { height: 1fr; min-height: 3; }"

    class Pointed(Message):
        """The user clicked at a class, in the map or in the legend."""

        def __init__(self, kind: int) -> None:
            super().__init__()
            self.kind = kind

    def __init__(self) -> None:
        super().__init__()
        self._content = ScatterContent()

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
            found, empty = cloud(points, labels, class_names), "no map yet"
        except ValueError as error:
            found, empty = Cloud(), str(error)
        self._accept(replace(self._content, cloud=found, title=title, note=note, empty=empty))

    def clear(self, title: str = "", empty: str = "no map yet") -> None:
        """Show `empty` instead of a map."""
        self._accept(replace(self._content, cloud=Cloud(), title=title, note="", empty=empty))

    @property
    def points(self) -> tuple[tuple[float, float, int], ...]:
        """The points in the map, each with the index of its class."""
        return self._content.cloud.points

    @property
    def names(self) -> tuple[tuple[int, str], ...]:
        """The classes that occur, with their names."""
        return self._content.cloud.names

    def choose(self, kind: int | None, note: str) -> None:
        """Draw a class above the others, or all alike, under another note."""
        self._accept(replace(self._content, chosen=kind, note=note))

    def on_click(self, event: Click) -> None:
        """Report the class under the mouse."""
        width, height = self.size
        style = chart_style(self.app)
        kind = class_at(self._content, event.x, event.y, width=width, height=height, style=style)
        if kind is not None:
            self.post_message(self.Pointed(kind))

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The map at that size."""
        return draw_scatter(self._content, width=width, height=height, style=style)

    def _accept(self, content: ScatterContent) -> None:
        if content != self._content:
            self._content = content
            self.redraw()


def _plain(values: Iterable[Any]) -> Sequence[Any]:
    tolist = getattr(values, "tolist", None)
    return list(tolist() if callable(tolist) else values)


def _level(count: int, most: int) -> int:
    """The shade of a cell with `count` points, where the fullest one has `most`."""
    if most == 1 or count > most / 2:
        return 2
    return 0 if most > 3 and count <= max(1, most / 6) else 1


def _centres(points: Sequence[tuple[float, float, int]]) -> dict[int, tuple[float, float]]:
    """The mean of each class that is large enough, the largest class last."""
    found: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for x, y, kind in points:
        found[kind].append((x, y))
    large = sorted((len(members), kind) for kind, members in found.items() if len(members) >= _FEWEST)
    return {kind: (fmean(x for x, _ in found[kind]), fmean(y for _, y in found[kind])) for _, kind in large}


def _scale(values: Sequence[float], dots: int) -> Scale:
    limits = min(values), max(values)
    return Scale(*(limits if usable(limits) else round_limits(*limits)), dots)
