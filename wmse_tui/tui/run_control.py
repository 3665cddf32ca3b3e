"""What Monitor asks of a run: requests to its trainer, another attempt, an evaluation of its checkpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.process.signalling import send_request
from wmse_tui.runs.queue.positions import cancel
from wmse_tui.runs.state.lost_work import work_lost_by_resuming
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import ENDED, IN_PROGRESS, WITHOUT_TRAINER
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.dialogs import Confirm
from wmse_tui.tui.moved_images import locate_images
from wmse_tui.tui.neighbours_dialog import NeighboursDialog, read_grid
from wmse_tui.tui.services import ServicesApp, errors_shown
from wmse_tui.tui.widgets.monitor.control_requests import (
    COMMAND_NAMES,
    RequestStatus,
    SentRequest,
    request_statuses,
)

_MOST_REQUESTS = 4  # sent requests that are remembered for each run


class RunControl:
    """Sends requests and remembers them, for each run that was shown.

    Args:
        app: shows questions and messages.
        sent: called when a request was sent.
    """

    def __init__(self, app: ServicesApp, sent: Callable[[], None]) -> None:
        self._app = app
        self._on_sent = sent
        self._sent: dict[Path, tuple[SentRequest, ...]] = {}  # the latest requests to each run
        self._pausing: set[Path] = set()  # runs with a request to pause that has had no effect yet
        self._evaluating: set[Path] = set()  # runs that a process evaluates now
        self._searching: set[Path] = set()  # runs for which a process finds neighbours

    def statuses(self, run: RunDirectory, state: RunState) -> tuple[RequestStatus, ...]:
        """What became of the requests to `run`, the newest first."""
        return request_statuses(self._sent.get(run.path, ()), state)

    def pause_command(self, run: RunDirectory, state: RunState) -> str:
        """`pause`, or `resume` where the run is paused or a request to pause is pending."""
        return "resume" if state.status == "paused" or run.path in self._pausing else "pause"

    def pause_is_over(self, run: RunDirectory) -> None:
        """The run has paused or ended: a request to pause is pending no more."""
        self._pausing.discard(run.path)

    async def ask(self, run: RunDirectory, state: RunState, command: str) -> None:
        """Send a request, if a trainer may answer it."""
        if self._answers(state, command):
            await self._send(run, state, command)

    async def stop(self, run: RunDirectory, state: RunState) -> None:
        """Stop the run, or remove it from the queue, after a question."""
        if state.status == "queued":
            text = f"Take {safe(run.id, 64)} out of the queue?\n\nIt stays as it is, and can be queued again."
            question = Confirm("Queue", text, yes="Take out", no="Stay queued")
            if await self._app.push_screen_wait(question):
                await self._cancel(run)
        elif self._answers(state, "stop"):
            text = f"Stop {safe(run.id, 64)} now?\n\nIt saves a checkpoint first, and can be resumed."
            if await self._app.push_screen_wait(Confirm("Stop", text, yes="Stop", no="Continue")):
                await self._send(run, state, "stop")

    async def resume(self, run: RunDirectory, state: RunState) -> None:
        """Start another attempt, unless there is one, or nothing is left to do."""
        services, status = self._app.services, state.status
        if status == "completed":
            services.notify("The run has completed; there is nothing left to do.", severity="warning")
            return
        if status == "unknown":
            text = f"The run may be active on another machine: {state.status_reason}."
            services.notify(text, severity="warning")
            return
        with errors_shown(services):
            # The status may be a moment old, the lock is not; a trainer that is starting acquires it later.
            if status in IN_PROGRESS and (
                await asyncio.to_thread(held, run.lock) or status in ("starting", "queued")
            ):
                more = services.keys.fill(" {key:run-pause} continues it.") if status == "paused" else ""
                services.notify(f"The run is {status} already.{more}", severity="warning")
                return
            lost = await asyncio.to_thread(work_lost_by_resuming, run, state)
            if lost is not None and lost.restarts:
                question = Confirm(
                    "Train it again from step 0?",
                    f"{safe(run.id, 64)}: {lost.text()}.",
                    yes="Train again",
                    no="Cancel",
                    danger=True,
                )
                if not await self._app.push_screen_wait(question):
                    return
            if not await locate_images(self._app, [run]):
                return
            await asyncio.to_thread(services.trainers.resume, run)
            services.feed.nudge()
            services.notify(f"{run.id} is starting again.")

    async def evaluate_checkpoint(self, run: RunDirectory) -> None:
        """Evaluate the final, best or last checkpoint in a process of its own, and wait for its result."""
        services = self._app.services
        if run.path in self._evaluating:
            services.notify(f"{run.id} is being evaluated already.", severity="warning")
            return
        self._evaluating.add(run.path)
        try:
            with errors_shown(services):
                started = await asyncio.to_thread(services.trainers.evaluate, run)
                services.notify(f"{run.id} is evaluated; its result is saved, also if you quit.")
                while started.process.poll() is None:
                    await asyncio.sleep(services.rates.text)
                result = await asyncio.to_thread(started.result)
                text = services.keys.fill("{key:pane-evaluations} shows the result.")
                if "unsaved" in result:
                    text = f"The result cannot be saved: {result['unsaved']}"
                services.notify(text, title=f"{run.id} is evaluated")
        finally:
            self._evaluating.discard(run.path)

    async def show_neighbours(self, run: RunDirectory, state: RunState) -> None:
        """Show the nearest neighbours that are saved; where there are none, find them first."""
        services = self._app.services
        with errors_shown(services):
            found = await asyncio.to_thread(read_grid, run)
            if found is not None and not await self._app.push_screen_wait(NeighboursDialog(run, found)):
                return
            if state.status not in ENDED:
                text = "Neighbours are computed when the run has ended: its trainer needs the device."
                services.notify(text, severity="warning")
                return
            if run.path in self._searching:
                services.notify(f"The neighbours of {run.id} are being computed already.", severity="warning")
                return
            self._searching.add(run.path)
            try:
                await self._find_neighbours(run)
            finally:
                self._searching.discard(run.path)

    async def _find_neighbours(self, run: RunDirectory) -> None:
        services = self._app.services
        started = await asyncio.to_thread(services.trainers.find_neighbours, run)
        text = services.keys.fill("{key:run-neighbours} shows them when they are found, also if you quit.")
        services.notify(text, title=f"The nearest neighbours of {run.id} are being computed")
        while started.process.poll() is None:
            await asyncio.sleep(services.rates.text)
        await asyncio.to_thread(started.result)
        text = services.keys.fill("{key:run-neighbours} shows them.")
        services.notify(text, title=f"The neighbours of {run.id} are found")

    def _answers(self, state: RunState, command: str) -> bool:
        """Whether a trainer may answer `command`; otherwise a notification explains why not."""
        status, services = state.status, self._app.services
        if status not in WITHOUT_TRAINER:
            return True
        what = "was never started" if status == "new" else f"is {status}"
        again = "" if status == "completed" else services.keys.fill(" {key:run-resume} starts it again.")
        services.notify(f"Cannot {COMMAND_NAMES[command]}: the run {what}.{again}", severity="warning")
        return False

    async def _send(self, run: RunDirectory, state: RunState, command: str) -> None:
        now, attempt = time.time(), state.attempt + (state.status == "starting")
        with errors_shown(self._app.services):
            request_id = await asyncio.to_thread(send_request, run, command, by="app")
            if request_id:
                sent = (*self._sent.get(run.path, ()), SentRequest(request_id, command, now, attempt))
                self._sent[run.path] = sent[-_MOST_REQUESTS:]
            if command == "pause":
                self._pausing.add(run.path)
            elif command == "resume":
                self._pausing.discard(run.path)
            self._app.services.feed.nudge()
            self._on_sent()

    async def _cancel(self, run: RunDirectory) -> None:
        with errors_shown(self._app.services):
            cancelled = await asyncio.to_thread(cancel, run)
            self._app.services.feed.nudge()
            what = "is no longer in the queue" if cancelled else "has just started"
            self._app.services.notify(f"{run.id} {what}.")
