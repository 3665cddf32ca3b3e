"""`wmse-tui stop`: request trainers to save and exit, and wait until they have."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated

import typer

from wmse_tui.cli.arguments import Runs, RunsDir
from wmse_tui.cli.exits import ExitCode

if TYPE_CHECKING:
    from wmse_tui.runs.directory import RunDirectory

POLL_SECONDS = 0.2


def stop(
    runs: Runs,
    after_epoch: Annotated[
        bool, typer.Option("--after-epoch", help="Let the current epoch finish first.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not wait until the run has stopped.")
    ] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Save and stop runs.

    Waits until they have stopped; Ctrl-C only ends the wait.
    """
    from wmse_tui.cli.locating import find_own_run

    found = list(dict.fromkeys(find_own_run(run, runs_dir) for run in runs))
    command = "stop_after_epoch" if after_epoch else "stop"
    waiting = [_stop(directory, command, wait=not no_wait) for directory in found]
    failed = False
    while waiting:
        for stopping in tuple(waiting):
            try:
                next(stopping)
            except StopIteration as end:
                waiting.remove(stopping)
                failed = failed or not end.value
        if waiting:
            time.sleep(POLL_SECONDS)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _stop(directory: RunDirectory, command: str, *, wait: bool) -> Generator[None, None, bool]:
    """Request the stop of one run, yield while it continues, and return whether it ended well."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.follow.follower import SETTLE_SECONDS
    from wmse_tui.cli.follow.stop_request import StopRequest
    from wmse_tui.runs.process.liveness import patience
    from wmse_tui.runs.process.signalling import send_request
    from wmse_tui.runs.queue.positions import cancel
    from wmse_tui.runs.state.watch import RunWatcher
    from wmse_tui.runs.text.units import duration

    watcher = RunWatcher(directory)
    state = watcher.poll()
    if state.status == "queued" and cancel(directory):
        print_message(f"{directory.id} was queued; it has been removed from the queue.")
        return True
    if (state.ended and not watcher.crash_unconfirmed) or state.status == "new":
        print_message(f"{directory.id} is not running: {state.status}.")
        return True
    later = ", after its current epoch" if command == "stop_after_epoch" else ""
    requested = f"stop requested{later}"
    if not wait:
        send_request(directory, command, by="cli")
        print_message(f"{directory.id}: {requested}")
        return True
    if watcher.crash_unconfirmed:
        seconds = duration(patience(state))
        print_message(f"{directory.id}: {state.status_reason}; checking for {seconds} whether its log grows")
    stop_request = StopRequest(directory, command=command)
    print_message(f"{directory.id}: {requested}; waiting until it has stopped (Ctrl-C: do not wait)")
    ended_at: float | None = None
    while True:
        state = watcher.poll()
        now = time.monotonic()
        if not state.ended or watcher.crash_unconfirmed:
            ended_at = None
        elif ended_at is None:
            ended_at = now
        if ended_at is not None and (state.status != "crashed" or now - ended_at >= SETTLE_SECONDS):
            break
        message = stop_request.advance(state)
        if message:
            print_message(message)
        yield
    last = state if state.exit is None else state.exit  # which counts steps that were not reported one by one
    print_message(f"{directory.id}: {state.status} at epoch {last.epoch}, step {last.step}.")
    if state.status == "stopped":
        print_message(f"Resume it: wmse-tui resume {directory.id}")
    return state.status in ("completed", "stopped")
