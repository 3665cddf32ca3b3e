"""The Paper screen: the published table, the user's own runs in it, and a key to launch what is missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from wmse_tui.config.presence import Presence, find_images, presence_advice
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import gpu_count
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.state.config import Configuration
from wmse_tui.runs.table.compare import MOST
from wmse_tui.runs.table.estimate import Forecast, forecast, timed_runs
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import (
    PaperCell,
    PublishedTable,
    Recipe,
    load_own_runs,
    published_table,
    shipped_recipes,
)
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.saved_state import PaperPart
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.services import app_of
from wmse_tui.tui.submission import Submission
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.paper.details import details
from wmse_tui.tui.widgets.paper.launch_dialog import LaunchDialog
from wmse_tui.tui.widgets.paper.sheet import paper_sheet
from wmse_tui.tui.widgets.table import CellTable


class PaperScreen(AppScreen):
    """Published accuracies by method and data set, and below them the user's own."""

    HELP = """\
The published table: linear / 5-NN accuracy in percent. Below a number are, where there are any, the best of
your own completed runs of exactly that recipe and their number n, the difference of their means from the
published numbers in points with its standard deviation, and the epoch of a run that trains. Runs that
deviate in any option that matters are listed below as variants and are not counted. A number that could not
be verified is left out. After the title of a data set: ✓ its images are here, ↓ they are downloaded first,
! they are missing. Where SLURM is there, a launch asks whether the run is to be a job."""

    BINDINGS = keys.PAPER

    def __init__(self) -> None:
        super().__init__()
        self._recipes: tuple[Recipe, ...] = ()
        self._configurations: dict[str, Configuration] = {}
        self._rows: tuple[RunRow, ...] = ()
        self._table: PublishedTable | None = None
        self._submission = Submission(app_of(self))
        self._presence: dict[str, Presence] = {}  # of the images, by the title of the column
        self._made_from: int | None = None
        self._shown_at = ("", "")
        self._details = Content("")
        self._problem = ""
        self._making_table = self._again = self._launching = False

    def compose_body(self) -> ComposeResult:
        with Panel(title="Published / own best: linear / 5-NN, %", id="paper-table"):
            yield CellTable(cursor="cell", id="paper-grid")
        with Panel(title="This recipe", id="paper-about"), VerticalScroll(id="paper-scroll"):
            yield Static("", markup=False, id="paper-details")

    def on_mount(self) -> None:
        self.query_one(CellTable).focus()
        self._make_table()

    def on_screen_resume(self) -> None:
        self.services.feed.watch_list(self)

    def on_screen_suspend(self) -> None:
        self.services.feed.unwatch_list(self)

    # The table

    @property
    def runs(self) -> int | None:
        """How many runs the table on the screen was made from; None until there is one."""
        return self._made_from

    @property
    def position(self) -> tuple[str, str]:
        """Row and column of the cursor, by their titles."""
        grid = self.query_one(CellTable)
        if self._table is None or grid.row is None:
            return "", ""
        return self._table.rows[grid.row], self._table.columns[grid.column]

    @property
    def cell(self) -> PaperCell | None:
        """The cell under the cursor; None where there is no recipe."""
        grid = self.query_one(CellTable)
        if self._table is None or grid.row is None:
            return None
        return self._table.cells[grid.row][grid.column]

    def on_catalogue_changed(self, event: CatalogueChanged) -> None:
        reading = f"reading {event.loading} more runs" if event.loading else ""
        self.query_one("#paper-table").border_subtitle = safe(event.problem or reading, 70)
        self._rows = event.rows
        self._make_table()

    def _make_table(self) -> None:
        """Make the table of the runs there are now; while one is being made, once more after it."""
        self._again = True
        if not self._making_table:
            self._making_table = True
            self._make_tables()

    @work
    async def _make_tables(self) -> None:
        while self._again:
            self._again = False
            rows = self._rows
            try:
                table, presence = await asyncio.to_thread(self._read_table, rows)
            except ConfigError as error:  # the installation is damaged, and stays so
                self._problem = f"The published table cannot be read. {error.problems[0].text()}"
            else:
                first = self._table is None
                self._table, self._presence = table, presence
                self.query_one(CellTable).show(paper_sheet(table, presence))
                if first:
                    self._restore_cursor(table)
                self._made_from = len(rows)
            self._show_details()
        self._making_table = False

    def _restore_cursor(self, table: PublishedTable) -> None:
        """Go to the cell that was under the cursor when the app was left, if there is such a one."""
        saved = self.services.saved.current.paper
        if saved.row in table.rows and saved.column in table.columns:
            row, column = table.rows.index(saved.row), table.columns.index(saved.column)
            self.query_one(CellTable).go(row, column)

    def _read_table(self, rows: tuple[RunRow, ...]) -> tuple[PublishedTable, dict[str, Presence]]:
        self._recipes = self._recipes or shipped_recipes()
        known = {(r.experiment.dataset.name, r.experiment.method.name) for r in self._recipes}
        own = (row for row in rows if (row.dataset, row.method) in known)
        table = published_table(self._recipes, load_own_runs(own, self._configurations))
        recipes = {
            title: cell
            for title, cells in zip(table.columns, zip(*table.cells, strict=True), strict=True)
            for cell in cells
            if cell is not None
        }
        return table, {title: find_images(cell.experiment.dataset) for title, cell in recipes.items()}

    def on_cell_table_moved(self) -> None:
        row, column = self.position
        self.services.saved.change(paper=PaperPart(row=row, column=column))
        self._show_details()

    def _show_details(self) -> None:
        scroll = self.query_one("#paper-scroll")
        content = Content(safe(self._problem))
        if not self._problem:
            width = scroll.size.width - 1  # a scrollbar may come
            content = details(self.position, self.cell, width, self._presence.get(self.position[1]))
        if not self._details.is_same(content):
            self._details = content
            self.query_one("#paper-details", Static).update(content)
        if self.position != self._shown_at:
            self._shown_at = self.position
            scroll.scroll_home(animate=False)

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002 (the base does the rest)
        self.call_after_refresh(self._show_details)

    # Actions

    def _require_cell(self) -> PaperCell | None:
        """The cell under the cursor; if it has no recipe, a notification."""
        row, column = self.position
        if self.cell is None:
            self.services.notify(
                f"There is no recipe for {row} on {column}." if row else "There is no table yet."
            )
        return self.cell

    @work
    async def action_launch(self) -> None:
        """Check that the images exist, confirm, ask where it is to train, and launch the recipe."""
        cell = self._require_cell()
        if cell is None or self._launching:
            return
        self._launching = True
        try:
            await self._launch(cell)
        finally:
            self._launching = False

    async def _launch(self, cell: PaperCell) -> None:
        dataset = cell.experiment.dataset
        presence = await asyncio.to_thread(find_images, dataset)
        if advice := presence_advice(dataset, presence):
            key = self.services.keys.name("paper-configure")
            text = f"{advice[0].text}. Set {advice[0].path} in Configure ({key})."
            self.services.notify(text, severity="warning")
            return
        rough = await asyncio.to_thread(self._forecast, cell)
        dialog = LaunchDialog(cell, presence, self.services.feed.root, rough)
        if not await self.app.push_screen_wait(dialog):
            return
        experiment = cell.experiment.model_copy(update={"seed": cell.next_seed})
        where = await self._submission.ask_where(experiment)
        if where is None:
            return
        try:
            if where == "job":
                await self._submission.submit(experiment, preset=cell.preset, name=None)
                return
            run = await asyncio.to_thread(
                self.services.trainers.start, experiment, preset=cell.preset, queue=where == "queue"
            )
        except RunsError as error:
            detail = f": {error.detail}" if error.detail else ""
            text = f"{error.title}{detail}. {'; '.join(error.next)}"
            self.services.notify(text, severity="error", title="Not launched")
            return
        self.services.feed.nudge()
        if where == "queue":
            text = f"{run.id} starts when a slot is free; Runs shows its position"
            self.services.notify(text, title="Queued")
        else:
            await self.services.open_run(run)

    def _forecast(self, cell: PaperCell) -> Forecast | None:
        """How long the recipe takes here, by any runs of this machine; reads them."""
        return forecast(cell.experiment, timed_runs(self._rows, host()), gpus=gpu_count())

    async def action_configure(self) -> None:
        """Open the recipe in Configure."""
        cell = self._require_cell()
        if cell is not None:
            await self.services.open_configure(cell.experiment, cell.preset)

    async def action_monitor(self) -> None:
        """Show the best own run of the recipe, or else one that has not completed."""
        cell = self._require_cell()
        if cell is None:
            return
        best = cell.best_linear or cell.best_knn
        paths = [best.path] if best is not None else [run.row.path for run in (*cell.runs, *cell.partial)]
        if paths:
            await self.services.open_run(RunDirectory(Path(paths[0])))
        else:
            self._notify_no_run()

    def _notify_no_run(self) -> None:
        key = self.services.keys.name("paper-launch")
        self.services.notify(f"There is no run of this recipe yet. {key} launches one.")

    async def action_compare(self) -> None:
        """Compare the own runs of the recipe, completed ones first."""
        cell = self._require_cell()
        if cell is None:
            return
        own = [RunDirectory(Path(run.row.path)) for run in (*cell.runs, *cell.partial)]
        if not own:
            self._notify_no_run()
            return
        if len(own) > MOST:
            self.services.notify(f"{len(own)} runs; the first {MOST} are compared.")
        await self.services.open_compare(own[:MOST])
