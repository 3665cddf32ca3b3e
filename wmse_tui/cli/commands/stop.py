"""`wmse-tui stop`: ask a trainer to save and leave, and wait until it has."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.parameters import Run, RunsDir

POLL_SECONDS = 0.2


def stop(
    run: Run,
    after_epoch: Annotated[
        bool, typer.Option("--after-epoch", help="Let the running epoch end first.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Ask, and do not wait until it has stopped.")
    ] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Ask a run to save and stop, and wait until it has. Ctrl-C stops the waiting only."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.follow.follower import SETTLE_SECONDS
    from wmse_tui.cli.follow.stop_request import StopRequest
    from wmse_tui.cli.locating import find_run
    from wmse_tui.runs.process.control import request
    from wmse_tui.runs.queue.status import cancel
    from wmse_tui.runs.state.watch import RunWatcher

    directory = find_run(run, runs_dir)
    watcher = RunWatcher(directory)
    view = watcher.poll()
    if view.status == "queued" and cancel(directory):
        print_message(f"{directory.id} was waiting; it is no longer in the queue.")
        return
    if view.ended or view.status == "new":
        print_message(f"{directory.id} is not running: {view.status}.")
        return
    command = "stop_after_epoch" if after_epoch else "stop"
    if no_wait:
        request(directory, command)
        print_message(f"asked {directory.id} to {command.replace('_', ' ')}")
        return
    stopping = StopRequest(directory, command=command)
    print_message(
        f"asked {directory.id} to {command.replace('_', ' ')}; waiting until it has (Ctrl-C: do not wait)"
    )
    ended_at: float | None = None
    while True:
        view = watcher.poll()
        now = time.monotonic()
        if not view.ended:
            ended_at = None
        elif ended_at is None:
            ended_at = now
        if ended_at is not None and (view.status != "crashed" or now - ended_at >= SETTLE_SECONDS):
            break
        news = stopping.advance(view)
        if news:
            print_message(news)
        time.sleep(POLL_SECONDS)
    print_message(f"{directory.id}: {view.status} at epoch {view.epoch}, step {view.step}.")
    if view.status not in ("completed", "stopped"):
        raise typer.Exit(ExitCode.FAILED)
    if view.status == "stopped":
        print_message(f"Go on with it: wmse-tui resume {directory.id}")
