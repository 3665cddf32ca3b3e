"""The Runs screen: every run under the root, live; find, sort, mark, and act on what is marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual.app import ComposeResult
from textual.message import Message

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.queue.status import lost_places
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, size
from wmse_tui.tui import keys
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.screens.ask import AskScreen, ConfirmScreen
from wmse_tui.tui.screens.base import AppScreen
from wmse_tui.tui.widgets.runs import acting
from wmse_tui.tui.widgets.runs.acting import Outcome, directory, named, runs_named
from wmse_tui.tui.widgets.runs.board import RunBoard

MOST_COMPARED = 8
_CLOCK = 5.0  # seconds between two looks at the clock; what is shown changes by the minute
_LISTED = 8  # runs that a question lists

Severity = Literal["information", "warning", "error"]


class RunsScreen(AppScreen):
    """The list of runs, and what can be done to them."""

    HELP = """\
Every run under the runs folder, newest first; "queued 2" is the second in the queue. Actions are about the
marked runs or, where none is marked, about the run under the cursor. Marks stay on their runs whatever the
list shows.

The filter takes words and fields: state:running (also active, ended, done), tag:x, method:simclr,byol,
preset:cifar10, data:stl10, host:gpu-a, title:"two words", note:x, verdict:collapsed. A leading minus turns
a part round: -tag:old."""

    BINDINGS = keys.RUNS

    class Weighed(Message):
        """The runs that are to be deleted, with the bytes of their files, and those that cannot be."""

        def __init__(self, sizes: tuple[tuple[RunRow, int], ...], refused: tuple[str, ...]) -> None:
            super().__init__()
            self.sizes = sizes
            self.refused = refused

    class Acted(Message):
        """Something was done: in which words, to which runs, and for the others why not."""

        def __init__(self, words: str, outcome: Outcome) -> None:
            super().__init__()
            self.words = words
            self.outcome = outcome

    class Loaded(Message):
        """A configuration to be shown in Configure; or why there is none."""

        def __init__(self, experiment: Experiment | None, preset: str, problem: str) -> None:
            super().__init__()
            self.experiment = experiment
            self.preset = preset
            self.problem = problem

    def compose_body(self) -> ComposeResult:
        yield RunBoard(place=str(self.services.runs_root), ascii_only=self.services.ascii, id="runs")

    def on_mount(self) -> None:
        self._board = self.query_one(RunBoard)
        self._board.focus_list()
        self._in_thread(self._look_for_lost)
        self._clock = self.set_interval(_CLOCK, self._look_at_the_clock)

    def on_screen_resume(self) -> None:
        self.services.feed.watch_list(self)
        self._clock.resume()
        self._look_at_the_clock()

    def on_screen_suspend(self) -> None:
        self._clock.pause()
        if self not in self.app.screen_stack:  # else a question is asked on top of the list
            self.services.feed.unwatch_list(self)

    def _look_at_the_clock(self) -> None:
        if not self.frozen:
            self._board.look_at_the_clock()

    def on_catalogue_changed(self, event: CatalogueChanged) -> None:
        self._board.show(event.digests, event.loading, event.problem)

    # One run

    async def action_open(self) -> None:
        """Watch the run under the cursor; where there are no runs, lead to the first one."""
        if self._board.current is not None:
            await self.services.open_run(directory(self._board.current))
        elif self._board.empty:
            self._in_thread(self._load_quickstart)

    async def on_run_board_chosen(self) -> None:
        await self.action_open()

    def action_duplicate(self) -> None:
        """Open the run's configuration in Configure."""
        digest = self._board.current
        if digest is not None:
            self._in_thread(lambda: self._load(digest))

    def _load(self, digest: RunRow) -> None:
        found = read_configuration(acting.directory(digest))
        self.post_message(self.Loaded(found.experiment, digest.preset, safe(found.problem, 300)))

    def _load_quickstart(self) -> None:
        try:
            self.post_message(self.Loaded(load_experiment(preset="quickstart"), "quickstart", ""))
        except ConfigError as error:
            self.post_message(self.Loaded(None, "", error.problems[0].text()))

    async def on_runs_screen_loaded(self, event: Loaded) -> None:
        if event.experiment is not None:
            await self.services.open_configure(event.experiment, event.preset)
        else:
            self.services.notify(event.problem, severity="error", title="This configuration cannot be used")

    # Several runs

    def action_copy_path(self) -> None:
        """Put the paths of the runs where the terminal keeps what was copied."""
        paths = [digest.path for digest in self._board.meant]
        if paths:
            self.app.copy_to_clipboard("\n".join(paths))
            self.services.notify(
                "\n".join(paths[:3]) if len(paths) < 4 else count(len(paths), "path"), title="Copied"
            )

    async def action_compare(self) -> None:
        """Show the marked runs side by side."""
        meant = self._board.meant
        if len(meant) < 2:
            self.services.notify("Mark the runs to compare with m, two at least, then press c.")
        elif len(meant) > MOST_COMPARED:
            self.services.notify(
                f"{len(meant)} runs are marked; at most {MOST_COMPARED} can be compared.", severity="warning"
            )
        else:
            await self.services.open_compare(directory(digest) for digest in meant)

    def action_stop(self, after_epoch: bool) -> None:
        """Ask trainers to save and stop, after a question."""
        possible, refused = acting.sort_out("stop", self._board.meant)
        self._say_refused("Not stopped", refused)
        if not possible:
            return
        when = "after the running epoch" if after_epoch else "now"

        def act(sure: bool | None) -> None:
            if sure:
                self._do(
                    f"Asked to stop {when}",
                    lambda: acting.each(possible, lambda d: acting.ask_stop(d, after_epoch=after_epoch)),
                )

        question = f"{_listed(possible)}\n\nA checkpoint is saved first, and a stopped run can be resumed."
        title = f"Stop {count(len(possible), 'run')} {when}?"
        self.app.push_screen(ConfirmScreen(title, question, yes="Stop", no="Cancel"), act)

    def action_resume(self) -> None:
        """Go on with runs; several at once only after a question, since they would share one machine."""
        possible, refused = acting.sort_out("resume", self._board.meant)
        self._say_refused("Not resumed", refused)
        if not possible:
            return

        def act(sure: bool | None) -> None:
            if sure:
                self._do("Resumed", lambda: acting.each(possible, self._resume))

        if len(possible) == 1:
            act(True)
            return
        question = f"{_listed(possible)}\n\nThey will train at the same time and share this machine."
        self.app.push_screen(
            ConfirmScreen(f"Resume {len(possible)} runs?", question, yes="Resume", no="Cancel"), act
        )

    def _resume(self, digest: RunRow) -> None:
        if digest.status == "paused":
            acting.ask_resume(digest)
        else:
            self.services.trainers.resume(directory(digest))

    def action_queue(self) -> None:
        """Let runs go on when a slot is free."""
        self._change(
            "queue", "Not queued", "Queued", lambda d: self.services.trainers.queue(directory(d)), turn=True
        )

    def action_hold(self) -> None:
        """Hold queued runs, or release held ones."""
        self._change("hold", "Not held", "Held or released", acting.hold_or_release)

    def action_first(self) -> None:
        """Put queued runs before all others, in the order of the list."""
        self._change("first", "Not put first", "Put first", acting.put_first, turn=True)

    def _change(
        self,
        action: acting.Action,
        refusal: str,
        words: str,
        act: Callable[[RunRow], object],
        *,
        turn: bool = False,
    ) -> None:
        """Do something to the meant runs that needs no question; `turn`: beginning with the last."""
        possible, refused = acting.sort_out(action, self._board.meant)
        self._say_refused(refusal, refused)
        if possible:
            ordered = tuple(reversed(possible)) if turn else possible
            self._do(words, lambda: acting.each(ordered, act))

    def _look_for_lost(self) -> None:
        lost = lost_places()
        if lost:
            whom = "1 run has lost its place" if lost == 1 else f"{lost} runs have lost their places"
            text = f"{whom} in the queue (a reboot, a kill). Mark them and press Q, or: wmse-tui queue again"
            self.app.call_from_thread(self.services.notify, text, severity="warning")

    def action_delete(self) -> None:
        """Weigh the runs, ask, and delete them."""
        possible, refused = acting.sort_out("delete", self._board.meant)
        if possible:
            self._in_thread(
                lambda: self.post_message(
                    self.Weighed(tuple((digest, acting.weigh(digest)) for digest in possible), refused)
                )
            )
        else:
            self._say_refused("Not deleted", refused)

    def on_runs_screen_weighed(self, event: Weighed) -> None:
        self._say_refused("Not deleted", event.refused)
        doomed = [digest for digest, _ in event.sizes]

        def act(sure: bool | None) -> None:
            if sure:
                self._do("Deleted", lambda: acting.each(doomed, acting.remove))

        lines = [f"{safe(digest.run_id, 50)}  {size(weight)}" for digest, weight in event.sizes]
        total = f"\n\n{size(sum(weight for _, weight in event.sizes))} in all." if len(lines) > 1 else ""
        them = "it" if len(lines) == 1 else "them"
        question = f"{_few(lines)}{total}\n\nLog, checkpoints and results go with {them}."
        title = f"Delete {count(len(doomed), 'run')} for good?"
        self.app.push_screen(ConfirmScreen(title, question, yes="Delete", no="Keep", danger=True), act)

    def action_tag(self) -> None:
        """Give tags and take tags away."""
        meant = self._board.meant
        if not meant:
            return
        have = sorted({tag for digest in meant for tag in digest.tags})

        def act(answer: str | None) -> None:
            if answer is not None:
                add, remove = acting.read_tags(answer)
                self._do(
                    "Tagged", lambda: acting.each(meant, lambda d: acting.tag(d, add=add, remove=remove))
                )

        text = f"{runs_named(d.run_id for d in meant)}\nTags now: {safe(' '.join(have), 200) or 'none'}\n\n"
        text += "Tags to give; with a minus in front, to take away."
        ask = AskScreen("Tag", text, placeholder="baseline -old", check=acting.tag_problem)
        self.app.push_screen(ask, act)

    def action_note(self) -> None:
        """Write a note."""
        meant = self._board.meant
        if not meant:
            return

        def act(answer: str | None) -> None:
            if answer is not None:
                self._do("Noted for", lambda: acting.each(meant, lambda d: acting.note(d, answer)))

        several = f"\nIt takes the place of {count(len(meant), 'note')}." if len(meant) > 1 else ""
        text = f"{runs_named(d.run_id for d in meant)}{several}"
        value = safe(meant[0].note) if len(meant) == 1 else ""
        self.app.push_screen(AskScreen("Note", text, value=value), act)

    # In threads

    def _in_thread(self, work: Callable[[], object]) -> None:
        self.run_worker(work, thread=True, group="runs", exit_on_error=True)

    def _do(self, words: str, act: Callable[[], Outcome]) -> None:
        self._in_thread(lambda: self.post_message(self.Acted(words, act())))

    def on_runs_screen_acted(self, event: Acted) -> None:
        self.services.feed.nudge()
        if event.outcome.done:
            self.services.notify(f"{event.words}: {named(event.outcome.done)}")
        self._say_refused("That went wrong", event.outcome.refused, severity="error")

    def _say_refused(self, title: str, refused: tuple[str, ...], *, severity: Severity = "warning") -> None:
        for sentence in refused[:3]:
            self.services.notify(sentence, title=title, severity=severity)
        if len(refused) > 3:
            self.services.notify(f"and {len(refused) - 3} more", title=title, severity=severity)


def _listed(digests: tuple[RunRow, ...]) -> str:
    return _few(
        [f"{safe(digest.run_id, 50)}  epoch {digest.epoch}/{digest.epochs or '?'}" for digest in digests]
    )


def _few(lines: list[str]) -> str:
    more = len(lines) - _LISTED
    return "\n".join([*lines[:_LISTED], *([f"and {more} more"] if more > 0 else [])])
