"""The chart widget: curves over epochs, steps or hours, at a few bytes of output for each new value."""

from __future__ import annotations

from dataclasses import replace

from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message

from wmse_tui.runs.text.axis import Limits, round_limits
from wmse_tui.tui.charts.canvas import Drawing
from wmse_tui.tui.charts.drawing import ChartContent, draw_chart, x_at, y_extent
from wmse_tui.tui.charts.rows import RowsWidget
from wmse_tui.tui.charts.style import ChartStyle, chart_style


class Plot(RowsWidget):
    """Curves whose y axis seldom changes.

    It changes in round steps only: it grows when a value is outside, and shrinks when half of it is empty.

    Args:
        title: shown until `show` sets another.
    """

    DEFAULT_CSS = "Plot { height: 1fr; min-height: 3; }"

    def __init__(
        self,
        *,
        title: str = "",
        name: str | None = None,
        id: str | None = None,  # noqa: A002 (textual's name)
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._content = ChartContent(title=title)

    @property
    def content(self) -> ChartContent:
        """What is shown."""
        return self._content

    @property
    def y_range(self) -> Limits | None:
        """The ends of the y axis; None before there is a value."""
        return self._content.y_range

    def show(self, content: ChartContent) -> None:
        """Show curves over a fixed x axis; the y axis is chosen here. Draws nothing if nothing differs."""
        before = self._content
        # The axis is that of one quantity; another one begins with limits of its own.
        same_axis = (before.title, before.log_y) == (content.title, content.log_y)
        found = y_extent(content)
        if found is not None:
            limits = round_limits(*found, log=content.log_y, before=before.y_range if same_axis else None)
            content = replace(content, y_range=limits)
        if content != before:
            self._content = content
            self.redraw()

    class Pointed(Message):
        """The user clicked at an x, or turned the wheel there by a `factor` of how much of x is shown."""

        def __init__(self, plot: Plot, x: float, factor: float = 1.0) -> None:
            super().__init__()
            self.plot = plot
            self.x = x
            self.factor = factor

    def on_click(self, event: Click) -> None:
        """Report the x under the mouse."""
        self._point(event.x)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Zoom in around the mouse."""
        event.stop()
        self._point(event.x, 0.5)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Zoom out around the mouse."""
        event.stop()
        self._point(event.x, 2.0)

    def _point(self, column: int, factor: float = 1.0) -> None:
        width, height = self.size
        x = x_at(self._content, column, width=width, height=height, style=chart_style(self.app))
        if x is not None:
            self.post_message(self.Pointed(self, x, factor))

    def draw_rows(self, width: int, height: int, style: ChartStyle) -> Drawing:
        """The chart at that size."""
        return draw_chart(self._content, width=width, height=height, style=style)
