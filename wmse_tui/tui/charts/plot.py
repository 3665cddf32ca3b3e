"""The chart widget: curves over epochs, steps or hours, at a few bytes of output for each new value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wmse_tui.runs.state.curves import Curve
from wmse_tui.tui.charts.axes import Limits, round_limits
from wmse_tui.tui.charts.canvas import Drawing
from wmse_tui.tui.charts.drawing import Reference, draw_chart, y_extent
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotContent:
    """Everything that a drawing is made of, but for size and style."""

    curves: tuple[Curve, ...] = ()
    x_range: Limits | None = None
    y_range: Limits | None = None
    reference: tuple[Reference, ...] = ()
    log_y: bool = False
    title: str = ""
    x_title: str = ""
    y_title: str = ""


class Plot(RowsWidget):
    """Curves with axes that seldom move.

    The y axis changes in round steps only: it grows when a value leaves it, and shrinks when half of it is
    empty.

    Args:
        title: shown until `show` sets another.
        empty: shown where there is no value.
    """

    DEFAULT_CSS = "Plot { height: 1fr; min-height: 3; }"

    def __init__(
        self,
        *,
        title: str = "",
        empty: str = "no values yet",
        name: str | None = None,
        id: str | None = None,  # noqa: A002 (textual's name)
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._empty = empty
        self._content = PlotContent(title=title)

    @property
    def content(self) -> PlotContent:
        """What is shown."""
        return self._content

    @property
    def y_range(self) -> Limits | None:
        """The ends of the y axis; None before there is a value."""
        return self._content.y_range

    def show(
        self,
        curves: Sequence[Curve],
        *,
        x_range: Limits | None,
        reference: Sequence[Reference] = (),
        log_y: bool = False,
        title: str = "",
        x_title: str = "",
        y_title: str = "",
    ) -> None:
        """Show curves; nothing is drawn if they are shown already.

        Args:
            curves: in the order of their colours and markers.
            x_range: where the x axis begins and ends, fixed: the whole run as planned, for instance.
            reference: values of y with a label each.
            log_y: the y axis is logarithmic.
            title: bold, above the chart.
            x_title: the name of x: epoch, step or hours (whose ticks are times).
            y_title: beside the title, for instance a unit.
        """
        content = PlotContent(
            curves=tuple(curves),
            x_range=x_range,
            reference=tuple(reference),
            log_y=log_y,
            title=title,
            x_title=x_title,
            y_title=y_title,
        )
        before = self._content
        # The axis is that of one quantity; another one begins with limits of its own.
        same_axis = (before.title, before.log_y) == (content.title, content.log_y)
        found = y_extent(content.curves, content.reference, log_y=content.log_y)
        if found is not None:
            limits = round_limits(*found, log=content.log_y, before=before.y_range if same_axis else None)
            content = replace(content, y_range=limits)
        if content != before:
            self._content = content
            self.redraw()

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The chart at that size."""
        content = self._content
        return draw_chart(
            content.curves,
            width=width,
            height=height,
            style=style,
            x_range=content.x_range,
            y_range=content.y_range,
            log_y=content.log_y,
            reference=content.reference,
            title=content.title,
            x_title=content.x_title,
            y_title=content.y_title,
            empty=self._empty,
        )
