"""The axes of a chart on a canvas: the frame around the curves, and its ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wmse_tui.runs.text.axis import Limits, Scale, Tick, ticks
from wmse_tui.tui.charts.canvas import Canvas
from wmse_tui.tui.charts.style import ChartStyle

_APART = 1.95  # rows between ticks of y, before they are rounded
_GUTTER = 5  # columns of y labels at least, so that the plot area seldom moves sideways


@dataclass(frozen=True, slots=True)
class ChartFrame:
    """The cells of the curves, `width` by `height` from column `left` of row `top`, and what is below."""

    left: int
    top: int
    width: int
    height: int
    line_below: bool
    ticks_below: bool


@dataclass(frozen=True, slots=True)
class PlotArea:
    """What the parts of a chart are drawn on: the canvas, where the curves are on it, and the scales."""

    canvas: Canvas
    frame: ChartFrame
    style: ChartStyle
    x_scale: Scale
    y_scale: Scale

    def cell(self, column: int, row: int) -> tuple[int, int]:
        """The cell of the canvas that contains a dot."""
        per_column = max(1, self.x_scale.dots // self.frame.width)
        per_row = max(1, self.y_scale.dots // self.frame.height)
        return self.frame.left + column // per_column, self.frame.top + self.frame.height - 1 - row // per_row


def frame_for(
    width: int, height: int, limits: Limits, *, log_y: bool, titled: bool
) -> tuple[ChartFrame, tuple[Tick, ...]]:
    """The area of the curves and the ticks of y. In a small chart the axis line is left out first."""
    top = int(titled and height >= 4)
    ticks_below = height - top >= 4 and width >= 12
    line_below = ticks_below and height - top >= 8
    rows = height - top - ticks_below - line_below
    if width < 20 or rows < 2:
        return ChartFrame(0, top, width, rows, line_below, ticks_below), ()
    found = _y_ticks(limits, rows, log=log_y)
    gutter = max([_GUTTER, *(len(tick.label) for tick in found)])
    if gutter > width // 3:
        return ChartFrame(0, top, width, rows, line_below, ticks_below), ()
    return ChartFrame(gutter + 1, top, width - gutter - 1, rows, line_below, ticks_below), found


def _y_ticks(limits: Limits, rows: int, *, log: bool) -> tuple[Tick, ...]:
    """As many as are about two rows apart: rounded to rows, closer ones would be unevenly far apart."""
    most = min(7, max(2, (rows + 1) // 2))
    choices = [ticks(*limits, count, log=log) for count in range(most, 0, -1)]
    if not log:
        per_row = (limits[1] - limits[0]) / max(1, rows - 1)
        apart = [
            found
            for found in choices
            if len(found) > 1 and found[1].value - found[0].value >= _APART * per_row
        ]
        choices = apart + choices
    return choices[0]


def draw_axes(area: PlotArea, y_ticks: Sequence[Tick], x_limits: Limits, x_title: str) -> None:
    """Draw the axes, as many ticks as fit, and the name of x."""
    canvas, frame, axis, muted = area.canvas, area.frame, area.style.part("axis"), area.style.part("muted")
    upright, tick_left, corner, level, tick_down = "||+-+" if area.style.ascii else "│┤└─┬"
    bottom = frame.top + frame.height
    if frame.left:
        for y in range(frame.top, bottom):
            canvas.put(frame.left - 1, y, upright, axis)
        written: set[int] = set()
        for tick in y_ticks:
            row = area.y_scale.dot_inside(tick.value)
            y = -1 if row is None else area.cell(0, row)[1]
            if y >= 0 and y not in written:
                written.add(y)
                canvas.put(frame.left - 1 - len(tick.label), y, tick.label, muted)
                canvas.put(frame.left - 1, y, tick_left, axis)
    if frame.line_below:
        canvas.put(frame.left - 1, bottom, (corner if frame.left else "") + level * frame.width, axis)
    if frame.ticks_below:
        below = bottom + frame.line_below
        free = _x_title(area, x_title, below)
        count = max(2, min(10, frame.width // 9))
        whole = x_title in ("step", "rank")
        for tick in ticks(*x_limits, count, hours=x_title == "hours", whole=whole):
            column = area.x_scale.dot_inside(tick.value)
            if column is None:
                continue
            x = area.cell(column, 0)[0]
            start = min(max(x - len(tick.label) // 2, frame.left), canvas.width - len(tick.label))
            if start >= free[0] and start + len(tick.label) <= free[1]:
                free = canvas.put(start, below, tick.label, muted) + 1, free[1]
                if frame.line_below:
                    canvas.put(x, bottom, tick_down, axis)


def _x_title(area: PlotArea, text: str, y: int) -> tuple[int, int]:
    """Write the name of x left or right of the ticks; returns the columns that are left for them."""
    left, right = area.frame.left, area.canvas.width
    if not text or len(text) > right // 3:
        return 0, right
    if len(text) < left:
        area.canvas.put(left - 1 - len(text), y, text, area.style.part("muted"))
        return left, right
    area.canvas.put(right - len(text), y, text, area.style.part("muted"))
    return 0, right - len(text) - 1
