"""One quantity of several runs, overlaid: each run has the same colour and marker for every quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wmse_tui.runs.state.curves import QUANTITIES, Curve, curve, reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.tui.charts.chart_options import ChartOptions, in_percent, next_of, x_range
from wmse_tui.tui.charts.drawing import ChartContent
from wmse_tui.tui.charts.plot import Plot

_PLAIN = ChartOptions()
_NAME = 28  # characters of a run in the legend


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn, and how."""

    quantity: str = "loss"
    log_y: bool = False
    options: ChartOptions = _PLAIN

    def next(self, part: str, by: int = 1) -> Overlay:
        """The overlay with the next value of one part: quantity, axis, log_y, smoothing, recent."""
        match part:
            case "quantity":
                return replace(self, quantity=next_of(tuple(QUANTITIES), self.quantity, by))
            case "axis" | "smoothing" | "recent":
                return replace(self, options=self.options.next(part, by))
            case _:
                return replace(self, log_y=not self.log_y)

    @property
    def text(self) -> str:
        """The settings in a line."""
        recent, smoothing = self.options.recent, self.options.smoothing
        shown = "the whole run" if recent is None else f"the last {recent:.0%} of the run"
        smooth = f"smoothing {smoothing:g}" if smoothing else "not smoothed"
        return f"by {self.options.axis}, {'log' if self.log_y else 'linear'} y, {smooth}, {shown}"


class OverlaidCurves(Plot):
    """The curves of one quantity."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, empty="no run has a value of this yet")
        self.overlay = Overlay()
        self._runs: tuple[tuple[str, RunState], ...] = ()

    def show_runs(self, runs: Sequence[tuple[str, RunState]]) -> None:
        """Draw `runs`: labels and states, in the order of their colours."""
        self._runs = tuple(runs)
        self.draw()

    def cycle(self, part: str, by: int = 1) -> None:
        """Draw with the next value of one part of the overlay."""
        self.overlay = self.overlay.next(part, by)
        self.draw()

    def show_quantity(self, quantity: str) -> None:
        """Draw another quantity, by its name."""
        self.overlay = replace(self.overlay, quantity=quantity)
        self.draw()

    def draw(self) -> None:
        """Draw the current curves."""
        overlay, quantity = self.overlay, QUANTITIES[self.overlay.quantity]
        unit = "%" if quantity.unit == "fraction" else quantity.unit
        curves = self.curves(2 * max(1, self.size.width))
        self.show(
            ChartContent(
                curves=tuple(in_percent(one) if unit == "%" else one for one in curves),
                x_range=x_range((state for _, state in self._runs), overlay.options),
                reference=self._reference(),
                log_y=overlay.log_y,
                title=quantity.title,
                x_title=overlay.options.axis,
                y_title=", ".join(filter(None, (unit, "log" if overlay.log_y else ""))),
            )
        )

    def curves(self, columns: int) -> list[Curve]:
        """The curves, with at most so many points each; accuracies are fractions."""
        options = self.overlay.options
        limits = x_range((state for _, state in self._runs), options)
        return [
            curve(
                state,
                self.overlay.quantity,
                axis=options.axis,
                columns=columns,
                window=limits if options.zoomed else None,
                smoothing=options.smoothing,
                label=without_middle(safe(label), _NAME),
            )
            for label, state in self._runs
        ]

    def on_resize(self) -> None:
        self.draw()

    def _reference(self) -> tuple[tuple[float, str], ...]:
        """The reference values of the quantity, if they are the same for all runs."""
        found = {reference(state, self.overlay.quantity) for _, state in self._runs}
        return found.pop() if len(found) == 1 else ()
