"""`wmse-tui stop`: request a trainer to save and exit, and wait until it has."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from wmse_tui.cli.arguments import Run, RunsDir
from wmse_tui.cli.exits import ExitCode

POLL_SECONDS = 0.2


def stop(
    run: Run,
    after_epoch: Annotated[
        bool, typer.Option("--after-epoch", help="Let the current epoch finish first.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not wait until the run has stopped.")
    ] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Save and stop a run, and wait until it has stopped. Ctrl-C only ends the wait."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.follow.follower import SETTLE_SECONDS
    from wmse_tui.cli.follow.stop_request import StopRequest
    from wmse_tui.cli.locating import find_own_run
    from wmse_tui.runs.process.control import request
    from wmse_tui.runs.process.liveness import patience
    from wmse_tui.runs.queue.positions import cancel
    from wmse_tui.runs.state.watch import RunWatcher
    from wmse_tui.runs.text.units import duration

    directory = find_own_run(run, runs_dir)
    watcher = RunWatcher(directory)
    state = watcher.poll()
    if state.status == "queued" and cancel(directory):
        print_message(f"{directory.id} was queued; it has been removed from the queue.")
        return
    if (state.ended and not watcher.crash_unconfirmed) or state.status == "new":
        print_message(f"{directory.id} is not running: {state.status}.")
        return
    requested = "stop requested, after its current epoch" if after_epoch else "stop requested"
    command = "stop_after_epoch" if after_epoch else "stop"
    if no_wait:
        request(directory, command)
        print_message(f"{directory.id}: {requested}")
        return
    if watcher.crash_unconfirmed:
        wait = duration(patience(state))
        print_message(f"{directory.id}: {state.status_reason}; checking for {wait} whether its log grows")
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
        time.sleep(POLL_SECONDS)
    last = state if state.exit is None else state.exit  # which counts steps that were not reported one by one
    print_message(f"{directory.id}: {state.status} at epoch {last.epoch}, step {last.step}.")
    if state.status not in ("completed", "stopped"):
        raise typer.Exit(ExitCode.FAILED)
    if state.status == "stopped":
        print_message(f"Resume it: wmse-tui resume {directory.id}")
