"""One quantity of several runs, overlaid: a colour and a marker for each run, whatever is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from wmse_tui.runs.state.curves import QUANTITIES, Axis, Curve, curve, extent, reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.tui.charts.plot import Plot

Item = TypeVar("Item")

_AXES: tuple[Axis, ...] = ("epoch", "step", "hours")
_RECENT: tuple[float | None, ...] = (None, 0.5, 0.2, 0.05)
_NAME = 28  # characters of a run in the legend
_SMOOTHING = (0.0, 0.6, 0.9, 0.97)


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn, and how."""

    quantity: str = "loss"
    axis: Axis = "epoch"
    log_y: bool = False
    smoothing: float = 0.0
    recent: float | None = None

    def next(self, part: str, by: int = 1) -> Look:
        """The look with the next value of one part: quantity, axis, log_y, smoothing, recent."""
        match part:
            case "quantity":
                return replace(self, quantity=_after(tuple(QUANTITIES), self.quantity, by))
            case "axis":
                return replace(self, axis=_after(_AXES, self.axis, by))
            case "smoothing":
                return replace(self, smoothing=_after(_SMOOTHING, self.smoothing, by))
            case "recent":
                return replace(self, recent=_after(_RECENT, self.recent, by))
            case _:
                return replace(self, log_y=not self.log_y)

    @property
    def words(self) -> str:
        """The look in a line."""
        shown = "all of the way" if self.recent is None else f"last {self.recent:.0%} of the way"
        smooth = f"smoothing {self.smoothing:g}" if self.smoothing else "not smoothed"
        return f"by {self.axis}, {'log' if self.log_y else 'linear'} y, {smooth}, {shown}"


class OverlaidCurves(Plot):
    """The curves of one quantity."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, empty="no run has a value of this yet")
        self.look = Look()
        self._runs: tuple[tuple[str, RunState], ...] = ()

    def show_runs(self, runs: Sequence[tuple[str, RunState]]) -> None:
        """Draw `runs`: labels and views, in the order of their colours."""
        self._runs = tuple(runs)
        self.draw()

    def turn(self, part: str, by: int = 1) -> None:
        """Draw with the next value of one part of the look."""
        self.look = self.look.next(part, by)
        self.draw()

    def draw(self) -> None:
        """Draw what there is now."""
        look, quantity = self.look, QUANTITIES[self.look.quantity]
        unit = "%" if quantity.unit == "fraction" else quantity.unit
        self.show(
            [_in_percent(one) if unit == "%" else one for one in self.curves(2 * max(1, self.size.width))],
            x_range=self._x_range(),
            reference=self._reference(),
            log_y=look.log_y,
            title=quantity.title,
            x_title=look.axis,
            y_title=", ".join(filter(None, (unit, "log" if look.log_y else ""))),
        )

    def curves(self, columns: int) -> list[Curve]:
        """The curves, with at most so many points each; accuracies are fractions."""
        look = self.look
        return [
            curve(
                view,
                look.quantity,
                axis=look.axis,
                columns=columns,
                recent=look.recent,
                smoothing=look.smoothing,
                label=without_middle(safe(label), _NAME),
            )
            for label, view in self._runs
        ]

    def on_resize(self) -> None:
        self.draw()

    def _x_range(self) -> tuple[float, float] | None:
        ranges = [extent(view, self.look.axis, recent=self.look.recent) for _, view in self._runs]
        return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None

    def _reference(self) -> tuple[tuple[float, str], ...]:
        """Values that mean something by themselves, where they mean it for every run."""
        found = {reference(view, self.look.quantity) for _, view in self._runs}
        return found.pop() if len(found) == 1 else ()


def _in_percent(one: Curve) -> Curve:
    y, low, high = (tuple(100 * value for value in values) for values in (one.y, one.low, one.high))
    return replace(one, y=y, low=low, high=high)


def _after(values: Sequence[Item], value: Item, by: int) -> Item:
    return values[(values.index(value) + by) % len(values)]
