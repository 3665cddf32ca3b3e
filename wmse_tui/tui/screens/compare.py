"""The Compare screen: runs overlaid, their results, the options that differ, mean ± std over seeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Static

from wmse_tui.config.locations import expanded, working_dir
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import OutputExists, RunsError
from wmse_tui.runs.output import write_output
from wmse_tui.runs.state.config import Configuration, read_configuration
from wmse_tui.runs.state.curves import QUANTITIES
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.transfer_results import SavedTransfer, read_transfer
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.table.compare import MOST, Comparison, Subject, compare, unlike
from wmse_tui.runs.table.comparison_file import FORMATS, curves_csv
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.chart_picker import ChartPicker
from wmse_tui.tui.charts.chart_options import options_of
from wmse_tui.tui.charts.style import chart_style
from wmse_tui.tui.dialogs import Confirm, RunPicker
from wmse_tui.tui.export_dialog import ExportDialog, ExportRow
from wmse_tui.tui.feed import RunChanged, RunUnreadable
from wmse_tui.tui.saved_state import ComparePart
from wmse_tui.tui.screens.app_screen import MEDIUM, MIDDLING, TALL, AppScreen
from wmse_tui.tui.widgets.compare.chart import OverlaidCharts, Overlay
from wmse_tui.tui.widgets.compare.sheets import (
    RESULT_COLUMNS,
    ResultOrder,
    differences_sheet,
    repetitions_sheet,
    results_sheet,
    transfer_sheet,
)
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.table import CellTable

TABLES = ("results", "options", "seeds", "transfer")
# Lines: bars and status, a table and a chart, as in the stylesheet; the lower tables (at least and at most:
# else, with many charts, on a tall screen).
_ALWAYS, _TALLEST, _LOWEST_CHART = 3, 11, 6
_BELOW_LEAST, _BELOW, _BELOW_MANY, _BELOW_TALL = 5, 12, 7, 16
_EXPORTED_POINTS = 4096  # of a curve, at most
_CURVES = "curves"
_EXPORTS = (  # the names are those of `runs.table.comparison_file.FORMATS`, and _CURVES
    ExportRow("csv", "CSV", "a row for each run, accuracies as fractions", "comparison.csv"),
    ExportRow("json", "JSON", "everything, accuracies as fractions", "comparison.json"),
    ExportRow("markdown", "Markdown", "tables in percent", "comparison.md"),
    ExportRow("latex", "LaTeX", "a table of means and deviations in percent", "comparison.tex"),
    ExportRow(_CURVES, "Curves", "CSV of the curves that are drawn now", "curves.csv"),
)
_EMPTY = f"""\
No run is compared yet.

Mark up to {MOST} runs in Runs ({{key:go-runs}}) with {{key:runs-mark}} and press {{key:runs-compare}} there,
or press {{key:compare-choose}} here to choose some."""


class CompareScreen(AppScreen):
    """The runs of `app.marked`, side by side and live."""

    HELP = f"""\
