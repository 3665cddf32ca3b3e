"""Quantities of several runs, overlaid: each run has the same colour and marker for every quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from wmse_tui.runs.state.absent_values import why_empty
from wmse_tui.runs.state.curves import QUANTITIES, Curve, curve, has_values, reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.table.seed_curves import mean_curve
from wmse_tui.runs.text.sanitize import safe, shortened_apart
from wmse_tui.runs.text.units import number
from wmse_tui.tui import keys
from wmse_tui.tui.chart_picker import MOST_CHARTS
from wmse_tui.tui.charts.chart_options import ChartOptions, in_percent, x_range
from wmse_tui.tui.charts.drawing import MOST_BANDS, ChartContent
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.x_navigation import XNavigation

_PLAIN = ChartOptions()
_NAME = 28  # characters of a run in the legend
_USUAL = ("loss", "knn", "effective_rank", "lr")  # four on a large screen
_NARROWEST, _COMFORTABLE, _LOWEST = 36, 48, 7  # cells of a chart
_LARGE = 180, 26  # cells of charts of which four are shown without a choice

Places = tuple[int, ...]
"""Indices of the runs that differ in the seed only."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """How every chart is drawn.

    Attributes:
        log_y: the y axes are logarithmic.
        joined: runs that differ in the seed only are one curve, with a band of a standard deviation.
        options: what they have in common with the plots of Monitor.
    """

    log_y: bool = False
    joined: bool = False
    options: ChartOptions = _PLAIN

    def next(self, part: str, by: int = 1) -> Overlay:
        """The overlay with the next value of one part: axis, log_y, smoothing, recent, joined."""
        match part:
            case "axis" | "smoothing" | "recent":
                return replace(self, options=self.options.next(part, by))
            case "joined":
                return replace(self, joined=not self.joined)
            case _:
                return replace(self, log_y=not self.log_y)

    @property
    def text(self) -> str:
        """The settings in a line."""
        recent, smoothing, window = self.options.recent, self.options.smoothing, self.options.window
        shown = "the whole run" if recent is None else f"the last {recent:.0%} of the run"
        if window is not None:
            shown = f"{number(window[0], 3)} to {number(window[1], 3)}"
        smooth = f"smoothing {smoothing:g}" if smoothing else "not smoothed"
        joined = ", mean ± deviation over seeds" if self.joined else ""
        return f"by {self.options.axis}, {'log' if self.log_y else 'linear'} y, {smooth}, {shown}{joined}"


class OverlaidCurves(Plot):
    """The curves of one quantity.

    Attributes:
        quantity: its name.
        overlay: how it is drawn.
        named: the legend names the runs.
        selected: its title is marked: the keys of charts work.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quantity = _USUAL[0]
        self.overlay = Overlay()
        self.named = True
        self.selected = False
        self._runs: tuple[tuple[str, RunState], ...] = ()
        self._groups: tuple[Places, ...] = ()

    def show_runs(self, runs: Sequence[tuple[str, RunState]], groups: Sequence[Places]) -> None:
        """Draw `runs`: labels and states, in the order of their colours; `groups` differ in the seed only."""
        self._runs, self._groups = tuple(runs), tuple(groups)
        self.draw()

    def draw(self) -> None:
        """Draw the current curves."""
        overlay, quantity = self.overlay, QUANTITIES[self.quantity]
        unit = "%" if quantity.unit == "fraction" else quantity.unit
        places, curves = self._curves(2 * max(1, self.size.width))
        if unit == "%":
            curves = [in_percent(one) for one in curves]
        if not self.named:
            curves = [replace(one, label="") for one in curves]
        self.show(
            ChartContent(
                curves=tuple(curves),
                series=places,
                bands=len(curves) if overlay.joined else MOST_BANDS,
                x_range=x_range((state for _, state in self._runs), overlay.options),
                reference=self._reference(),
                log_y=overlay.log_y,
                title=quantity.title,
                selected=self.selected,
                cursor=overlay.options.cursor,
                x_title=overlay.options.axis,
                y_title=", ".join(filter(None, (unit, "log" if overlay.log_y else ""))),
                empty=why_empty([state for _, state in self._runs], (self.quantity,)),
            )
        )

    def curves(self, columns: int) -> list[Curve]:
        """The curves, with at most so many points each; accuracies are fractions."""
        return self._curves(columns, dense=False)[1]

    def _curves(self, columns: int, *, dense: bool = True) -> tuple[Places, list[Curve]]:
        """The curves, and of each the index of its run, or of the first of its runs."""
        options = self.overlay.options
        limits = x_range((state for _, state in self._runs), options)
        labels = shortened_apart([safe(name) for name, _ in self._runs], _NAME)
        each = [
            curve(
                state,
                self.quantity,
                axis=options.axis,
                columns=columns,
                window=limits if options.zoomed else None,
                smoothing=options.smoothing,
                label=label,
            )
            for label, (_, state) in zip(labels, self._runs, strict=True)
        ]
        if not self.overlay.joined:
            return tuple(range(len(each))), each
        first = {places[0]: places for places in self._groups}
        joined = {place for places in first.values() for place in places}
        shown = [place for place in range(len(each)) if place in first or place not in joined]
        return tuple(shown), [
            mean_curve(
                [each[one] for one in first[place]],
                f"{each[place].label}, {len(first[place])} seeds",
                columns=columns if dense else None,
            )
            if place in first
            else replace(each[place], low=(), high=())  # a band is a deviation, and nothing else
            for place in shown
        ]

    def on_resize(self) -> None:
        self.draw()

    def _reference(self) -> tuple[tuple[float, str], ...]:
        """The reference values of the quantity, if they are the same for all runs."""
        found = {reference(state, self.quantity) for _, state in self._runs}
        return found.pop() if len(found) == 1 else ()


