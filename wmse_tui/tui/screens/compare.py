"""The Compare screen: up to eight runs overlaid, what differs, what they reached, and how far luck goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.table.compare import MOST, Subject, compare
from wmse_tui.runs.table.recipe import Configuration, read_configuration
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.style import chart_style
from wmse_tui.tui.feed import RunChanged, RunUnreadable
from wmse_tui.tui.screens.compare_export import ExportingScreen
from wmse_tui.tui.widgets.compare.chart import OverlaidCurves
from wmse_tui.tui.widgets.compare.sheets import differences_sheet, repetitions_sheet, results_sheet
from wmse_tui.tui.widgets.compare.table import SheetTable
from wmse_tui.tui.widgets.panel import Panel

TABLES = ("results", "options", "seeds")
_EMPTY = f"""\
No run is compared yet.

Mark up to {MOST} runs in Runs (3) with space and press c there, or press o here to choose some."""


class CompareScreen(ExportingScreen):
    """The runs of `app.marked`, side by side and live."""

    HELP = f"""\
Up to {MOST} runs: their curves overlaid, each with a colour and a marker, what they reached, the options that
differ, and mean and sample standard deviation over completed runs that differ in the seed only. Runs that
still train are followed. Linear and k-NN are accuracies of the last evaluation; the best ones were picked
with an eye on the test images."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "turn('quantity')", "Quantity", id="plot-what", tooltip="Draw the next quantity"),
        Binding(
            "V",
            "turn('quantity', -1)",
            "Quantity before",
            show=False,
            id="plot-what-before",
            tooltip="Draw the quantity before",
        ),
        Binding("x", "turn('axis')", "X axis", id="plot-axis", tooltip="X by epoch, step or hours"),
        Binding("y", "turn('log_y')", "Log y", show=False, id="plot-log", tooltip="Logarithmic y, or linear"),
        Binding(
            "z",
            "turn('recent')",
            "Zoom",
            show=False,
            id="plot-zoom",
            tooltip="The recent part: half, a fifth, a twentieth, all",
        ),
        Binding(
            "a",
            "turn('smoothing')",
            "Smooth",
            show=False,
            id="plot-smooth",
            tooltip="Smooth losses and speeds: more and more, not at all",
        ),
        Binding("t", "table", "Table", id="compare-table", tooltip="Results, options that differ, seeds"),
        Binding("o", "choose", "Runs", id="compare-choose", tooltip="Choose which runs are compared"),
        Binding(
            "d,delete",
            "drop",
            "Drop",
            key_display="d",
            id="compare-drop",
            tooltip="Drop the run at the cursor",
        ),
        Binding(
            "enter", "open", "Monitor", show=False, id="compare-open", tooltip="Watch the run at the cursor"
        ),
        Binding("e", "export", "Export", id="compare-export", tooltip="Write CSV, JSON, Markdown or LaTeX"),
    ]

    class ConfigurationsRead(Message):
        """The configurations of runs, by their paths."""

        def __init__(self, found: dict[Path, Configuration]) -> None:
            super().__init__()
            self.found = found

    class Listed(Message):
        """The runs that there are to choose from, or why they cannot be listed."""

        def __init__(self, runs: tuple[RunDirectory, ...], problem: str = "") -> None:
            super().__init__()
            self.runs = runs
            self.problem = problem

    def __init__(self) -> None:
        super().__init__()
        self._views: dict[Path, RunState] = {}
        self._behind: dict[Path, float | None] = {}
        self._problems: dict[Path, str] = {}
        self._configurations: dict[Path, Configuration] = {}
        self._table = 0
        self._due: dict[str, Timer] = {}

    def compose_body(self) -> ComposeResult:
        yield Static(_EMPTY, markup=False, id="compare-empty")
        with Vertical(id="compare-runs"):
            yield OverlaidCurves(id="compare-chart")
            yield Static("", markup=False, id="compare-look")
            with Panel(title="Results", id="compare-results"):
                yield SheetTable(id="results")
            with Horizontal(id="compare-below"):
                with Panel(title="Options that differ", id="compare-options"):
                    yield SheetTable(id="options")
                with Panel(title="Mean and deviation over seeds", id="compare-seeds"):
                    yield SheetTable(id="seeds")

    def on_mount(self) -> None:
        self._show_table(0)

    def on_screen_resume(self) -> None:
        if len(self.services.selection.marked) > MOST:
            self.services.notify(
                f"{len(self.services.selection.marked)} runs are marked; the first {MOST} are compared.",
                severity="warning",
            )
            self.services.selection.marked = self.services.selection.marked[:MOST]
        self._take(self.services.selection.marked)

    def on_screen_suspend(self) -> None:
        if self in self.app.screen_stack:
            return  # a question is asked on top
        for run in self._runs:
            self.services.feed.unwatch(run, self)
        self._runs = ()

    # Which runs, and what is known of them

    def _take(self, runs: tuple[RunDirectory, ...]) -> None:
        """Compare `runs`: follow those that are new here, forget those that are gone."""
        before, self._runs = self._runs, runs
        self.services.selection.marked = runs
        for run in before:
            if run not in runs:
                self.services.feed.unwatch(run, self)
                self._views.pop(run.path, None)
        for run in runs:
            if run not in before:
                self.services.feed.watch(run, self)
        unread = tuple(run for run in runs if run.path not in self._configurations)
        if unread:
            self.run_worker(partial(self._read_configurations, unread), thread=True, exit_on_error=False)
        self.set_class(not runs, "-empty")
        self._draw()
        if runs and not isinstance(self.focused, SheetTable):
            self.query_one(f"#{TABLES[self._table]}").focus()

    def _read_configurations(self, runs: tuple[RunDirectory, ...]) -> None:
        self.post_message(self.ConfigurationsRead({run.path: read_configuration(run) for run in runs}))

    def on_compare_screen_configurations_read(self, event: ConfigurationsRead) -> None:
        self._configurations.update(event.found)
        self._draw_tables()

    def on_run_changed(self, event: RunChanged) -> None:
        path, first = event.run.path, event.run.path not in self._views
        if event.run not in self._runs:
            return
        self._views[path] = event.view
        self._behind[path] = event.behind
        self._problems.pop(path, None)
        if first:
            self._draw()
        else:
            self._soon("tables", self.services.rates.text, self._draw_tables)
            self._soon("chart", self.services.rates.charts, self._draw_chart)

    def on_run_unreadable(self, event: RunUnreadable) -> None:
        if event.run in self._runs:
            self._problems[event.run.path] = event.reason
            self._views.setdefault(event.run.path, RunState(run_id=event.run.id, path=str(event.run.path)))
            self._draw()

    # Drawing

    def _soon(self, what: str, seconds: float, draw: Callable[[], None]) -> None:
        """Draw within so many seconds: at once many changes cost as much as one."""
        if what not in self._due:
            self._due[what] = self.set_timer(seconds, partial(self._draw_due, what, draw))

    def _draw_due(self, what: str, draw: Callable[[], None]) -> None:
        self._due.pop(what, None)
        draw()

    def _draw(self) -> None:
        self._draw_chart()
        self._draw_tables()

    def _draw_chart(self) -> None:
        runs = [(run.id, self._views.get(run.path, RunState(run_id=run.id))) for run in self._runs]
        self.query_one(OverlaidCurves).show_runs(runs)

    def _draw_tables(self) -> None:
        unread = Configuration(None, "")
        views = [
            (self._views.get(run.path, RunState(run_id=run.id, path=str(run.path))), run)
            for run in self._runs
        ]
        self._comparison = compare(
            [Subject(view, self._configurations.get(run.path, unread)) for view, run in views]
        )
        marker = chart_style(self.app).marker
        problems = {str(path): problem for path, problem in self._problems.items()}
        self.query_one("#results", SheetTable).show(results_sheet(self._comparison, marker, problems))
        self.query_one("#options", SheetTable).show(differences_sheet(self._comparison, marker))
        self.query_one("#seeds", SheetTable).show(repetitions_sheet(self._comparison, marker))
        self._tell()

    def _tell(self) -> None:
        """The line beneath the chart: how it is drawn, and what is wrong or not there yet."""
        said = [self.query_one(OverlaidCurves).overlay.text]
        reading = [
            share for path, share in self._behind.items() if share is not None and self._is_compared(path)
        ]
        if reading:
            said.append(f"reading long logs: {min(reading):.0%}")
        for result in self._comparison.results:
            problem = self._problems.get(Path(result.path)) or result.problem
            if problem:
                said.append(safe(f"{result.run_id}: {problem}", 160))
        line = self.query_one("#compare-look", Static)
        words = " | ".join(said)
        if line.content != words:
            line.update(words)

    def _is_compared(self, path: Path) -> bool:
        return any(run.path == path for run in self._runs)

    # What a key does

    def action_turn(self, part: str, by: int = 1) -> None:
        """Draw with the next value of a part of the look."""
        self.query_one(OverlaidCurves).turn(part, by)
        self._tell()

    def action_table(self) -> None:
        """Go to the next table; where there is room for one, that is the one that is seen."""
        focused = self.focused
        here = TABLES.index(str(focused.id)) if isinstance(focused, SheetTable) else self._table
        self._show_table((here + 1) % len(TABLES))
        self.query_one(f"#{TABLES[self._table]}").focus()

    def _show_table(self, number: int) -> None:
        self._table = number
        for place, name in enumerate(TABLES):
            self.query_one(f"#compare-{name}").set_class(place == number, "-shown")
        self.query_one("#compare-below").set_class(number > 0, "-shown")

    def _at_cursor(self) -> RunDirectory | None:
        """The run at the cursor; a cursor that nobody sees is brought into sight, and means nothing yet."""
        table = self.query_one("#results", SheetTable)
        if self.focused is not table:
            self._show_table(0)
            table.focus()
            return None
        place = table.cursor
        return self._runs[place] if place is not None and place < len(self._runs) else None

    def action_drop(self) -> None:
        """Compare the run at the cursor no more."""
        run = self._at_cursor()
        if run is not None:
            self._take(tuple(other for other in self._runs if other != run))

    async def action_open(self) -> None:
        """Watch the run at the cursor in Monitor."""
        run = self._at_cursor()
        if run is not None:
            await self.services.open_run(run)

    def action_choose(self) -> None:
        """Choose which runs are compared."""
        self.run_worker(self._list, thread=True, exit_on_error=False)

    def _list(self) -> None:
        try:
            self.post_message(self.Listed(list_runs(self.services.feed.root)))
        except RunsError as error:
            self.post_message(self.Listed((), str(error)))

    def on_compare_screen_listed(self, event: Listed) -> None:
        from wmse_tui.tui.widgets.compare.choose import ChooseScreen

        if event.problem:
            self.services.notify(event.problem, severity="error")
        elif not event.runs and not self._runs:
            self.services.notify("There are no runs yet. Configure (1) launches one.")
        elif not isinstance(self.app.screen, ChooseScreen):
            self.app.push_screen(ChooseScreen(event.runs, self._runs), self._chosen)

    def _chosen(self, runs: tuple[RunDirectory, ...] | None) -> None:
        if runs is not None:
            self._take(runs)
