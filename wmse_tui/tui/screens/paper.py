"""The Paper screen: the published table, one's own runs in it, and a key to launch what is missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import Static

from wmse_tui.config.presence import Presence, look_for, presence_advice
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.table.compare import MOST
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.own_runs import OwnRuns
from wmse_tui.runs.table.paper import Cell, PublishedTable, Recipe, published_table, shipped_recipes
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.screens.base import AppScreen
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.paper.details import details
from wmse_tui.tui.widgets.paper.grid import PaperGrid


class PaperScreen(AppScreen):
    """Published accuracies by method and data set, and beneath them the best of one's own."""

    HELP = """\
The published table: linear / 5-NN accuracy in percent. Beneath each number stands the best of your own
completed runs of exactly that recipe, and how many there are. Runs that deviate in any option that
matters are told below as variants and are not counted. A number that could not be verified is left out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "launch",
            "Launch",
            key_display="Enter",
            id="paper-launch",
            tooltip="Launch this recipe; asks first",
        ),
        Binding("c", "configure", "Configure", id="paper-configure", tooltip="Open this recipe in Configure"),
        Binding("m", "monitor", "Own best", id="paper-monitor", tooltip="Show the best own run in Monitor"),
        Binding(
            "o", "compare", "Compare own", id="paper-compare", tooltip="Compare the own runs of this recipe"
        ),
    ]

    class Tabled(Message):
        """The table with one's own runs in it; or a sentence why there is none."""

        def __init__(self, table: PublishedTable | None, problem: str = "") -> None:
            super().__init__()
            self.table = table
            self.problem = problem

    class Prepared(Message):
        """Where the images of a recipe are that is about to be launched."""

        def __init__(self, cell: Cell, presence: Presence) -> None:
            super().__init__()
            self.cell = cell
            self.presence = presence

    class Launched(Message):
        """A trainer was started in `run`; or else why not."""

        def __init__(self, run: RunDirectory | None, error: RunsError | None = None) -> None:
            super().__init__()
            self.run = run
            self.error = error

    def __init__(self) -> None:
        super().__init__()
        self._recipes: tuple[Recipe, ...] = ()
        self._own = OwnRuns()
        self._digests: tuple[RunRow, ...] = ()
        self._place = ("", "")
        self._problem = ""
        self._told: Content | None = None
        self._tabling = self._again = self._launching = False

    def compose_body(self) -> ComposeResult:
        with Panel(title="Published / own best: linear / 5-NN, %", id="paper-table"):
            yield PaperGrid(id="paper-grid")
        with Panel(title="This recipe", id="paper-about"), VerticalScroll(id="paper-scroll"):
            yield Static("", markup=False, id="paper-details")

    def on_mount(self) -> None:
        self.query_one(PaperGrid).focus()
        self._table()

    def on_screen_resume(self) -> None:
        self.services.feed.watch_list(self)

    def on_screen_suspend(self) -> None:
        self.services.feed.unwatch_list(self)

    # The table

    def on_catalogue_changed(self, event: CatalogueChanged) -> None:
        reading = f"reading {event.loading} more runs" if event.loading else ""
        self.query_one("#paper-table").border_subtitle = safe(event.problem or reading, 70)
        self._digests = event.digests
        self._table()

    def _table(self) -> None:
        """Make the table in a thread, one at a time; what comes meanwhile is made afterwards."""
        self._again = self._tabling
        if not self._tabling:
            self._tabling = True
            self.run_worker(partial(self._make_table, self._digests), thread=True, exit_on_error=False)

    def _make_table(self, digests: tuple[RunRow, ...]) -> None:
        try:
            self._recipes = self._recipes or shipped_recipes()
            there = {(r.experiment.dataset.name, r.experiment.method.name) for r in self._recipes}
            own = self._own.of(d for d in digests if (d.dataset, d.method) in there)
            message = self.Tabled(published_table(self._recipes, own))
        except ConfigError as error:
            message = self.Tabled(None, f"The published table cannot be read. {error.problems[0].text()}")
        self.post_message(message)

    def on_paper_screen_tabled(self, event: Tabled) -> None:
        self._tabling = False
        if event.table is None:  # and there never will be one
            self._problem = event.problem
            self._tell()
        else:
            self.query_one(PaperGrid).show(event.table)
        if self._again:
            self._table()

    def on_paper_grid_moved(self) -> None:
        self._tell()
        place = self.query_one(PaperGrid).place
        if place != self._place:
            self._place = place
            self.query_one("#paper-scroll").scroll_home(animate=False)

    def _tell(self) -> None:
        grid, scroll = self.query_one(PaperGrid), self.query_one("#paper-scroll")
        told = Content(safe(self._problem))
        if not self._problem:
            told = details(grid.place, grid.cell, scroll.size.width - 1)  # a scrollbar may come
        if self._told is None or not self._told.is_same(told):
            self._told = told
            self.query_one("#paper-details", Static).update(told)

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002 (the base does the rest)
        self.call_after_refresh(self._tell)

    # What can be done with a cell

    def _here(self) -> Cell | None:
        """The cell beneath the cursor; says so where there is no recipe."""
        grid = self.query_one(PaperGrid)
        if grid.cell is None:
            row, column = grid.place
            self.services.notify(
                f"There is no recipe for {row} on {column}." if row else "There is no table yet."
            )
        return grid.cell

    def action_launch(self) -> None:
        """Ask whether to launch the recipe; look first where its images are."""
        cell = self._here()
        if cell is not None and not self._launching:
            self._launching = True
            self.run_worker(partial(self._look, cell), thread=True, exit_on_error=False)

    def _look(self, cell: Cell) -> None:
        self.post_message(self.Prepared(cell, look_for(cell.experiment.dataset)))

    def on_paper_screen_prepared(self, event: Prepared) -> None:
        from wmse_tui.tui.widgets.paper.launch import LaunchScreen

        advice = presence_advice(event.cell.experiment.dataset, event.presence)
        if advice:
            self._launching = False
            self.services.notify(
                f"{advice[0].text}. Set {advice[0].path} in Configure (c).", severity="warning"
            )
            return
        dialog = LaunchScreen(event.cell, event.presence, self.services.feed.root)
        self.app.push_screen(dialog, partial(self._answered, event.cell))

    def _answered(self, cell: Cell, yes: bool | None) -> None:
        if not yes:
            self._launching = False
            return
        experiment = cell.experiment.model_copy(update={"seed": cell.next_seed})
        self.run_worker(partial(self._launch, experiment, cell.preset), thread=True, exit_on_error=False)

    def _launch(self, experiment: Experiment, preset: str) -> None:
        try:
            run = self.services.trainers.start(experiment, preset=preset)
        except RunsError as error:
            self.post_message(self.Launched(None, error))
        else:
            self.post_message(self.Launched(run))

    async def on_paper_screen_launched(self, event: Launched) -> None:
        self._launching = False
        if event.run is not None:
            self.services.feed.nudge()
            await self.services.open_run(event.run)
        elif event.error is not None:
            self._refused(event.error)

    def _refused(self, error: RunsError) -> None:
        detail = f": {error.detail}" if error.detail else ""
        self.services.notify(
            f"{error.title}{detail}. {'; '.join(error.next)}", severity="error", title="Not launched"
        )

    async def action_configure(self) -> None:
        """Open the recipe in Configure."""
        cell = self._here()
        if cell is not None:
            await self.services.open_configure(cell.experiment, cell.preset)

    async def action_monitor(self) -> None:
        """Show the best own run of the recipe, or else one that is not done yet."""
        cell = self._here()
        if cell is None:
            return
        best = cell.best_linear or cell.best_knn
        paths = [best.path] if best is not None else [run.path for run in (*cell.runs, *cell.partial)]
        if paths:
            await self.services.open_run(RunDirectory(Path(paths[0])))
        else:
            self.services.notify("There is no run of this recipe yet. Enter launches one.")

    async def action_compare(self) -> None:
        """Compare the own runs of the recipe, completed ones first."""
        cell = self._here()
        if cell is None:
            return
        own = [RunDirectory(Path(run.path)) for run in (*cell.runs, *cell.partial)]
        if not own:
            self.services.notify("There is no run of this recipe yet. Enter launches one.")
            return
        if len(own) > MOST:
            self.services.notify(f"{len(own)} runs; the first {MOST} are compared.")
        await self.services.open_compare(own[:MOST])
