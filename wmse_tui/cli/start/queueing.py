"""`--queue`: a run that waits for a free slot, detached at once or followed until it starts."""

from __future__ import annotations

import time
from subprocess import Popen

from wmse_tui.cli.console import print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import summary, write_object
from wmse_tui.cli.follow.signals import Signals, exit_for
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import NotQueued
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.queue.positions import cancel
from wmse_tui.runs.queue.standby import CANCELLED
from wmse_tui.runs.queue.waiter import BUSY, DROPPED
from wmse_tui.runs.state.watch import RunWatcher, view_run

POLL_SECONDS = 0.2
SETTLE_SECONDS = 2.0


def print_queued(run: RunDirectory, waiting: Popen[bytes], *, as_json: bool) -> None:
    """Print that the run is queued, its position and what it waits for."""
    state = view_run(run)
    if as_json:
        row = {"type": "queued", "run": run.id, "path": str(run.path), "pid": waiting.pid}
        write_object({**row, "place": state.position, "reason": state.status_reason})
        return
    print_data(run.id)
    reason = f": {state.status_reason}" if state.status_reason else ""
    print_message(f"queued{reason}. See the queue: wmse-tui queue")


def await_turn(
    run: RunDirectory,
    signals: Signals,
    *,
    waiting: Popen[bytes] | None = None,
    fresh: bool = False,
    as_json: bool = False,
) -> ExitCode | None:
    """Wait until `run` leaves the queue; None where its trainer starts, else how the command ends.

    Args:
        run: a queued run.
        signals: the first one removes the run from the queue, or only ends the wait for another user's run.
        waiting: the waiting process where it is our own child; None: another process queued the run.
        fresh: the run was created for this command and is removed if that is interrupted.
        as_json: end with a summary object.
    """
    watcher, printed = RunWatcher(run), ""
    while held(run.queue_lock):
        state = watcher.poll()
        text = f"{run.id} is queued: {state.status_reason}" if state.status_reason else f"{run.id} is queued"
        if state.status == "queued" and text != printed:
            printed = text
            print_message(text)
        if signals.pending:
            if waiting is None:
                print_message(f"Detached; {run.id} stays queued. See the queue: wmse-tui queue")
                return exit_for(signals.take()[0])
            if _cancelled(run):
                return _interrupted(run, signals.take()[0], fresh=fresh, as_json=as_json)
        time.sleep(POLL_SECONDS)
    if waiting is None:
        return _of_another_process(run, watcher)
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end and not held(run.lock):
        status = waiting.poll()
        if status is not None and (status < 0 or status in (CANCELLED, DROPPED, BUSY)):
            return _not_started(run, status, as_json=as_json)
        time.sleep(POLL_SECONDS / 4)
    return None


def _cancelled(run: RunDirectory) -> bool:
    try:
        return cancel(run)
    except NotQueued:
        return False  # it has just started


def _interrupted(run: RunDirectory, number: int, *, fresh: bool, as_json: bool) -> ExitCode:
    code = exit_for(number)
    print_message(f"wmse-tui: interrupted; {run.id} was removed from the queue")
    if as_json:
        write_object(summary(run, view_run(run), code, removed=fresh))
    if fresh:
        remove_run(run)
        print_message("Nothing was trained; the run's directory was removed.")
    return code


def _not_started(run: RunDirectory, status: int, *, as_json: bool) -> ExitCode:
    """Print why a run that waited was not started, and return the exit code."""
    state = view_run(run)
    code = ExitCode.of_process(status)
    if status == CANCELLED:
        print_message(f"{run.id} was removed from the queue. Start it: wmse-tui resume {run.id}")
    elif status == BUSY:
        print_message(f"Another process is training {run.id}. Watch it: wmse-tui attach {run.id}")
    else:
        print_message(f"wmse-tui: {run.id}: {state.status_reason or 'its waiting process ended'}")
    if as_json:
        write_object(summary(run, state, code))
    return code


def _of_another_process(run: RunDirectory, watcher: RunWatcher) -> ExitCode | None:
    """Return None if a run that another process queued has been started, else the exit code."""
    end = time.monotonic() + SETTLE_SECONDS
    state = watcher.poll()
    while state.status in ("new", "queued", "crashed") and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 4)
        state = watcher.poll()
    if state.status != "new" and not watcher.run.queue_lock.exists():
        return None
    reason = f": {state.status_reason}" if state.status_reason else ""
    print_message(f"{run.id} left the queue without a start{reason}")
    return ExitCode.FAILED
