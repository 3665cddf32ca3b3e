"""Curves drawn into cells: lines in braille by plotext, and around them axes, ticks, legend, marks.

A drawing is a pure function of what it is given. It never fails, whatever the values and however small the
room: what is not finite, or not positive on a logarithmic axis, is marked on the bottom row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.axes import Limits, Scale, round_limits, usable
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.frame import Ink, draw_axes, frame_for
from wmse_tui.tui.charts.legend import Entry, draw_legend, legend_width
from wmse_tui.tui.charts.raster import DOTS_ACROSS, DOTS_UP, Layer, dots_of, raster
from wmse_tui.tui.charts.style import ChartStyle
from wmse_tui.tui.charts.traces import Trace, extent, span, trace
from wmse_tui.tui.glyphs import to_ascii

Reference = tuple[float, str]

_MOST_BANDS = 2  # curves: the bands of more hide each other
_LATTICE = (0x01, 0x10, 0x04, 0x80)  # one dot in each row of a braille cell, left and right in turn


def draw(
    curves: Sequence[Curve],
    *,
    width: int,
    height: int,
    style: ChartStyle,
    x_range: Limits | None = None,
    y_range: Limits | None = None,
    log_y: bool = False,
    reference: Sequence[Reference] = (),
    title: str = "",
    x_title: str = "",
    y_title: str = "",
    empty: str = "no values yet",
) -> Drawing:
    """Curves over one x.

    Args:
        curves: drawn in the colours and markers of their order; a label of two or more is in the legend.
        width, height: in cells. Little room first costs the axis line, then the ticks and the title.
        style: characters and colours.
        x_range, y_range: the ends of the axes; None, and what no scale can be made of: as the values need.
        log_y: the y axis is logarithmic.
        reference: values of y with a few words each, drawn as lines where they are near the values.
        title, y_title: the row above, for instance what is drawn and its unit.
        x_title: what x is; `hours` gives ticks in hours, minutes and seconds, `step` whole ones.
        empty: what is said where there is no value to draw.
    """
    if width < 1 or height < 1:
        return Drawing()
    canvas = Canvas(width, height)
    y_limits = _y_limits(curves, reference, y_range, log_y=log_y)
    x_limits = _x_limits(curves, x_range)
    words = _words(style, title, y_title, x_title, empty)
    entries = _entries(curves, style)
    frame, y_ticks = frame_for(
        width, height, y_limits, log_y=log_y, titled=bool(words[0] or words[1] or entries)
    )
    dots = dots_of(frame.width, frame.height, "o" if style.ascii else "")
    ink = Ink(canvas, frame, style, Scale(*x_limits, dots[0]), Scale(*y_limits, dots[1], log_y))
    banded = len(curves) <= _MOST_BANDS
    traces = [trace(curve, ink.across, ink.up, band=banded) for curve in curves]

    lines = _reference_lines(ink, reference)
    for index, one in enumerate(traces):
        _band(ink, one, style, index)
    _lines(ink, curves, traces)
    for index, (curve, one) in enumerate(zip(curves, traces, strict=True)):
        _markers(ink, curve, one, index, len(curves))
    _marks(ink, traces)
    _reference_labels(ink, lines)
    if not any(one.points for one in traces):
        lost = any(one.missing or one.sunk for one in traces)
        _center(ink, "no value can be drawn" if lost else words[3])
    draw_axes(ink, y_ticks, x_limits, words[2])
    beside = frame.top == 1 and legend_width(entries) <= width - 2 - _title_width(words)
    if frame.top:
        _title(ink, words)
    if entries:
        box = None if beside else (frame.left, frame.top, frame.width, frame.height)
        draw_legend(canvas, entries, style, box)
    return canvas.drawing()


def y_extent(
    curves: Sequence[Curve], reference: Sequence[Reference] = (), *, log_y: bool = False
) -> Limits | None:
    """From where to where the y axis of these curves must go; None where nothing says so.

    A reference counts unless it is farther from the values than they are from each other: a zoom into a
    flat part of a curve is not undone by a line far above it.
    """
    levels = [y for y, _ in reference if math.isfinite(y) and (y > 0 or not log_y)]
    found = extent(curves, log=log_y, band=len(curves) <= _MOST_BANDS)
    if found is None:
        return (min(levels), max(levels)) if levels else None
    low, high = found
    measure = math.log10 if log_y else float
    room = max(measure(high) - measure(low), 0.1 * abs(measure(high)))
    near = [y for y in levels if measure(low) - room <= measure(y) <= measure(high) + room]
    return min([low, *near]), max([high, *near])


def _y_limits(
    curves: Sequence[Curve], reference: Sequence[Reference], y_range: Limits | None, *, log_y: bool
) -> Limits:
    if y_range is not None and usable(y_range, log=log_y):
        return y_range
    found = y_extent(curves, reference, log_y=log_y)
    return round_limits(*(found or (1.0 if log_y else 0.0, 1.0)), log=log_y)


def _x_limits(curves: Sequence[Curve], x_range: Limits | None) -> Limits:
    if x_range is not None and usable(x_range):
        return x_range
    found = span(curves)
    if found is None:
        return 0.0, 1.0
    return found if usable(found) else round_limits(*found)


def _words(style: ChartStyle, *texts: str) -> tuple[str, ...]:
    shown = (safe(text, 80) for text in texts)
    return tuple(to_ascii(text) if style.ascii else text for text in shown)


def _entries(curves: Sequence[Curve], style: ChartStyle) -> tuple[Entry, ...]:
    entries = [
        Entry(style.marker(index), _words(style, curve.label)[0], style.series(index))
        for index, curve in enumerate(curves)
        if curve.label
    ]
    return tuple(entries) if len(entries) > 1 else ()


def _reference_lines(ink: Ink, reference: Sequence[Reference]) -> list[tuple[int, str]]:
    """Draw the lines; returns their rows on the canvas and what is to be written on them."""
    rows = []
    frame = ink.frame
    for level, label in reference:
        row = ink.up.inside(level)
        if row is not None:
            _, y = ink.cell(0, row)
            ink.canvas.put(
                frame.left, y, ("-" if ink.style.ascii else "╌") * frame.width, ink.style.part("muted")
            )
            rows.append((y, _words(ink.style, label)[0]))
    return rows


def _reference_labels(ink: Ink, lines: Sequence[tuple[int, str]]) -> None:
    """Words on each line, at the end or the beginning, wherever fewer dots are hidden."""
    frame = ink.frame
    for y, label in lines:
        text = f" {label} "
        if not label or len(text) > frame.width // 2:
            continue
        places = (frame.left + frame.width - len(text), frame.left + 1)
        line = "-" if ink.style.ascii else "╌"
        hidden = [
            sum(not ink.canvas.is_free(x, y, line) for x in range(place, place + len(text)))
            for place in places
        ]
        ink.canvas.put(places[hidden.index(min(hidden))], y, text, ink.style.part("muted"))


def _band(ink: Ink, one: Trace, style: ChartStyle, index: int) -> None:
    """From the lowest to the highest value of each bucket, as a light pattern."""
    bits: dict[tuple[int, int], int] = {}
    for column, (low, high) in one.band.items():
        for row in range(max(0, low), min(high, ink.up.dots - 1) + 1):
            if style.ascii:
                bits[ink.cell(column, row)] = 0
                continue
            bit = _LATTICE[DOTS_UP - 1 - row % DOTS_UP]
            if (bit & 0xB8 != 0) == (column % DOTS_ACROSS == 1):
                cell = ink.cell(column, row)
                bits[cell] = bits.get(cell, 0) | bit
    for (x, y), pattern in bits.items():
        ink.canvas.put(x, y, chr(0x2800 + pattern) if pattern else ".", style.faint(index))


def _lines(ink: Ink, curves: Sequence[Curve], traces: Sequence[Trace]) -> None:
    """The first curve lies above the others."""
    order = range(len(traces) - 1, -1, -1)
    layers = (Layer(traces[index].lines, _line_marker(ink.style, curves[index], index)) for index in order)
    for x, y, character, layer in raster(tuple(layers), ink.frame.width, ink.frame.height):
        ink.canvas.put(ink.frame.left + x, ink.frame.top + y, character, ink.style.series(order[layer]))


def _line_marker(style: ChartStyle, curve: Curve, index: int) -> str:
    """Empty for braille; in ASCII the marker of the series, or dots between points that have it."""
    if not style.ascii:
        return ""
    return "." if curve.points else style.marker(index)


def _markers(ink: Ink, curve: Curve, one: Trace, index: int, count: int) -> None:
    """On each value of a curve of few; else, where there are several curves, now and then along the line."""
    points = one.points
    if not curve.points and len(points) > 1:
        if count < 2:
            return
        gap = max(16, ink.across.dots // 8)
        wanted = range((index + 1) * gap // (count + 1), ink.across.dots, gap)
        found = dict(points)
        points = tuple((column, found[column]) for column in _nearest(sorted(found), wanted))
    for column, row in points:
        ink.canvas.put(*ink.cell(column, row), ink.style.marker(index), ink.style.series(index))


def _nearest(columns: Sequence[int], wanted: range) -> list[int]:
    """The first of `columns` in each step of `wanted`: they stay when a curve grows."""
    chosen, at = [], 0
    for start in wanted:
        while at < len(columns) and columns[at] < start:
            at += 1
        if at < len(columns) and columns[at] < start + wanted.step:
            chosen.append(columns[at])
    return chosen


def _marks(ink: Ink, traces: Sequence[Trace]) -> None:
    """What has no place in the picture, on its bottom row."""
    bottom = ink.frame.top + ink.frame.height - 1
    for glyph, columns in (
        ("v" if ink.style.ascii else "▾", [column for one in traces for column in one.sunk]),
        ("!" if ink.style.ascii else "×", [column for one in traces for column in one.missing]),
    ):
        for column in columns:
            ink.canvas.put(ink.cell(column, 0)[0], bottom, glyph, ink.style.part("error"))


def _center(ink: Ink, text: str) -> None:
    frame = ink.frame
    shown = text[: frame.width]
    row = frame.top + (frame.height - 1) // 2
    ink.canvas.put(frame.left + (frame.width - len(shown)) // 2, row, shown, ink.style.part("muted"))


def _title_width(words: Sequence[str]) -> int:
    return sum(len(word) + 1 for word in words[:2] if word)


def _title(ink: Ink, words: Sequence[str]) -> None:
    x = ink.canvas.put(0, 0, words[0], ink.style.part("title"))
    ink.canvas.put(x + bool(words[0]), 0, words[1], ink.style.part("muted"))