Up to {MOST} runs: their curves overlaid, each with a colour and a marker, their results, the options that
differ, and mean and sample standard deviation over completed runs that differ in the seed only. Runs that
still train are followed. Linear and k-NN are accuracies of the final evaluation; the best ones were selected
on the test set, so they are optimistically biased. A click, or Shift+Tab and h or l, put a cursor through the
charts that shows their values; + and -, or the wheel, zoom. * marks the best of runs that were tested on the
same images with the same k-NN. A further table has the transfer of the frozen features to other images
(`wmse-tui eval RUN --transfer`): the accuracy of logistic regression, ~ marks a tie, no worse than the number
of test images explains. Monitor ({{key:pane-evaluations}}) has the other numbers of it, and what they are."""

    AUTO_FOCUS = ""  # the charts would have it, and the keys of the tables are wanted more often
    BINDINGS = keys.COMPARE

    def __init__(self) -> None:
        super().__init__()
        self._runs: tuple[RunDirectory, ...] = ()
        self._states: dict[Path, RunState] = {}
        self._behind: dict[Path, float | None] = {}
        self._problems: dict[Path, str] = {}
        self._configurations: dict[Path, Configuration] = {}
        self._transfer: dict[Path, tuple[SavedTransfer, ...]] = {}
        self._comparison = Comparison((), (), ())
        self._table = 0
        self._order = ResultOrder()
        self._due: dict[str, Timer] = {}

    def compose_body(self) -> ComposeResult:
        yield Static(self.services.keys.fill(_EMPTY), markup=False, id="compare-empty")
        with Vertical(id="compare-runs"):
            yield OverlaidCharts(id="compare-charts")
            yield Static("", markup=False, id="compare-status")
            with Panel(title="Results", id="compare-results"):
                yield CellTable(id="results")
            with Panel(title="Transfer: linear probe, %", id="compare-transfer") as transfer:
                transfer.border_subtitle = "logistic regression on the frozen features; * best, ~ tie"
                yield CellTable(id="transfer")
            with Horizontal(id="compare-below"):
                with Panel(title="Options that differ", id="compare-options"):
                    yield CellTable(id="options")
                with Panel(title="Mean and deviation over seeds", id="compare-seeds"):
                    yield CellTable(id="seeds")

    def on_mount(self) -> None:
        self._restore_layout()
        self._show_table(0)

    @property
    def _charts(self) -> OverlaidCharts:
        return self.query_one(OverlaidCharts)

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002 (that of the base is called too)
        self._arrange()

    def on_screen_resume(self) -> None:
        marked = len(self.services.selection.marked)
        if marked > MOST:
            text = f"{marked} runs are marked; the first {MOST} are compared."
            self.services.notify(text, severity="warning")
        self._compare(self.services.selection.marked[:MOST])

    def on_screen_suspend(self) -> None:
        if self in self.app.screen_stack:
            return  # a dialog is open on top
        for run in self._runs:
            self.services.feed.unwatch(run, self)
        self._runs = ()

    # Which runs, and what has been read of them

    @property
    def loaded(self) -> bool:
        """Whether log, configuration and transfer of every run have been read."""
        return all(run.path in self._states and run.path in self._transfer for run in self._runs)

    def _compare(self, runs: tuple[RunDirectory, ...]) -> None:
        """Compare `runs`: follow those that are new here, forget those that are compared no more."""
        before, self._runs = self._runs, runs
        self.services.selection.marked = runs
        self.services.saved.change_of_root("compared", self.services.runs_root, [str(r.path) for r in runs])
        for run in before:
            if run not in runs:
                self.services.feed.unwatch(run, self)
                self._states.pop(run.path, None)
        for run in runs:
            if run not in before:
                self.services.feed.watch(run, self)
        if runs:
            self._read_files(runs)
        self.set_class(not runs, "-empty")
        self.set_class(len(runs) > 2, "-several")  # their options need the width
        self.refresh_bindings()
        self._draw()
        if runs and not isinstance(self.focused, CellTable | OverlaidCharts):
            self.query_one(f"#{TABLES[self._table]}").focus()

    def is_possible(self, name: str) -> bool:
        """Without runs only their choice."""
        return bool(self._runs) or name == "compare-choose" or not name.startswith(("compare-", "plot-"))

    @work
    async def _read_files(self, runs: tuple[RunDirectory, ...]) -> None:
        """Read the configurations that are not known yet, and the transfer, which may be new."""
        before = dict(self._transfer), len(self._configurations)
        for run in runs:
            if run.path not in self._configurations:
                self._configurations[run.path] = await asyncio.to_thread(read_configuration, run)
            self._transfer[run.path] = await asyncio.to_thread(read_transfer, run)
        if before != (self._transfer, len(self._configurations)):
            self._draw_tables()

    def on_run_changed(self, event: RunChanged) -> None:
        path, first = event.run.path, event.run.path not in self._states
        if event.run not in self._runs:
            return
        self._states[path] = event.state
        self._behind[path] = event.behind
        self._problems.pop(path, None)
        if first:
            self._draw()
        else:
            self._soon("tables", self.services.rates.text, self._draw_tables)
            self._soon("charts", self.services.rates.charts, self._draw_charts)

    def on_run_unreadable(self, event: RunUnreadable) -> None:
        if event.run in self._runs:
            self._problems[event.run.path] = event.reason
            self._states.setdefault(event.run.path, RunState(run_id=event.run.id, path=str(event.run.path)))
            self._draw()

    # Drawing

    def _soon(self, part: str, seconds: float, draw: Callable[[], None]) -> None:
        """Draw within `seconds`: many changes at once cost as much as one."""
        if part not in self._due:
            self._due[part] = self.set_timer(seconds, partial(self._draw_due, part, draw))

    def _draw_due(self, part: str, draw: Callable[[], None]) -> None:
        self._due.pop(part, None)
        draw()

    def _draw(self) -> None:
        self._draw_tables()
        self._draw_charts()

    def _draw_charts(self) -> None:
        runs = [(run.id, self._state_of(run)) for run in self._runs]
        self._charts.show_runs(runs, self._repetitions())

    def _repetitions(self) -> list[tuple[int, ...]]:
        """The indices of the runs that differ in the seed only, copies of a run left out."""
        results = self._comparison.results
        groups = [
            tuple(place for place in group.places if results[place].row.run_id not in group.copies)
            for group in self._comparison.groups
        ]
        return [places for places in groups if len(places) > 1]

    def _draw_tables(self) -> None:
        unread, groups = Configuration(None, ""), self._comparison.groups
        self._comparison = compare(
            [
                Subject(
                    self._state_of(run),
                    self._configurations.get(run.path, unread),
                    self._transfer.get(run.path, ()),
                )
                for run in self._runs
            ]
        )
        if self._charts.overlay.joined and self._comparison.groups != groups:
            self._draw_charts()
        marker = chart_style(self.app).marker
        problems = {str(path): problem for path, problem in self._problems.items()}
        self.query_one("#results", CellTable).show(
            results_sheet(self._comparison, marker, problems, self._order)
        )
        why = unlike(self._comparison.results)
        title = f"Results, none marked as the best: {why}" if why else "Results"
        self.query_one("#compare-results", Panel).border_title = Content(safe(title))
        self.query_one("#options", CellTable).show(differences_sheet(self._comparison, marker))
        self.query_one("#seeds", CellTable).show(repetitions_sheet(self._comparison, marker))
        self.query_one("#transfer", CellTable).show(transfer_sheet(self._comparison, marker))
        self.query_one("#compare-transfer").set_class(bool(self._comparison.transfer), "-filled")
        self._arrange()
        self._draw_status()

    def _state_of(self, run: RunDirectory) -> RunState:
        return self._states.get(run.path, RunState(run_id=run.id, path=str(run.path)))

    def _draw_status(self) -> None:
        """The line beneath the chart: how it is drawn, and what is still being read or cannot be."""
        charts = self._charts
        parts = []
        if len(charts.in_sight) < len(charts.quantities):
            parts.append(f"{len(charts.in_sight)} of {len(charts.quantities)} charts fit")
        shares = [share for run in self._runs if (share := self._behind.get(run.path)) is not None]
        if shares:
            parts.append(f"reading long logs: {min(shares):.0%}")
        for result in self._comparison.results:
            problem = self._problems.get(Path(result.row.path)) or result.config_problem
            if problem:
                parts.append(safe(f"{result.row.run_id}: {problem}", 160))
        parts.append(charts.overlay.text)  # last: where there is no space, it is cut
        line, text = self.query_one("#compare-status", Static), " | ".join(parts)
        if line.content != text:
            line.update(text)

    # Actions

    def action_cycle(self, part: str, by: int = 1) -> None:
        """Draw with the next value of a part of the overlay."""
        self._charts.show_overlay(self._charts.overlay.next(part, by))
        self._layout_changed()

    def action_join(self) -> None:
        """Draw runs that differ in the seed only as one curve with a band, or each by itself again."""
        if not self._charts.overlay.joined and not self._repetitions():
            text = "No two of these runs differ in the seed only."
            self.services.notify(text, severity="warning")
            return
        self.action_cycle("joined")

    @work(exclusive=True, group="dialog")
    async def action_quantity(self) -> None:
        """Choose what is drawn."""
        if not self._runs:
            return
        charts, names = self._charts, {quantity.title: name for name, quantity in QUANTITIES.items()}
        shown = [QUANTITIES[name].title for name in charts.quantities]
        without = [QUANTITIES[name].title for name in charts.without_values]
        one = "draws it alone"
        picker = ChartPicker(tuple(names), shown=shown, current=shown[0], without=without, one=one)
        picked = await self.app.push_screen_wait(picker)
        if picked is not None:
            charts.show_quantities([names[title] for title in picked.titles])
            self._layout_changed()

    def on_overlaid_charts_arranged(self) -> None:
        """Report the charts that do not fit any more."""
        self._draw_status()

    def _layout_changed(self) -> None:
        """Show how the charts are drawn, and have the next app restore it."""
        self._draw_status()
        self.set_class(len(self._charts.quantities) > 2, "-many")  # charts need the space of the tables
        self._arrange()
        overlay, order = self._charts.overlay, self._order
        layout = ComparePart(
            quantities=list(self._charts.chosen),
            logarithmic=overlay.log_y,
            joined=overlay.joined,
            axis=overlay.options.axis,
            smoothing=overlay.options.smoothing,
            column="" if order.column is None else RESULT_COLUMNS[order.column].title,
            descending=order.descending,
        )
        self.services.saved.change(compare=layout)

    def _restore_layout(self) -> None:
        layout = self.services.saved.current.compare
        options = options_of(layout.axis, layout.smoothing)
        self._charts.show_overlay(Overlay(layout.logarithmic, layout.joined, options))
        self._charts.show_quantities(layout.quantities)
        self.set_class(len(self._charts.quantities) > 2, "-many")
        titles = [column.title for column in RESULT_COLUMNS]
        if layout.column in titles:
            self._order = ResultOrder(titles.index(layout.column), layout.descending)

    def action_table(self) -> None:
        """Go to the next table; on a small screen it replaces the previous one."""
        focused = self.focused
        here = TABLES.index(str(focused.id)) if isinstance(focused, CellTable) else self._table
        tables = TABLES if self._comparison.transfer else TABLES[:-1]
        self._show_table((here + 1) % len(tables))
        self.query_one(f"#{TABLES[self._table]}").focus()

    def _arrange(self) -> None:
        """Show all tables if there is height for them beside a readable chart, else one at a time."""
        tables = ["results", "transfer"] if self._comparison.transfer else ["results"]
        above = sum(min(_TALLEST, self.query_one(f"#{name}", CellTable).whole_height + 2) for name in tables)
        width, height = self.app.size
        most = _BELOW_TALL if height >= TALL else _BELOW_MANY if self.has_class("-many") else _BELOW
        lower = max(self.query_one(f"#{name}", CellTable).whole_height for name in ("options", "seeds"))
        below = min(most, max(_BELOW_LEAST, lower + 2))
        alone = width < MEDIUM or height < MIDDLING or height - _ALWAYS - above - below < _LOWEST_CHART
        if alone and not self.has_class("-one-table") and isinstance(self.focused, CellTable):
            self._show_table(TABLES.index(str(self.focused.id)))  # it would lose the focus otherwise
        self.set_class(alone, "-one-table")
        self.query_one("#compare-below").styles.height = None if alone else below

    def _show_table(self, number: int) -> None:
        self._table = number
        for index, name in enumerate(TABLES):
            self.query_one(f"#compare-{name}").set_class(index == number, "-shown")
        self.query_one("#compare-below").set_class(TABLES[number] in ("options", "seeds"), "-shown")

    def _at_cursor(self) -> RunDirectory | None:
        """The run at the cursor; None where the results were not focused, which focuses them."""
        table = self.query_one("#results", CellTable)
        if self.focused is not table:
            self._show_table(0)
            table.focus()
            return None
        places = self._order.places(self._comparison.results)
        return self._runs[places[table.row]] if table.row is not None and table.row < len(places) else None

    def action_sort(self, step: int) -> None:
        """Sort the results by another column."""
        self._sort(self._order.next(step))

    def action_reverse(self) -> None:
        """Sort the results in the other direction."""
        self._sort(self._order.reversed())

    def _sort(self, order: ResultOrder) -> None:
        """Draw the results in this order; the cursor stays on its run."""
        table = self.query_one("#results", CellTable)
        before, self._order = self._order.places(self._comparison.results), order
        self._draw_tables()
        self._layout_changed()
        if table.row is not None and table.row < len(before):
            table.go(order.places(self._comparison.results).index(before[table.row]), 0)

    def action_drop(self) -> None:
        """Remove the run at the cursor from the comparison."""
        run = self._at_cursor()
        if run is not None:
            self._compare(tuple(other for other in self._runs if other != run))

    async def action_open(self) -> None:
        """Watch the run at the cursor in Monitor."""
        run = self._at_cursor()
        if run is not None:
            await self.services.open_run(run)

    @work(exclusive=True, group="dialog")
    async def action_choose(self) -> None:
        """Choose which runs are compared."""
        try:
            runs = await asyncio.to_thread(list_runs, self.services.feed.root)
        except RunsError as error:
            self.services.notify(str(error), severity="error")
            return
        if not runs and not self._runs:
            text = "There are no runs yet. Configure ({key:go-configure}) launches one."
            self.services.notify(self.services.keys.fill(text))
            return
        picker = RunPicker("Compare which runs?", runs, self._runs, most=MOST, accept="compares")
        chosen = await self.app.push_screen_wait(picker)
        if chosen is not None:
            self._compare(chosen)

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Export the comparison to a file that a dialog asks for."""
        if not self._runs:
            self.services.notify("There is nothing to export: no run is compared.")
            return
        choice = await self.app.push_screen_wait(
            ExportDialog("Export the comparison", _EXPORTS, safe(str(working_dir()), 60))
        )
        if choice is None:
            return
        if choice.format == _CURVES:
            drawn = {chart.quantity: chart.curves(_EXPORTED_POINTS) for chart in self._charts.in_sight}
            text = curves_csv(drawn, axis=self._charts.overlay.options.axis)
        else:
            text = FORMATS[choice.format](self._comparison)
        await _write(self, choice.path, text)


async def _write(screen: AppScreen, path: str, text: str) -> None:
    """Write `text` to `path`, and report where, or why not; asks before it replaces a file."""
    try:
        file = expanded(Path(path))
        try:
            await asyncio.to_thread(write_output, file, text)
        except OutputExists as error:
            question = Confirm(
                "Replace the file?",
                safe(f"{error.title}: {error.detail}", 300),
                yes="Replace",
                no="Keep",
                danger=True,
            )
            if not await screen.app.push_screen_wait(question):
                return
            await asyncio.to_thread(write_output, file, text, overwrite=True)
    except (RunsError, OSError, RuntimeError, ValueError) as error:  # also an unknown home, or a null byte
        screen.services.notify(str(error), severity="error")
    else:
        screen.services.notify(f"written: {file}")
