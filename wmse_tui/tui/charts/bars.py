"""Bar charts: the eigenvalue spectrum on a logarithmic axis, and labelled horizontal bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from textual.geometry import Size

from wmse_tui.runs.text.axis import Scale, round_limits
from wmse_tui.tui.charts.axes import PlotArea, draw_axes, frame_for
from wmse_tui.tui.charts.canvas import Canvas, Drawing
from wmse_tui.tui.charts.legend import shorten
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle

_UPWARD = "▁▂▃▄▅▆▇█"
_RIGHTWARD = "▏▎▍▌▋▊▉█"
_EIGHTHS = 8
_SMALLEST = 1e-12  # of the largest eigenvalue: smaller ones are rounding, and would flatten all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A horizontal bar: its label, its length (None: unknown) and the text behind it.

    `alarm` gives it the colour of errors.
    """

    label: str
    value: float | None
    text: str = ""
    alarm: bool = False


def draw_spectrum(
    values: Sequence[float],
    *,
    width: int,
    height: int,
    style: ChartStyle,
    ranks: int | None = None,
    title: str = "",
    note: str = "",
    empty: str = "no spectrum yet",
) -> Drawing:
    """Eigenvalues in falling order, as bars on a logarithmic axis.

    Args:
        values: eigenvalues at evenly spaced ranks, the first and the last included.
        width, height: in cells.
        style: characters and colours.
        ranks: the number of eigenvalues; None: that of `values`.
        title, note: the row above.
        empty: shown without values.

    Values that are not positive, or below 1e-12 of the largest, are marked on the bottom row.
    """
    if width < 1 or height < 1:
        return Drawing()
    canvas = Canvas(width, height)
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    drawn = [value for value in values if math.isfinite(value) and value > largest * _SMALLEST and value > 0]
    title, note, empty = map(style.text, (title, note, empty))
    titled = bool(title or note)
    if not drawn:  # axes would have a scale that no value has
        text = empty if not values else "no eigenvalue is positive"
        canvas.centre(text, (0, int(titled), width, height - titled), style.part("muted"))
        _title(canvas, title, note, style)
        return canvas.drawing()
    limits = round_limits(min(drawn), max(drawn), log=True)
    frame, y_ticks = frame_for(width, height, limits, log_y=True, titled=titled)
    last = float(max(2, ranks or len(values)))
    x_scale, y_scale = Scale(1.0, last, frame.width), Scale(*limits, frame.height * _EIGHTHS, log=True)
    area = PlotArea(canvas, frame, style, x_scale, y_scale)
    draw_axes(area, y_ticks, (1.0, last), "rank")
    bottom = frame.top + frame.height - 1
    for column in range(frame.width):
        value = values[column * (len(values) - 1) // max(1, frame.width - 1)]
        x = frame.left + column
        if not math.isfinite(value) or value <= largest * _SMALLEST or value <= 0:
            canvas.put(x, bottom, "v" if style.ascii else "▾", style.part("error"))
            continue
        dot = y_scale.dot(value)
        length = min(max(1, (dot or 0) + 1), frame.height * _EIGHTHS)
        full, rest = divmod(length, _EIGHTHS)
        for row in range(full):
            canvas.put(x, bottom - row, "#" if style.ascii else "█", style.series(0))
        if rest:
            tip = (":" if rest > _EIGHTHS // 2 else ".") if style.ascii else _UPWARD[rest - 1]
            canvas.put(x, bottom - full, tip, style.series(0))
    if frame.top:
        _title(canvas, title, note, style)
    return canvas.drawing()


def _title(canvas: Canvas, title: str, note: str, style: ChartStyle) -> None:
    x = canvas.put(0, 0, title, style.part("title"))
    canvas.put(x + bool(title), 0, note, style.part("muted"))


def draw_bars(
    bars: Sequence[Bar], *, width: int, height: int, style: ChartStyle, maximum: float | None = None
) -> Drawing:
    """A row for each bar: label, bar, text. `maximum` fills the width; None: the largest value does."""
    if width < 1 or height < 1:
        return Drawing()
    canvas = Canvas(width, height)
    known = [bar.value for bar in bars if bar.value is not None and math.isfinite(bar.value)]
    whole = max([*known, 0.0]) if maximum is None or not math.isfinite(maximum) else maximum
    labels = [style.text(bar.label) for bar in bars]
    texts = [style.text(bar.text) for bar in bars]
    left = min(max(map(cell_len, labels), default=0), width // 3) + 1
    right = min(max(map(cell_len, texts), default=0), width // 2)
    longest = max(0, width - left - right - 1)
    for y, (bar, label, text) in enumerate(zip(bars[:height], labels, texts, strict=False)):
        canvas.put(0, y, shorten(label, left - 1, ascii=style.ascii), style.part("muted"))
        canvas.put(left, y, _horizontal(bar.value, whole, longest, style), _color(bar, style))
        text = shorten(text, right, ascii=style.ascii)
        canvas.put(width - cell_len(text), y, text, style.part("error") if bar.alarm else Style())
    return canvas.drawing()


class Spectrum(RowsWidget):
    """The eigenvalue spectrum of one diagnostics sample."""

    DEFAULT_CSS = "Spectrum { height: 1fr; min-height: 3; }"

    _shown: tuple[tuple[float, ...], int | None, str, str] = ((), None, "", "")

    def show(
        self, values: Sequence[float], *, ranks: int | None = None, title: str = "", note: str = ""
    ) -> None:
        """Show eigenvalues in falling order (see `draw_spectrum`)."""
        shown = (tuple(values), ranks, title, note)
        if shown != self._shown:
            self._shown = shown
            self.redraw()

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The spectrum at that size."""
        values, ranks, title, note = self._shown
        return draw_spectrum(
            values, width=width, height=height, style=style, ranks=ranks, title=title, note=note
        )


class Bars(RowsWidget):
    """Labelled bars, one a row."""

    DEFAULT_CSS = "Bars { height: auto; }"

    _shown: tuple[tuple[Bar, ...], float | None] = ((), None)

    def show(self, bars: Sequence[Bar], *, maximum: float | None = None) -> None:
        """Show `bars` (see `draw_bars`)."""
        shown = (tuple(bars), maximum)
        if shown != self._shown:
            taller = len(shown[0]) != len(self._shown[0])
            self._shown = shown
            self.redraw()
            if taller:
                self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """A row for each bar."""
        return len(self._shown[0])

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The bars at that size."""
        bars, maximum = self._shown
        return draw_bars(bars, width=width, height=height, style=style, maximum=maximum)


def _color(bar: Bar, style: ChartStyle) -> Style:
    return style.part("error") if bar.alarm else style.series(0)


def _horizontal(value: float | None, whole: float, longest: int, style: ChartStyle) -> str:
    if value is None or not math.isfinite(value) or whole <= 0 or value <= 0:
        return ""
    length = max(1, math.floor(min(value / whole, 1.0) * longest * _EIGHTHS + 0.5))
    full, rest = divmod(min(length, longest * _EIGHTHS), _EIGHTHS)
    if style.ascii:
        return "#" * (full + (rest >= _EIGHTHS // 2 or not full))
    return "█" * full + (_RIGHTWARD[rest - 1] if rest else "")
