"""Draws curves into cells: lines in braille by plotext, and around them axes, ticks, legend and marks.

A drawing is a pure function of its arguments, for any values at any size: values that are not finite, or not
positive on a logarithmic axis, are marked on the bottom row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style

from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.text.axis import Limits, Scale, hours_label, round_limits, usable
from wmse_tui.runs.text.units import number
from wmse_tui.tui.charts.axes import PlotArea, draw_axes, frame_for
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import LegendEntry, draw_legend, legend_width
from wmse_tui.tui.charts.raster import DOTS_ACROSS, DOTS_UP, RasterLayer, dots_of, raster
from wmse_tui.tui.charts.style import ChartStyle
from wmse_tui.tui.charts.traces import Trace, trace, value_range, x_range_of

Reference = tuple[float, str]

MOST_BANDS = 2
"""Curves whose bands are drawn, where nothing else is wanted."""
_NEAR, _APART = 2, 8  # dots from a value to its mark; between two marks of a curve
_SAME_X = 0.03  # share of the x axis: values of several curves so near each other are shown as of one x
_PATTERN = (0x01, 0x10, 0x04, 0x80)  # one dot in each row of a braille cell, alternately left and right


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartContent:
    """Curves that share an x axis, and what surrounds them.

    Attributes:
        curves: labels of two or more are in the legend.
        series: of each curve the index of its colour and marker; empty: the order of the curves.
        bands: of so many curves the bands are drawn; more would hide each other.
        x_range, y_range: the ends of the axes; None, or unusable ends: those of the values.
        reference: values of y with a label each, drawn as lines where they are near the values.
        log_y: the y axis is logarithmic.
        title, y_title: the row above, for instance the quantity and its unit.
        selected: the title is marked.
        cursor: an x that a line across the chart marks; the row above has the values there.
        empty: shown where there is no value, which has no axes either.
        x_title: the name of x; `hours` gives ticks in hours, minutes and seconds, `step` integers.
    """

    curves: tuple[Curve, ...] = ()
    series: tuple[int, ...] = ()
    bands: int = MOST_BANDS
    x_range: Limits | None = None
    y_range: Limits | None = None
    reference: tuple[Reference, ...] = ()
    log_y: bool = False
    title: str = ""
    x_title: str = ""
    y_title: str = ""
    selected: bool = False
    cursor: float | None = None
    empty: str = "no values yet"


def draw_chart(content: ChartContent, *, width: int, height: int, style: ChartStyle) -> Drawing:
    """Draw a chart.

    Args:
        content: the curves and their axes.
        width, height: in cells. Small drawings lose the axis line first, then the ticks and the title.
        style: characters and colours.
    """
    if width < 1 or height < 1:
        return Drawing()
    canvas = Canvas(width, height)
    if not any(curve.x or curve.marks for curve in content.curves):
        _without_values(canvas, content, style)
        return canvas.drawing()
    curves, log_y = content.curves, content.log_y
    y_limits = _y_limits(content)
    x_limits = _x_limits(content)
    title, x_title = _title(content, style), style.text(content.x_title)
    entries = _entries(content, style)
    frame, y_ticks = frame_for(width, height, y_limits, log_y=log_y, titled=bool(title or entries))
    dots = dots_of(frame.width, frame.height, "o" if style.ascii else "")
    area = PlotArea(canvas, frame, style, Scale(*x_limits, dots[0]), Scale(*y_limits, dots[1], log_y))
    banded = len(curves) <= content.bands
    series = content.series or tuple(range(len(curves)))
    traces = [trace(curve, area.x_scale, area.y_scale, band=banded) for curve in curves]

    lines = _reference_lines(area, content.reference) if any(one.points for one in traces) else []
    for index, one in zip(series, traces, strict=True):
        _band(area, one, style, index)
    _cursor(area, content.cursor)
    _lines(area, curves, traces, series)
    for index, curve, one in zip(series, curves, traces, strict=True):
        _markers(area, curve, one, index, len(curves))
    _marks(area, traces)
    drawn = any(one.points for one in traces)
    if drawn:
        _reference_labels(area, lines)
    else:
        undrawable = any(one.missing or one.nonpositive for one in traces)
        text = "no value can be drawn" if undrawable else "no value in this part of the run"
        canvas.centre(text, (frame.left, frame.top, frame.width, frame.height), style.part("muted"))
    draw_axes(area, y_ticks if drawn else (), x_limits, x_title)
    beside = frame.top == 1 and legend_width(entries) <= width - 2 - sum(cell_len(text) for text, _ in title)
    if frame.top:
        x = 0
        for text, part in title:
            x = canvas.put(x, 0, text, part)
    if entries:
        box = None if beside else (frame.left, frame.top, frame.width, frame.height)
        draw_legend(canvas, entries, style, box)
    return canvas.drawing()


def _title(content: ChartContent, style: ChartStyle) -> list[tuple[str, Style]]:
    """The row above: the title, the unit, and at the cursor the value of each curve under its marker."""
    mark = "▸ " if content.selected else ""
    name = style.text(f"{mark}{content.title}")
    found = [(name, style.part("title"))] if name else []
    if content.y_title:
        found.append((f"{' ' * bool(found)}{style.text(content.y_title)}", style.part("muted")))
    values = _values_at_cursor(content)
    series = content.series or range(len(content.curves))
    for index, (_, y) in values:
        text, kind = number(y), series[index]
        if len(content.curves) > 1:
            found.append((f" {style.marker(kind)}{text}", style.series(kind)))
        else:
            found.append((f" {text}", style.part("title")))
    if values:
        x = values[0][1][0]
        found.append((style.text(f" at {_x_text(x, content.x_title)}"), style.part("muted")))
    return found


def _x_text(x: float, x_title: str) -> str:
    """An x with its unit."""
    match x_title:
        case "hours":
            return hours_label(x)
        case "step":
            return f"step {x:.0f}"
        case _:
            return f"{x_title} {number(x)}".lstrip()


def _values_at_cursor(content: ChartContent) -> list[tuple[int, tuple[float, float]]]:
    """The point (x, y) nearest to the cursor, and those of other curves about there, with their indices."""
    if content.cursor is None:
        return []
    at = content.cursor
    points = [(index, zip(one.x, one.y, strict=False)) for index, one in enumerate(content.curves) if one.x]
    found = [(index, min(each, key=lambda point: abs(point[0] - at))) for index, each in points]
    nearest = min((x for _, (x, _) in found), key=lambda x: abs(x - at), default=at)
    low, high = _x_limits(content)
    return [(index, point) for index, point in found if abs(point[0] - nearest) <= (high - low) * _SAME_X]


def y_extent(content: ChartContent) -> Limits | None:
    """The range of y that must be in sight; None without a value or a reference.

    A reference counts unless it is farther from the values than they are from each other: a line far above
    a flat part of a curve does not undo a zoom into it.
    """
    curves, log_y = content.curves, content.log_y
    levels = [y for y, _ in content.reference if math.isfinite(y) and (y > 0 or not log_y)]
    found = value_range(curves, log=log_y, band=len(curves) <= content.bands)
    if found is None:
        return (min(levels), max(levels)) if levels else None
    low, high = found
    measure = math.log10 if log_y else float
    margin = max(measure(high) - measure(low), 0.1 * abs(measure(high)))
    near = [y for y in levels if measure(low) - margin <= measure(y) <= measure(high) + margin]
    return min([low, *near]), max([high, *near])


def x_at(content: ChartContent, column: int, *, width: int, height: int, style: ChartStyle) -> float | None:
    """The x at a column of the drawing of that size; None beside the curves."""
    titled = bool(content.title or content.y_title or _entries(content, style))
    frame, _ = frame_for(width, height, _y_limits(content), log_y=content.log_y, titled=titled)
    share = (column - frame.left) / max(1, frame.width - 1)
    low, high = _x_limits(content)
    return low + share * (high - low) if 0 <= share <= 1 else None


def _cursor(area: PlotArea, x: float | None) -> None:
    column = None if x is None else area.x_scale.dot_inside(x)
    if column is None:
        return
    frame = area.frame
    for y in range(frame.top, frame.top + frame.height):
        area.canvas.put(
            area.cell(column, 0)[0], y, "|" if area.style.ascii else "┆", area.style.part("title")
        )


def _y_limits(content: ChartContent) -> Limits:
    if content.y_range is not None and usable(content.y_range, log=content.log_y):
        return content.y_range
    found = y_extent(content)
    return round_limits(*(found or (1.0 if content.log_y else 0.0, 1.0)), log=content.log_y)


def _x_limits(content: ChartContent) -> Limits:
    if content.x_range is not None and usable(content.x_range):
        return content.x_range
    found = x_range_of(content.curves)
    if found is None:
        return 0.0, 1.0
    return found if usable(found) else round_limits(*found)


def _entries(content: ChartContent, style: ChartStyle) -> tuple[LegendEntry, ...]:
    series = content.series or range(len(content.curves))
    entries = [
        LegendEntry(style.marker(index), style.text(curve.label), style.series(index))
        for index, curve in zip(series, content.curves, strict=True)
        if curve.label
    ]
    return tuple(entries) if len(entries) > 1 else ()


def _reference_lines(area: PlotArea, reference: Sequence[Reference]) -> list[tuple[int, str]]:
    """Draw the reference lines; returns their rows on the canvas and their labels."""
    rows = []
    frame = area.frame
    for level, label in reference:
        row = area.y_scale.dot_inside(level)
        if row is not None:
            _, y = area.cell(0, row)
            area.canvas.put(
                frame.left, y, ("-" if area.style.ascii else "╌") * frame.width, area.style.part("muted")
            )
            rows.append((y, area.style.text(label)))
    return rows


def _reference_labels(area: PlotArea, lines: Sequence[tuple[int, str]]) -> None:
    """Label each line at its end or its beginning, wherever fewer dots are hidden."""
    frame = area.frame
    for y, label in lines:
        text = f" {label} "
        if not label or len(text) > frame.width // 2:
            continue
        starts = (frame.left + frame.width - len(text), frame.left + 1)
        line = "-" if area.style.ascii else "╌"
        hidden = [
            sum(not area.canvas.is_free(x, y, line) for x in range(start, start + len(text)))
            for start in starts
        ]
        area.canvas.put(starts[hidden.index(min(hidden))], y, text, area.style.part("muted"))


def _band(area: PlotArea, one: Trace, style: ChartStyle, index: int) -> None:
    """Shade from the lowest to the highest value of each bucket."""
    bits: dict[tuple[int, int], int] = {}
    for column, (low, high) in one.band.items():
        for row in range(max(0, low), min(high, area.y_scale.dots - 1) + 1):
            if style.ascii:
                bits[area.cell(column, row)] = 0
                continue
            bit = _PATTERN[DOTS_UP - 1 - row % DOTS_UP]
            if (bit & 0xB8 != 0) == (column % DOTS_ACROSS == 1):
                cell = area.cell(column, row)
                bits[cell] = bits.get(cell, 0) | bit
    for (x, y), pattern in bits.items():
        area.canvas.put(x, y, chr(0x2800 + pattern) if pattern else ".", style.faint(index))


def _lines(area: PlotArea, curves: Sequence[Curve], traces: Sequence[Trace], series: Sequence[int]) -> None:
    """Draw the lines, the first curve above the others."""
    order = range(len(traces) - 1, -1, -1)
    layers = (
        RasterLayer(traces[index].lines, _line_marker(area.style, curves[index], series[index]))
        for index in order
    )
    for x, y, character, layer in raster(tuple(layers), area.frame.width, area.frame.height):
        style = area.style.series(series[order[layer]])
        area.canvas.put(area.frame.left + x, area.frame.top + y, character, style)


def _line_marker(style: ChartStyle, curve: Curve, index: int) -> str:
    """Empty for braille; in ASCII the marker of the series, or dots between points that have it."""
    if not style.ascii:
        return ""
    return "." if curve.points else style.marker(index)


def _markers(area: PlotArea, curve: Curve, one: Trace, index: int, count: int) -> None:
    """Mark each value of a curve with few; of several curves also the others, at a few columns."""
    points = one.points
    if not curve.points and len(points) > 1:
        if count < 2:
            return
        gap, found = max(16, area.x_scale.dots // 8), dict(points)
        if curve.evaluated:
            columns = _evaluated(curve, area, sorted(found))
        else:
            columns = _nearest(sorted(found), range((index + 1) * gap // (count + 1), area.x_scale.dots, gap))
        points = tuple((column, found[column]) for column in columns)
    for column, row in points:
        area.canvas.put(*area.cell(column, row), area.style.marker(index), area.style.series(index))


def _evaluated(curve: Curve, area: PlotArea, columns: Sequence[int]) -> list[int]:
    """The columns of the curve where the encoder was evaluated, some cells apart."""
    chosen: list[int] = []
    for x in curve.evaluated:
        at = area.x_scale.dot_inside(x)
        if at is None:
            continue
        nearest = min(columns, key=lambda column: abs(column - at))
        if abs(nearest - at) <= _NEAR and (not chosen or nearest - chosen[-1] >= _APART):
            chosen.append(nearest)
    return chosen


def _nearest(columns: Sequence[int], steps: range) -> list[int]:
    """The first of `columns` in each step of `steps`: they do not move while a curve grows."""
    chosen, at = [], 0
    for start in steps:
        while at < len(columns) and columns[at] < start:
            at += 1
        if at < len(columns) and columns[at] < start + steps.step:
            chosen.append(columns[at])
    return chosen


def _marks(area: PlotArea, traces: Sequence[Trace]) -> None:
    """Mark on the bottom row the values that cannot be drawn."""
    bottom = area.frame.top + area.frame.height - 1
    for glyph, columns in (
        ("v" if area.style.ascii else "▾", [column for one in traces for column in one.nonpositive]),
        ("!" if area.style.ascii else "×", [column for one in traces for column in one.missing]),
    ):
        for column in columns:
            area.canvas.put(area.cell(column, 0)[0], bottom, glyph, area.style.part("error"))


def _without_values(canvas: Canvas, content: ChartContent, style: ChartStyle) -> None:
    """Draw the title and why there is nothing else: axes would have a scale that no value has."""
    top = int(bool(content.title) and canvas.height >= 2)
    if top:
        canvas.put(0, 0, *_title(content, style)[0])
    canvas.centre(style.text(content.empty), (0, top, canvas.width, canvas.height - top), style.part("muted"))
