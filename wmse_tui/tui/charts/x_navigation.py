"""The cursor, the zoom and the position on the x axis that all charts of a panel share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace

from textual.widget import Widget

from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.axis import Limits
from wmse_tui.tui.charts.chart_options import ChartOptions, magnified, moved_cursor, panned, x_range
from wmse_tui.tui.charts.plot import Plot


class XNavigation(Widget):
    """Moves through the x of the charts in it, by keys and by mouse; subclasses draw what comes of it.

    A subclass names its container first: stylesheets know the types of the first bases only.
    """

    @property
    @abstractmethod
    def options(self) -> ChartOptions:
        """How all charts are drawn."""

    @property
    @abstractmethod
    def states(self) -> Iterable[RunState]:
        """The runs in the charts."""

    @property
    @abstractmethod
    def columns(self) -> int:
        """The width of a chart, in cells; 0 before there is one."""

    @abstractmethod
    def draw_with(self, options: ChartOptions) -> None:
        """Draw all charts in another way."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a zoom and a cursor `escape` is the screen's."""
        return action != "whole" or self.options.zoomed or self.options.cursor is not None

    def action_cursor(self, by: int) -> None:
        """Move the cursor of all charts by a column."""
        limits, columns = self._limits(), self.columns
        if limits is not None and columns:
            self.draw_with(moved_cursor(self.options, limits, by / columns))

    def action_magnify(self, factor: float, around: float | None = None) -> None:
        """Show `factor` times as much of x in all charts."""
        limits, whole = self._limits(), self._limits(whole=True)
        if limits is not None and whole is not None:
            self.draw_with(magnified(self.options, limits, whole, factor, around))

    def action_pan(self, by: int) -> None:
        """Show an earlier (-1) or a later part (1) of x, where it is zoomed."""
        limits, whole = self._limits(), self._limits(whole=True)
        if limits is not None and whole is not None and self.options.zoomed:
            self.draw_with(panned(self.options, limits, whole, by / 4))

    def action_whole(self) -> None:
        """Show all of x, without a cursor."""
        self.draw_with(replace(self.options, window=None, recent=None, cursor=None))

    def on_plot_pointed(self, event: Plot.Pointed) -> None:
        """Put the cursor where the user clicked, or zoom there."""
        event.stop()
        if event.factor == 1:
            self.draw_with(replace(self.options, cursor=event.x))
        else:
            self.action_magnify(event.factor, event.x)

    def _limits(self, *, whole: bool = False) -> Limits | None:
        options = replace(self.options, window=None, recent=None) if whole else self.options
        return x_range(self.states, options)
