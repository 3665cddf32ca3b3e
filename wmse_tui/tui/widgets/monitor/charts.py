"""The plots of a run: what each shows, over which x, and beside which other runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Blur, Focus, Resize

from wmse_tui.runs.state.curves import QUANTITIES, Axis, Curve, curve, extent, reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.widgets.monitor.pane import Pane

Item = TypeVar("Item")

PLOTS = 4  # at once, at most
_AXES: tuple[Axis, ...] = ("epoch", "step", "hours")
_RECENT: tuple[float | None, ...] = (None, 0.5, 0.2, 0.05)
_SMOOTHING = (0.0, 0.6, 0.9, 0.97)
_NARROWEST, _COMFORTABLE, _LOWEST = 36, 50, 9  # cells that a plot needs to be of use


@dataclass(frozen=True, slots=True)
class Chart:
    """Something that a plot can show: one quantity, or a few of one unit."""

    title: str
    quantities: tuple[str, ...]
    percent: bool = False


CHARTS: tuple[Chart, ...] = (
    Chart("Loss", ("loss",)),
    Chart("Accuracy", ("knn", "linear"), percent=True),
    *(
        Chart(QUANTITIES[name].title, (name,))
        for name in (
            "lr",
            "effective_rank",
            "condition_number",
            "feature_std",
            "smallest_pivot",
            "images_per_second",
            "rankme",
            "participation_ratio",
            "stable_rank",
            "anisotropy",
            "alpha",
            "mean_correlation",
            "whiteness_error",
            "alignment",
            "uniformity",
        )
    ),
    Chart("Contrastive accuracy", ("contrastive_accuracy",), percent=True),
)


@dataclass(frozen=True, slots=True)
class Look:
    """How all plots are drawn."""

    axis: Axis = "epoch"
    recent: float | None = None
    smoothing: float = 0.0

    @property
    def words(self) -> str:
        """What differs from the plain look, and the axis."""
        recent = "" if self.recent is None else f", last {self.recent:.0%}"
        smooth = f", smoothing {self.smoothing:g}" if self.smoothing else ""
        return f"by {self.axis}{recent}{smooth}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A run in the plots, under a name that is fit for a terminal."""

    label: str
    view: RunState


