"""The Runs screen: every run under the root, live; find, sort and mark them, and act on the marked ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from textual import work
from textual.app import ComposeResult

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.process.removal import bytes_of
from wmse_tui.runs.queue.positions import lost_notice
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.table.compare import MOST
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, size
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Ask, Confirm
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.moved_images import locate_images
from wmse_tui.tui.run_export import export_run
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.services import Severity, app_of
from wmse_tui.tui.widgets.runs import actions
from wmse_tui.tui.widgets.runs.actions import count_and_name, directory_of, name_some
from wmse_tui.tui.widgets.runs.board import RunBoard

_AGES_EVERY = 5.0  # seconds; ages change by the minute
_UNDONE = 20  # changes of tags and notes that can be taken back
_LISTED = 8  # runs that a question lists
_ON_RUNS: dict[str, actions.Action | None] = {
    "runs-mark": None,
    "runs-compare": None,
    "runs-stop": "stop",
    "runs-resume": "resume",
}
"""Keys of the footer that need a run, and the action that must apply to it."""


class RunsScreen(AppScreen):
    """The list of runs, and what can be done to them."""

    HELP = """\
Every run under the runs folder, newest first; "queued 2" is the second in the queue. Actions apply to the
marked runs or, where none is marked, to the run under the cursor. Marks stay on their runs whatever the
list shows. The accuracies are those of the last evaluation; best ones are called so. {key:runs-columns}
chooses the columns, also of any option or result, and the part below shows the run under the cursor: its
curve, its last and best accuracies, and what differs from its preset.

{key:runs-group} groups the runs by seed (repetitions of one experiment), by sweep, by tag, or not. A group
shows mean and deviation over its distinct completed runs, copies counted once; {key:runs-open} unfolds it,
and actions apply to all of its runs.

