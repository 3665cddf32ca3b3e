"""`--queue`: a run that waits for a free slot, left alone at once or followed from its place to its end."""

from __future__ import annotations

import time
from subprocess import Popen

from wmse_tui.cli.console import print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import summary, write_object
from wmse_tui.cli.follow.signals import Signals, exit_for
from wmse_tui.runs.directory import RunDirectory, remove_run
from wmse_tui.runs.errors import NotQueued
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.queue.status import cancel
from wmse_tui.runs.queue.waiter import BUSY, CANCELLED, DROPPED
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.watch import RunWatcher, view_run

POLL_SECONDS = 0.2
SETTLE_SECONDS = 2.0


def print_queued(run: RunDirectory, waiting: Popen[bytes], *, as_json: bool) -> None:
    """Say that the run waits, and where it stands."""
    view = view_run(run)
    if as_json:
        told = {"type": "queued", "run": run.id, "path": str(run.path), "pid": waiting.pid}
        write_object({**told, "place": view.position, "reason": view.status_reason})
        return
    print_data(run.id)
    reason = f": {view.status_reason}" if view.status_reason else ""
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
        run: a run that was queued.
        signals: the first one takes the run out of the queue, or only ends the waiting for somebody else's.
        waiting: the waiting process where it is our own child; None: somebody else's.
        fresh: the run was made for this and goes again where it was interrupted.
        as_json: end with a summary object.
    """
    watcher, told = RunWatcher(run), ""
    while held(run.queue_lock):
        view = watcher.poll()
        text = f"{run.id} is queued: {view.status_reason}" if view.status_reason else f"{run.id} is queued"
        if view.status == "queued" and text != told:
            told = text
            print_message(text)
        if signals.noted:
            if waiting is None:
                print_message(f"Left; {run.id} goes on waiting by itself. See the queue: wmse-tui queue")
                return exit_for(signals.take()[0])
            if _cancelled(run):
                return _interrupted(run, signals.take()[0], fresh=fresh, as_json=as_json)
        time.sleep(POLL_SECONDS)
    if waiting is None:
        return _of_another(run, watcher)
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
        return False  # it has just begun


def _interrupted(run: RunDirectory, number: int, *, fresh: bool, as_json: bool) -> ExitCode:
    code = exit_for(number)
    print_message(f"wmse-tui: interrupted; {run.id} was taken out of the queue")
    if as_json:
        write_object(summary(run, view_run(run), code, removed=fresh))
    if fresh:
        remove_run(run)
        print_message("Nothing was trained; the run's directory was removed.")
    return code


def _not_started(run: RunDirectory, status: int, *, as_json: bool) -> ExitCode:
    """Say why a run that waited was not started, and return the exit status."""
    view = view_run(run)
    code = ExitCode.of_number(status)
    if status == CANCELLED:
        print_message(f"{run.id} was taken out of the queue. Start it: wmse-tui resume {run.id}")
    elif status == BUSY:
        print_message(f"Another process is training {run.id}. Watch it: wmse-tui attach {run.id}")
    else:
        print_message(f"wmse-tui: {run.id}: {view.status_reason or 'whoever waited for it is gone'}")
    if as_json:
        write_object(summary(run, view, code))
    return code


def _of_another(run: RunDirectory, watcher: RunWatcher) -> ExitCode | None:
    """Somebody else's run has left the queue: whether it goes on as a trainer."""
    end = time.monotonic() + SETTLE_SECONDS
    view: RunState = watcher.poll()
    while view.status in ("new", "queued", "crashed") and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 4)
        view = watcher.poll()
    if view.status != "new" and not watcher.run.queue_lock.exists():
        return None
    print_message(
        f"{run.id} left the queue without a start{': ' + view.status_reason if view.status_reason else ''}"
    )
    return ExitCode.FAILED