class ChartsPane(Pane):
    """As many plots as there is room for, up to four; one of them is selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h,up,k", "select(-1)", "Plot before", show=False, id="plot-previous"),
        Binding("right,l,down,j", "select(1)", "Next plot", show=False, id="plot-next"),
    ]

    def __init__(self) -> None:
        super().__init__(title="Plots", id="plots")
        self._plots = tuple(Plot() for _ in range(PLOTS))
        self._charts = list(range(PLOTS))  # which of CHARTS each plot shows
        self._log = [False] * PLOTS
        self._look = Look()
        self._selected = 0
        self._single = False
        self._runs: tuple[Shown, ...] = ()
        self._drawn: list[object] = [None] * PLOTS

    def compose(self) -> ComposeResult:
        yield from self._plots

    def on_mount(self) -> None:
        self._tell_look()

    def show(self, runs: Sequence[Shown]) -> None:
        """Show the first of `runs`, with the others beside it."""
        many = len(self._runs)
        self._runs = tuple(runs)
        if len(self._runs) != many:
            self._tell_look()
        self.redraw()

    def redraw(self) -> None:
        """Draw the plots in sight, as far as they would look different."""
        if not self._runs:
            return
        for place in self._in_sight:
            self._draw(place)

    @property
    def _in_sight(self) -> list[int]:
        return [place for place, plot in enumerate(self._plots) if plot.display]

    def _draw(self, place: int) -> None:
        chart, plot, look = CHARTS[self._charts[place]], self._plots[place], self._look
        width = plot.size.width
        if not width:
            return
        log = self._log[place]
        title = self._title(place, chart)
        state = (look, chart, log, width, title, *(_told(run.view, look.axis) for run in self._runs))
        if state == self._drawn[place]:
            return
        self._drawn[place] = state
        curves = [one for run in self._runs for one in _curves(run, chart, look, width, len(self._runs))]
        main = self._runs[0].view
        plot.show(
            curves,
            x_range=_x_range([run.view for run in self._runs], look),
            reference=reference(main, chart.quantities[0]),
            log_y=log,
            title=title,
            x_title=look.axis,
            y_title="%" if chart.percent else "log" if log else "",
        )

    def _title(self, place: int, chart: Chart) -> str:
        several = len(self._in_sight) > 1
        return f"▸ {chart.title}" if several and place == self._selected and self.has_focus else chart.title

    # Where the plots are

    def on_resize(self, event: Resize) -> None:
        self._arrange(event.size.width, event.size.height)

    @property
    def single(self) -> bool:
        """Whether the selected plot has all the room."""
        return self._single

    @single.setter
    def single(self, single: bool) -> None:
        if single != self._single:
            self._single = single
            self._arrange(self.size.width, self.size.height)

    def _arrange(self, width: int, height: int) -> None:
        columns, rows = (1, 1) if self._single else grid_of(width, height)
        many = columns * rows
        first = self._selected if many == 1 else 0
        if self._selected >= first + many:
            self._selected = first
        for place, plot in enumerate(self._plots):
            plot.display = first <= place < first + many
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = rows
        self.call_after_refresh(self.redraw)

    # What a key does

    def action_select(self, by: int) -> None:
        """Select another plot; where there is room for one, that is the one that is seen."""
        places = self._in_sight
        if len(places) > 1:
            self._selected = places[(places.index(self._selected) + by) % len(places)]
            self.redraw()
        else:
            self._selected = (self._selected + by) % PLOTS
            self._arrange(self.size.width, self.size.height)

    def next_chart(self) -> None:
        """Let the selected plot show something else, which no other plot in sight shows."""
        others = {self._charts[place] for place in self._in_sight if place != self._selected}
        wanted = (self._charts[self._selected] + 1) % len(CHARTS)
        while wanted in others:
            wanted = (wanted + 1) % len(CHARTS)
        self._charts[self._selected] = wanted
        self.redraw()

    def toggle_log(self) -> None:
        """A logarithmic y for the selected plot, or a plain one again."""
        self._log[self._selected] = not self._log[self._selected]
        self.redraw()

    def next_axis(self) -> None:
        """Epochs, steps, hours."""
        self._change(replace(self._look, axis=_after(_AXES, self._look.axis)))

    def next_recent(self) -> None:
        """All of the run, or the last part of the way so far."""
        self._change(replace(self._look, recent=_after(_RECENT, self._look.recent)))

    def next_smoothing(self) -> None:
        """None, and more and more."""
        self._change(replace(self._look, smoothing=_after(_SMOOTHING, self._look.smoothing)))

    def _change(self, look: Look) -> None:
        self._look = look
        self._tell_look()
        self.redraw()

    def _tell_look(self) -> None:
        others = len(self._runs) - 1
        beside = f", beside {others} more" if others > 0 else ""
        self.border_title = Content(f"Plots {self._look.words}{beside}")

    def on_focus(self, event: Focus) -> None:  # noqa: ARG002
        self.redraw()

    def on_blur(self, event: Blur) -> None:  # noqa: ARG002
        self.redraw()


def grid_of(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of the plots that have room in so many cells."""
    rows = 2 if height >= 2 * _LOWEST else 1
    # Two above each other had better be wide; two beside each other may be narrow, else there is only one.
    return 2 if width >= 2 * (_COMFORTABLE if rows == 2 else _NARROWEST) else 1, rows


def _after(values: Sequence[Item], value: Item) -> Item:
    return values[(values.index(value) + 1) % len(values)]


def _told(view: RunState, axis: Axis) -> tuple[object, ...]:
    """What a plot of this run depends on."""
    return (
        view.run_id,
        view.attempt,
        view.step,
        view.evaluations,
        len(view.diagnostics),
        extent(view, axis),
    )


def _curves(run: Shown, chart: Chart, look: Look, width: int, runs: int) -> list[Curve]:
    found = []
    for quantity in chart.quantities:
        name = QUANTITIES[quantity].title.replace(" accuracy", "") if len(chart.quantities) > 1 else ""
        label = name if runs == 1 else f"{run.label} {name}".rstrip()
        one = curve(
            run.view,
            quantity,
            axis=look.axis,
            columns=2 * width,
            recent=look.recent,
            smoothing=look.smoothing,
            label=label or safe(chart.title),
        )
        if runs == 1 or one.x or len(chart.quantities) == 1:
            found.append(in_percent(one) if chart.percent else one)
    return found


def in_percent(one: Curve) -> Curve:
    """A curve of fractions as the screen shows them."""
    return replace(
        one,
        y=tuple(100 * y for y in one.y),
        low=tuple(100 * y for y in one.low),
        high=tuple(100 * y for y in one.high),
    )


def _x_range(views: Sequence[RunState], look: Look) -> tuple[float, float]:
    ranges = [extent(view, look.axis, recent=look.recent) for view in views]
    return min(low for low, _ in ranges), max(high for _, high in ranges)