class OverlaidCharts(Container, XNavigation, can_focus=True):
    """As many of the chosen quantities as fit, up to four, each a chart of all runs."""

    BINDINGS = keys.X_NAVIGATION

    class Arranged(Message):
        """Another number of charts fits, or they show another part of x."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self._charts = tuple(OverlaidCurves() for _ in range(MOST_CHARTS))
        self._chosen: tuple[str, ...] = ()
        self._runs: tuple[tuple[str, RunState], ...] = ()
        self._groups: tuple[Places, ...] = ()
        self.overlay = Overlay()

    def compose(self) -> ComposeResult:
        yield from self._charts

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of the quantities that were chosen; empty: the usual ones, as far as they fit well."""
        return self._chosen

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the quantities to draw."""
        if self._chosen:
            return self._chosen
        if self.size.width >= _LARGE[0] and self.size.height >= _LARGE[1]:
            known = [name for name in _USUAL if name not in self.without_values]
            return tuple(known) if len(known) == MOST_CHARTS else _USUAL[:2]
        return _USUAL[: 2 if self.size.width >= 2 * _COMFORTABLE else 1]

    @property
    def options(self) -> ChartOptions:
        """How all of them are drawn, apart from the y axis and from seeds."""
        return self.overlay.options

    @property
    def states(self) -> Iterable[RunState]:
        """The runs."""
        return [state for _, state in self._runs]

    @property
    def columns(self) -> int:
        """The width of the first chart."""
        return self._charts[0].size.width

    def draw_with(self, options: ChartOptions) -> None:
        """Draw all charts over another part of x, or with another cursor."""
        self.show_overlay(replace(self.overlay, options=options))
        self.post_message(self.Arranged())
        self.refresh_bindings()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Mark the first title, or none; a handler of Focus runs before `has_focus` changes."""
        super().watch_has_focus(has_focus)
        self._arrange()

    @property
    def in_sight(self) -> tuple[OverlaidCurves, ...]:
        """The charts that fit."""
        return tuple(chart for chart in self._charts if chart.display)

    @property
    def without_values(self) -> frozenset[str]:
        """The names of the quantities that no run has a value of."""
        return frozenset(
            name for name in QUANTITIES if not any(has_values(state, name) for _, state in self._runs)
        )

    def show_runs(self, runs: Sequence[tuple[str, RunState]], groups: Sequence[Places]) -> None:
        """Draw `runs`: labels and states, in the order of their colours; `groups` differ in the seed only."""
        self._runs, self._groups = tuple(runs), tuple(groups)
        self._arrange()

    def show_quantities(self, names: Sequence[str]) -> None:
        """Draw these quantities, four at most; names that there are not are left out."""
        self._chosen = tuple(name for name in names if name in QUANTITIES)[:MOST_CHARTS]
        self._arrange()

    def show_overlay(self, overlay: Overlay) -> None:
        """Draw all charts in another way."""
        self.overlay = overlay
        self._arrange()

    def _arrange(self) -> None:
        width, height = self.size
        wanted = self.quantities
        columns = 2 if len(wanted) > 1 and width >= 2 * _NARROWEST else 1
        rows = 2 if len(wanted) > columns and height >= 2 * _LOWEST else 1
        shown = wanted[: columns * rows]
        self.styles.grid_size_columns = columns
        for index, chart in enumerate(self._charts):
            chart.display = index < len(shown)
            alone = columns == 2 and index == len(shown) - 1 and index % 2 == 0
            chart.styles.column_span = 2 if alone else 1
            if index < len(shown):
                chart.selected = self.has_focus and index == 0
                chart.quantity, chart.overlay, chart.named = shown[index], self.overlay, index == 0
                chart.show_runs(self._runs, self._groups)

    def on_resize(self) -> None:
        before = len(self.in_sight)
        self._arrange()
        if len(self.in_sight) != before:
            self.post_message(self.Arranged())
