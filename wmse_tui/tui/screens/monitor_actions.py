"""What can be done with the run that Monitor shows: ask its trainer, resume it, carry things away."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from textual.message import Message

from wmse_tui.config.atomic import publish
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.queue.status import cancel
from wmse_tui.runs.state.config import Configuration, read_configuration, summarise
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import IN_PROGRESS, WITHOUT_TRAINER
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.screens.ask import ConfirmScreen
from wmse_tui.tui.screens.base import AppScreen
from wmse_tui.tui.widgets.monitor.requests import NAMES, Asked

Value = TypeVar("Value")
_REMEMBERED = 4  # requests to a run


class Fetched(Message):
    """Something that a thread has fetched; `use` does with it what it was fetched for."""

    def __init__(self, use: Callable[[], object]) -> None:
        super().__init__()
        self.use = use


class RunActions(AppScreen):
    """The actions; the screen that inherits them says which run it shows, and how the run is."""

    BINDINGS = keys.RUN

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[Path, tuple[Asked, ...]] = {}  # the latest requests that were left in each run

    @property
    @abstractmethod
    def shown_run(self) -> RunDirectory | None:
        """The run on the screen."""

    @property
    @abstractmethod
    def shown_view(self) -> RunState | None:
        """How it is, as far as one knows."""

    @abstractmethod
    def show_run(self, run: RunDirectory) -> None:
        """Show another run."""

    @abstractmethod
    def tell_requests(self) -> None:
        """A request was left: say so."""

    # Work in threads

    def fetch(self, work: Callable[[], Value], use: Callable[[Value], object]) -> None:
        """Do `work` in a thread, then `use` what it gave here."""

        def go() -> None:
            self.post_message(Fetched(partial(use, work())))

        self.run_worker(go, thread=True)

    def attempt(self, work: Callable[[], Value], use: Callable[[Value], object]) -> None:
        """As `fetch`; where `work` fails, a message says why."""

        def go() -> None:
            try:
                value = work()
            except RunsError as error:
                self.post_message(Fetched(partial(self.complain, error)))
            else:
                self.post_message(Fetched(partial(use, value)))

        self.run_worker(go, thread=True)

    def on_fetched(self, message: Fetched) -> None:
        """Use it."""
        message.use()

    def complain(self, error: RunsError) -> None:
        """Say what went wrong, and what to do."""
        self.services.notify(
            "\n".join((error.detail, *error.next)).strip(), title=error.title, severity="error"
        )

    def _chosen(self) -> RunDirectory | None:
        """The run on the screen; where there is none, it is said."""
        if self.shown_run is None:
            self.services.notify("No run is chosen.", severity="warning")
        return self.shown_run

    # Requests to the trainer

    def action_stop(self) -> None:
        """Ask whether to stop the run now."""
        run, view = self.shown_run, self.shown_view
        if run is not None and view is not None and view.status == "queued":
            text = f"Take {safe(run.id, 64)} out of the queue?\n\nIt stays as it is, and can be queued again."
            self.app.push_screen(
                ConfirmScreen("Queue", text, yes="Take out", no="Wait on"), partial(self._take_out, run)
            )
            return
        run = self._listening("stop")
        if run is not None:
            text = f"Stop {safe(run.id, 64)} now?\n\nIt saves a checkpoint first, and can be resumed."
            self.app.push_screen(
                ConfirmScreen("Stop", text, yes="Stop", no="Go on"), lambda yes: self._leave(run, "stop", yes)
            )

    def _take_out(self, run: RunDirectory, yes: bool | None) -> None:
        if yes:
            self.attempt(lambda: cancel(run), lambda done: self._was_taken_out(run, done))

    def _was_taken_out(self, run: RunDirectory, done: bool) -> None:
        self.services.feed.nudge()
        what = "is no longer in the queue" if done else "has just started"
        self.services.notify(f"{run.id} {what}.")

    def action_ask(self, command: str) -> None:
        """Leave a request in the run."""
        run = self._listening(command)
        if run is not None:
            self._leave(run, command, True)

    def action_pause(self) -> None:
        """Pause, or go on."""
        view = self.shown_view
        self.action_ask("resume" if view is not None and view.status == "paused" else "pause")

    def _listening(self, command: str) -> RunDirectory | None:
        """The run, if somebody is there to be asked."""
        run, view = self._chosen(), self.shown_view
        if run is None or view is None:
            return None
        if view.status in WITHOUT_TRAINER:
            state = "was never started" if view.status == "new" else f"is {view.status}"
            again = "" if view.status == "completed" else " r starts it again."
            self.services.notify(
                f"Nobody can be asked to {NAMES[command]}: the run {state}.{again}", severity="warning"
            )
            return None
        return run

    def _leave(self, run: RunDirectory, command: str, yes: bool | None) -> None:
        if yes:
            view, now = self.shown_view, time.time()
            attempt = 0 if view is None else view.attempt + (view.status == "starting")
            self.attempt(
                lambda: Asked(request(run, command, by="app"), command, now, attempt),
                partial(self._was_left, run),
            )

    def _was_left(self, run: RunDirectory, asked: Asked) -> None:
        self.asked[run.path] = (*self.asked.get(run.path, ()), asked)[-_REMEMBERED:]
        self.services.feed.nudge()
        self.tell_requests()

    def action_resume(self) -> None:
        """Start another attempt."""
        run, view = self._chosen(), self.shown_view
        if run is None or view is None:
            return
        if view.status in IN_PROGRESS:
            # What is shown may be a moment old; who holds the lock is not.
            self.attempt(lambda: held(run.lock), partial(self._resume_unless_held, run, view.status))
        elif view.status == "completed":
            self.services.notify("The run has completed; there is nothing left to do.", severity="warning")
        elif view.status == "unknown":
            self.services.notify(
                f"The run may be at work elsewhere: {view.status_reason}.", severity="warning"
            )
        else:
            self._resume(run)

    def _resume_unless_held(self, run: RunDirectory, state: str, is_held: bool) -> None:
        if is_held or state in ("starting", "queued"):  # a trainer on its way takes the lock after a moment
            more = " p lets it go on." if state == "paused" else ""
            self.services.notify(f"The run is {state} already.{more}", severity="warning")
        else:
            self._resume(run)

    def _resume(self, run: RunDirectory) -> None:
        self.attempt(lambda: self.services.trainers.resume(run), lambda _: self._was_resumed(run))

    def _was_resumed(self, run: RunDirectory) -> None:
        self.services.feed.nudge()
        self.services.notify(f"{run.id} is starting again.")

    # What is carried away

    def action_duplicate(self) -> None:
        """Take the configuration to Configure."""
        run = self._chosen()
        if run is not None:
            self.fetch(
                lambda: (read_configuration(run), summarise(run.config).preset),
                lambda found: self._copy(*found),
            )

    def _copy(self, found: Configuration, preset: str) -> None:
        if found.experiment is None:
            self.services.notify(found.problem, title="The configuration cannot be used", severity="error")
        else:
            self.call_later(self.services.open_configure, found.experiment, preset)

    def action_folder(self) -> None:
        """Show the path, and put it on the terminal's clipboard."""
        run = self._chosen()
        if run is not None:
            self.app.copy_to_clipboard(str(run.path))
            self.services.notify(
                str(run.path), title="The run's folder (copied, where the terminal lets one)"
            )

    def action_screenshot(self) -> None:
        """Write what is on the screen to a file."""
        run = self.shown_run
        picture = self.app.export_screenshot(
            title=safe(f"wmse-tui {run.id}" if run is not None else "wmse-tui")
        )
        name = time.strftime("screen-%Y%m%d-%H%M%S.svg")
        folders = [*([run.artifacts] if run is not None else []), Path.cwd()]
        self.fetch(
            lambda: _write(picture, name, folders),
            lambda told: self.services.notify(told[0], severity=told[1]),
        )

    # Other runs

    def action_neighbour(self, by: int) -> None:
        """Show the next run of the list."""
        here = self.shown_run
        self.attempt(
            lambda: list_runs(self.services.runs_root), lambda runs: self._show_neighbour(runs, here, by)
        )

    def _show_neighbour(self, runs: tuple[RunDirectory, ...], here: RunDirectory | None, by: int) -> None:
        if not runs:
            self.services.notify("There are no runs yet.", severity="warning")
        elif here not in runs:
            self.show_run(runs[0])
        elif 0 <= (place := runs.index(here) + by) < len(runs):
            self.show_run(runs[place])
        else:
            self.services.notify("This is the oldest run." if by > 0 else "This is the newest run.")


def _write(picture: str, name: str, folders: list[Path]) -> tuple[str, Literal["information", "error"]]:
    """Write to the first of `folders` that can be written; what to say, and how grave it is."""
    why = ""
    for folder in folders:
        try:
            publish(folder / name, picture.encode())
        except OSError as error:
            why = why or f"{folder}: {error.strerror or error}"
        else:
            return f"The screen is in {folder / name}", "information"
    return f"The screen cannot be written: {why}", "error"