The filter matches words and fields: state:running (also active, ended, done), tag:x, method:simclr,byol,
preset:cifar10, data:stl10, host:gpu-a, title:"two words", note:x, verdict:collapsed. Numbers are compared:
knn:>80, linear:<=90, bestknn:>85, loss:<1.5, lr:<1e-3, seed:3, epoch:>=100, age:<1d. A leading minus
excludes: -tag:old."""

    BINDINGS = keys.RUNS

    def compose_body(self) -> ComposeResult:
        yield RunBoard(root=str(self.services.runs_root), ascii_only=self.services.ascii, id="runs")

    def on_mount(self) -> None:
        self._annotated: list[tuple[RunRow, ...]] = []  # rows before each change of tags or notes
        self._board = self.query_one(RunBoard)
        self._board.focus_list()
        self._report_lost_places()
        self._ages = self.set_interval(_AGES_EVERY, self.update_ages)

    def on_screen_resume(self) -> None:
        self.services.feed.watch_list(self)
        self._ages.resume()
        self.update_ages()

    def on_screen_suspend(self) -> None:
        self._ages.pause()
        if self not in self.app.screen_stack:  # else a dialog is open on top of the list
            self.services.feed.unwatch_list(self)

    def update_ages(self) -> None:
        """Show the ages as of now, unless the display is frozen."""
        if not self.frozen:
            self._board.update_ages()

    def on_catalogue_changed(self, event: CatalogueChanged) -> None:
        self._board.show(event.rows, event.loading, event.problem)

    @work
    async def _report_lost_places(self) -> None:
        lost = await asyncio.to_thread(lost_notice)
        if lost:
            steps = self.services.keys.fill("Mark them and press {key:runs-queue}, or: wmse-tui queue again")
            self.services.notify(f"{lost}. {steps}", severity="warning")

    def is_possible(self, name: str) -> bool:
        """Actions on runs only where there is one that allows them."""
        if name not in _ON_RUNS or not self.is_mounted:  # the footer is drawn before the list is there
            return True
        rows, action = self._board.targets, _ON_RUNS[name]
        return any(not actions.refusal(action, row) for row in rows) if action else bool(rows)

    # One run

    async def action_open(self) -> None:
        """Watch the run under the cursor, or unfold its group; without any runs configure the quickstart."""
        if self._board.on_group:
            self._board.fold()
        elif self._board.current is not None:
            await self.services.open_run(directory_of(self._board.current))
        elif self._board.empty:
            self._configure_quickstart()

    async def on_run_board_chosen(self) -> None:
        await self.action_open()

    @work
    async def _configure_quickstart(self) -> None:
        try:
            experiment = await asyncio.to_thread(load_experiment, preset="quickstart")
        except ConfigError as error:
            self._refuse_configuration(error.problems[0].text())
        else:
            await self.services.open_configure(experiment, "quickstart")

    @work
    async def action_duplicate(self) -> None:
        """Open the run's configuration in Configure."""
        row = self._row_at_cursor()
        if row is None:
            return
        configuration = await asyncio.to_thread(read_configuration, directory_of(row))
        if configuration.experiment is None:
            self._refuse_configuration(configuration.problem)
        else:
            await self.services.open_configure(configuration.experiment, row.preset)

    def _row_at_cursor(self) -> RunRow | None:
        """The run under the cursor; on a group none, with a message."""
        if self._board.on_group:
            text = "This is for one run: unfold the group with {key:runs-open} and choose one."
            self.services.notify(self.services.keys.fill(text))
        return self._board.current

    def _refuse_configuration(self, problem: str) -> None:
        self.services.notify(problem, severity="error", title="This configuration cannot be used")

    @work(group="export")
    async def action_export(self) -> None:
        """Export the run under the cursor to a file that a dialog asks for."""
        row = self._row_at_cursor()
        if row is not None:
            await export_run(app_of(self), self.services.notify, directory_of(row))

    # Several runs

    def action_copy_path(self) -> None:
        """Copy the paths of the runs to the clipboard of the terminal."""
        paths = [row.path for row in self._board.targets]
        if paths:
            self.app.copy_to_clipboard("\n".join(paths))
            text = "\n".join(paths) if len(paths) <= 3 else count(len(paths), "path")
            self.services.notify(text, title="Copied")

    async def action_compare(self) -> None:
        """Show the marked runs side by side."""
        rows = self._board.targets
        if len(rows) < 2:
            text = (
                "Mark the runs to compare with {key:runs-mark}, two at least, then press {key:runs-compare}."
            )
            self.services.notify(self.services.keys.fill(text))
        elif len(rows) > MOST:
            text = f"{len(rows)} runs are marked; at most {MOST} can be compared."
            self.services.notify(text, severity="warning")
        else:
            await self.services.open_compare(map(directory_of, rows))

    @work
    async def action_stop(self, after_epoch: bool) -> None:
        """Ask trainers to save and stop, after a question."""
        rows = self._possible("stop", "Not stopped")
        if not rows:
            return
        when = "after the running epoch" if after_epoch else "now"
        text = f"{_listed(rows)}\n\nA checkpoint is saved first, and a stopped run can be resumed."
        title = f"Stop {count(len(rows), 'run')} {when}?"
        if await self.app.push_screen_wait(Confirm(title, text, yes="Stop", no="Cancel")):
            await self._apply(f"Asked to stop {when}", partial(actions.stop, after_epoch=after_epoch), rows)

    @work
    async def action_resume(self) -> None:
        """Continue runs; several at once only after a question, since they would share one machine."""
        rows = self._possible("resume", "Not resumed")
        if not rows:
            return
        text = f"{_listed(rows)}\n\nThey will train at the same time and share this machine."
        question = Confirm(f"Resume {len(rows)} runs?", text, yes="Resume", no="Cancel")
        if (len(rows) == 1 or await self.app.push_screen_wait(question)) and await self._may_restart(rows):
            await self._apply("Resumed", self._resume, await self._with_images(rows))

    async def _may_restart(self, rows: tuple[RunRow, ...]) -> bool:
        """Ask before runs train again from step 0 because they have no checkpoint."""
        lines = await asyncio.to_thread(actions.restarts, rows)
        if not lines:
            return True
        title = f"Train {count(len(lines), 'run')} again from step 0?"
        question = Confirm(title, _few(list(lines)), yes="Train again", no="Cancel", danger=True)
        agreed: bool = await self.app.push_screen_wait(question)
        return agreed

    def _resume(self, row: RunRow) -> None:
        if row.status == "paused":
            actions.resume_paused(row)
        else:
            self.services.trainers.resume(directory_of(row))

    @work
    async def action_queue(self) -> None:
        """Continue runs when a slot is free, the last of the list first."""
        rows = self._possible("queue", "Not queued")
        if not await self._may_restart(rows):
            return
        rows = await self._with_images(rows)
        await self._apply("Queued", lambda row: self.services.trainers.queue(directory_of(row)), rows[::-1])

    @work
    async def action_hold(self) -> None:
        """Hold queued runs, or release held ones."""
        await self._apply("Held or released", actions.hold_or_release, self._possible("hold", "Not held"))

    @work
    async def action_first(self) -> None:
        """Put queued runs before all others, in the order of the list."""
        await self._apply("Put first", actions.put_first, self._possible("first", "Not put first")[::-1])

    @work(exclusive=True, group="delete")
    async def action_delete(self) -> None:
        """Delete runs, after a question that names their sizes."""
        rows = self._possible("delete", "Not deleted")
        if not rows:
            return
        sizes = await asyncio.to_thread(lambda: [bytes_of(directory_of(row)) for row in rows])
        if await self.app.push_screen_wait(_delete_question(rows, sizes)):
            await self._apply("Deleted", actions.delete, rows)

    @work
    async def action_tag(self) -> None:
        """Add and remove tags."""
        rows = self._board.targets
        if not rows:
            return
        tags = " ".join(sorted({tag for row in rows for tag in row.tags}))
        text = f"{count_and_name(row.run_id for row in rows)}\nTags now: {safe(tags, 200) or 'none'}\n\n"
        text += "Tags to add, with spaces between them; with a minus in front, to remove."
        ask = Ask("Tag", text, placeholder="baseline -old", check=actions.tag_problem)
        answer = await self.app.push_screen_wait(ask)
        if answer is not None:
            add, remove = actions.parse_tags(answer)
            self._remember(rows)
            await self._apply("Tagged", partial(actions.edit_tags, add=add, remove=remove), rows)

    @work
    async def action_note(self) -> None:
        """Write a note."""
        rows = self._board.targets
        if not rows:
            return
        notes = sum(bool(row.note) for row in rows)
        replaced = f"\nIt replaces {count(notes, 'note')}." if len(rows) > 1 and notes else ""
        text = f"{count_and_name(row.run_id for row in rows)}{replaced}"
        value = safe(rows[0].note) if len(rows) == 1 else ""
        answer = await self.app.push_screen_wait(Ask("Note", text, value=value))
        if answer is not None:
            self._remember(rows)
            await self._apply("Note saved", partial(actions.write_note, text=answer), rows)

    async def _with_images(self, rows: tuple[RunRow, ...]) -> tuple[RunRow, ...]:
        """The runs, once the user has said where their images are; none where that was cancelled."""
        stopped = [directory_of(row) for row in rows if row.status != "paused"]
        try:
            return rows if await locate_images(self.app, stopped) else ()
        except RunsError as error:
            self._report("Failed", (safe(str(error), 300),), severity="error")
            return ()

    def _remember(self, rows: tuple[RunRow, ...]) -> None:
        self._annotated = [*self._annotated[1 - _UNDONE :], rows]

    @work
    async def action_undo(self) -> None:
        """Give the runs of the last change the tags and the note that they had before."""
        if not self._annotated:
            self.services.notify("No tag and no note has been changed here.")
            return
        await self._apply("Tags and note as before", actions.restore_annotations, self._annotated.pop())

    def action_undo_or_suspend(self) -> None:
        """As `action_undo`; suspend the app where nothing was changed, as on other screens."""
        if self._annotated:
            self.action_undo()
        else:
            self.app.action_suspend_process()

    def _possible(self, action: actions.Action, refusal: str) -> tuple[RunRow, ...]:
        """Those of the targets that the action makes sense for; the others are reported under `refusal`."""
        possible, refused = actions.partition(action, self._board.targets)
        self._report(refusal, refused)
        return possible

    async def _apply(self, done: str, act: Callable[[RunRow], object], rows: tuple[RunRow, ...]) -> None:
        """Do something to each run in a thread, and report the runs where it was done, and the errors."""
        if not rows:
            return
        outcome = await asyncio.to_thread(actions.for_each, rows, act)
        self.services.feed.nudge()
        if outcome.done:
            self.services.notify(f"{done}: {name_some(outcome.done)}")
        self._report("Failed", outcome.refused, severity="error")

    def _report(self, title: str, sentences: tuple[str, ...], *, severity: Severity = "warning") -> None:
        for sentence in sentences[:3]:
            self.services.notify(sentence, title=title, severity=severity)
        if len(sentences) > 3:
            self.services.notify(f"and {len(sentences) - 3} more", title=title, severity=severity)


def _delete_question(rows: tuple[RunRow, ...], sizes: list[int]) -> Confirm:
    lines = [f"{safe(row.run_id, 50)}  {size(each)}" for row, each in zip(rows, sizes, strict=True)]
    total = f"\n\n{size(sum(sizes))} in all." if len(rows) > 1 else ""
    them = "it" if len(rows) == 1 else "them"
    text = f"{_few(lines)}{total}\n\nLog, checkpoints and results are deleted with {them}."
    title = f"Delete {count(len(rows), 'run')} for good?"
    return Confirm(title, text, yes="Delete", no="Keep", danger=True)


def _listed(rows: Iterable[RunRow]) -> str:
    return _few([f"{safe(row.run_id, 50)}  epoch {row.epoch}/{row.epochs or '?'}" for row in rows])


def _few(lines: list[str]) -> str:
    more = len(lines) - _LISTED
    return "\n".join([*lines[:_LISTED], *([f"and {more} more"] if more > 0 else [])])
