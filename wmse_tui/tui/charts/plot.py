"""The chart widget: curves over epochs, steps or hours, at a few bytes for each new value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wmse_tui.runs.state.curves import Curve
from wmse_tui.tui.charts.axes import Limits, round_limits
from wmse_tui.tui.charts.canvas import Drawing
from wmse_tui.tui.charts.drawing import Reference, draw, y_extent
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is to be seen."""

    curves: tuple[Curve, ...] = ()
    x_range: Limits | None = None
    y_range: Limits | None = None
    reference: tuple[Reference, ...] = ()
    log_y: bool = False
    title: str = ""
    x_title: str = ""
    y_title: str = ""


class Plot(RowsWidget):
    """Curves, an axis that stands still, and what goes with them.

    The y axis moves on round steps only: it grows when a value leaves it, and shrinks when half of it is
    empty. While `frozen`, what is shown stays, and the newest waits.

    Args:
        title: shown until `show` gives another.
        empty: what is said where there is no value.
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
        self._request = _Request(title=title)
        self._waiting: _Request | None = None
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether the picture stands still."""
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = frozen
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._accept(waiting)

    @property
    def y_range(self) -> Limits | None:
        """The ends of the y axis; None before there is a value."""
        return self._request.y_range

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
        """Show curves; costs nothing where these are what is shown already.

        Args:
            curves: in the order of their colours and markers.
            x_range: where the x axis begins and ends, fixed: the whole run as planned, for instance.
            reference: values of y and a few words on each.
            log_y: the y axis is logarithmic.
            title: bold, above the chart.
            x_title: what x is: epoch, step or hours (whose ticks are times).
            y_title: beside the title, for instance a unit.
        """
        request = _Request(
            curves=tuple(curves),
            x_range=x_range,
            reference=tuple(reference),
            log_y=log_y,
            title=title,
            x_title=x_title,
            y_title=y_title,
        )
        if self._frozen:
            self._waiting = request
        else:
            self._accept(request)

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The chart at that size."""
        request = self._request
        return draw(
            request.curves,
            width=width,
            height=height,
            style=style,
            x_range=request.x_range,
            y_range=request.y_range,
            log_y=request.log_y,
            reference=request.reference,
            title=request.title,
            x_title=request.x_title,
            y_title=request.y_title,
            empty=self._empty,
        )

    def _accept(self, request: _Request) -> None:
        before = self._request
        # The axis stands still for one quantity; another begins with limits of its own.
        alike = (before.title, before.log_y) == (request.title, request.log_y)
        found = y_extent(request.curves, request.reference, log_y=request.log_y)
        if found is not None:
            limits = round_limits(*found, log=request.log_y, before=before.y_range if alike else None)
            request = replace(request, y_range=limits)
        if request != before:
            self._request = request
            self.redraw()
