"""The plots of a run: what each shows, and beside which other runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.message import Message

from wmse_tui.runs.state.absent_values import why_empty
from wmse_tui.runs.state.curves import QUANTITIES, Curve, curve, has_values, reference, step_at, x_of_step
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.axis import Limits
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import number
from wmse_tui.tui import keys
from wmse_tui.tui.chart_picker import MOST_CHARTS
from wmse_tui.tui.charts.chart_options import ChartOptions, in_percent, x_range
from wmse_tui.tui.charts.drawing import ChartContent
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.x_navigation import XNavigation
from wmse_tui.tui.widgets.monitor.moment import MomentChosen
from wmse_tui.tui.widgets.panel import Panel

_NARROWEST, _COMFORTABLE, _LOWEST = 36, 50, 9  # cells that a plot needs


@dataclass(frozen=True, slots=True)
class Chart:
    """What a plot can show: one quantity, or a few of one unit."""

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
    Chart(QUANTITIES["gpu_utilisation"].title, ("gpu_utilisation",), percent=True),
    *(
        Chart(QUANTITIES[name].title, (name,))
        for name in ("gpu_memory", "gpu_temperature", "gpu_power", "cpu", "memory")
    ),
)
_BY_TITLE = {chart.title: chart for chart in CHARTS}


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """A run in the plots under a sanitised name."""

    label: str
    state: RunState


class ChartsPanel(Panel, XNavigation, can_focus=True):
    """As many of the chosen charts as fit, up to four; one of them is selected."""

    BINDINGS = [*keys.PLOTS, *keys.X_NAVIGATION]  # noqa: RUF012 (Textual's type)

    class LayoutChanged(Message):
        """Other charts are chosen, or they are drawn in another way that is worth saving."""

    def __init__(self) -> None:
        super().__init__(title="Plots", id="plots")
        self._plots = tuple(Plot() for _ in range(MOST_CHARTS))
        self._charts = list(CHARTS[:MOST_CHARTS])
        self._log: set[str] = set()  # titles of the charts with a logarithmic y axis
        self._options = ChartOptions()
        self._selected = 0
        self._single = False
        self._runs: tuple[LabelledRun, ...] = ()

    def compose(self) -> ComposeResult:
        yield from self._plots

    def on_mount(self) -> None:
        self._show_options()

    def show(self, runs: Sequence[LabelledRun]) -> None:
        """Show the first of `runs`, and the others beside it."""
        many = len(self._runs)
        self._runs = tuple(runs)
        if len(self._runs) != many:
            self._show_options()
        self.redraw()

    def redraw(self) -> None:
        """Draw the plots in sight; each repaints only what differs."""
        if not self._runs:
            return
        for index in self._in_sight:
            self._draw(index)

    @property
    def _in_sight(self) -> list[int]:
        return [index for index, plot in enumerate(self._plots) if plot.display]

    def _draw(self, index: int) -> None:
        chart, plot = self._charts[index], self._plots[index]
        log = chart.title in self._log
        options, width = self._options, plot.size.width
        if not width:
            return
        limits = x_range((run.state for run in self._runs), options)
        curves = [
            one for run in self._runs for one in _curves(run, chart, options, limits, width, len(self._runs))
        ]
        plot.show(
            ChartContent(
                curves=tuple(curves),
                x_range=limits,
                reference=reference(self._runs[0].state, chart.quantities[0]),
                log_y=log,
                title=chart.title,
                selected=index == self._selected and self.has_focus,
                cursor=options.cursor,
                x_title=options.axis,
                y_title="%" if chart.percent else "log" if log else "",
                empty=why_empty([run.state for run in self._runs], chart.quantities),
            )
        )

    # Arrangement

    def on_resize(self, event: Resize) -> None:
        self._arrange(event.size.width, event.size.height)

    @property
    def single(self) -> bool:
        """Whether the selected plot fills the panel."""
        return self._single

    @single.setter
    def single(self, single: bool) -> None:
        if single != self._single:
            self._single = single
            self._arrange(self.size.width, self.size.height)

    def _arrange(self, width: int, height: int) -> None:
        columns, rows = (1, 1) if self._single else grid_of(width, height, len(self._charts))
        many = columns * rows
        self._selected = min(self._selected, len(self._charts) - 1)
        first = self._selected if many == 1 else 0
        if self._selected >= first + many:
            self._selected = first
        for index, plot in enumerate(self._plots):
            plot.display = first <= index < min(first + many, len(self._charts))
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = rows
        self.call_after_refresh(self.redraw)

    # Keys

    def action_select(self, by: int) -> None:
        """Select another plot; if only one fits, show that one."""
        in_sight = self._in_sight
        if len(in_sight) > 1:
            self._selected = in_sight[(in_sight.index(self._selected) + by) % len(in_sight)]
            self.redraw()
        else:
            self._selected = (self._selected + by) % len(self._charts)
            self._arrange(self.size.width, self.size.height)

    @property
    def chart(self) -> str:
        """The title of what the selected plot shows."""
        return self._charts[self._selected].title

    @property
    def charts(self) -> tuple[str, ...]:
        """The titles of the chosen charts, in their order."""
        return tuple(chart.title for chart in self._charts)

    @property
    def without_values(self) -> frozenset[str]:
        """The titles of the charts that no run has a value for."""
        return frozenset(
            chart.title
            for chart in CHARTS
            if not any(has_values(run.state, quantity) for run in self._runs for quantity in chart.quantities)
        )

    def show_chart(self, title: str) -> None:
        """Show the chart of that title in the selected plot."""
        self._charts[self._selected] = _BY_TITLE[title]
        self.post_message(self.LayoutChanged())
        self.redraw()

    def show_charts(self, titles: Sequence[str]) -> None:
        """Show these charts side by side, four at most; titles that there are not are left out."""
        found = [_BY_TITLE[title] for title in titles if title in _BY_TITLE][:MOST_CHARTS]
        if found:
            self._charts, self._selected = found, 0
            self.post_message(self.LayoutChanged())
            self._arrange(self.size.width, self.size.height)

    @property
    def logarithmic(self) -> tuple[str, ...]:
        """The titles of the charts with a logarithmic y axis."""
        return tuple(sorted(self._log))

    @property
    def options(self) -> ChartOptions:
        """How all of them are drawn."""
        return self._options

    def restore(self, titles: Sequence[str], logarithmic: Iterable[str], options: ChartOptions) -> None:
        """Show what an earlier app has shown; before the first drawing."""
        self._charts = [_BY_TITLE[title] for title in titles if title in _BY_TITLE][
            :MOST_CHARTS
        ] or self._charts
        self._log = set(logarithmic) & set(_BY_TITLE)
        self._options = options

    @property
    def states(self) -> Iterable[RunState]:
        """The watched run, and those beside it."""
        return [run.state for run in self._runs]

    @property
    def columns(self) -> int:
        """The width of the selected plot."""
        return self._plots[self._selected].size.width

    def on_plot_pointed(self, event: Plot.Pointed) -> None:
        """Select the plot that was clicked at; Textual also calls the handler of the base."""
        if event.factor == 1:
            self._selected = self._plots.index(event.plot)

    def show_moment(self, step: int | None) -> None:
        """Put the cursor at a step of the watched run, unless it is there; None: show none."""
        if step == self._step_of(self._options):
            return
        cursor = None
        if step is not None and self._runs:
            cursor = x_of_step(self._runs[0].state, self._options.axis, step)
        self._options = replace(self._options, cursor=cursor)
        self.redraw()
        self.refresh_bindings()

    def _step_of(self, options: ChartOptions) -> int | None:
        """The step of the watched run at the cursor."""
        if options.cursor is None or not self._runs:
            return None
        return step_at(self._runs[0].state, options.axis, options.cursor)

    def draw_with(self, options: ChartOptions) -> None:
        """Draw all plots in another way; the other panels follow the cursor."""
        if options.cursor != self._options.cursor:
            self.post_message(MomentChosen(self._step_of(options)))
        self._options = options
        self._show_options()
        self.redraw()
        self.refresh_bindings()

    def toggle_log(self) -> None:
        """Toggle the logarithmic y axis of the selected plot."""
        self._log ^= {self.chart}
        self.post_message(self.LayoutChanged())
        self.redraw()

    def next_option(self, option: Literal["axis", "recent", "smoothing"]) -> None:
        """Draw all plots with the next value of one option."""
        self.draw_with(self._options.next(option))
        self.post_message(self.LayoutChanged())

    def _show_options(self) -> None:
        options, others = self._options, len(self._runs) - 1
        recent = "" if options.recent is None else f", last {options.recent:.0%}"
        if options.window is not None:
            recent = f", {number(options.window[0], 3)} to {number(options.window[1], 3)}"
        smooth = f", smoothing {options.smoothing:g}" if options.smoothing else ""
        beside = f", beside {others} more" if others > 0 else ""
        self.border_title = Content(f"Plots by {options.axis}{recent}{smooth}{beside}")

    def watch_has_focus(self, has_focus: bool) -> None:
        """Mark the selected plot, or none; a handler of Focus runs before `has_focus` changes."""
        super().watch_has_focus(has_focus)
        self.redraw()


def grid_of(width: int, height: int, charts: int = MOST_CHARTS) -> tuple[int, int]:
    """Columns and rows of plots that fit the cells, for so many charts."""
    rows = 2 if height >= 2 * _LOWEST and charts > 1 else 1
    # Two rows of plots should be wide; in a single row two narrow plots are better than one.
    columns = 2 if width >= 2 * (_COMFORTABLE if rows == 2 else _NARROWEST) and charts > rows else 1
    return columns, rows


def _curves(
    run: LabelledRun, chart: Chart, options: ChartOptions, limits: Limits | None, width: int, runs: int
) -> list[Curve]:
    found = []
    for quantity in chart.quantities:
        name = QUANTITIES[quantity].title.replace(" accuracy", "") if len(chart.quantities) > 1 else ""
        label = name if runs == 1 else f"{run.label} {name}".rstrip()
        one = curve(
            run.state,
            quantity,
            axis=options.axis,
            columns=2 * width,
            window=limits if options.zoomed else None,
            smoothing=options.smoothing,
            label=label or safe(chart.title),
        )
        if runs == 1 or one.x or len(chart.quantities) == 1:
            found.append(in_percent(one) if chart.percent else one)
    return found
