"""`wmse-tui attach`: watch a run that another command started."""

from __future__ import annotations

import typer

from wmse_tui.cli.arguments import Headless, JsonLines, Run, RunsDir
from wmse_tui.cli.exits import ExitCode


def attach(run: Run, runs_dir: RunsDir = None, headless: Headless = False, json: JsonLines = False) -> None:
    """Watch a run that another command started.

    Opens the app; with --headless or --json, or without a terminal, follows the run here until it ends.
    Leaving, also with Ctrl-C, does not stop the run. The exit code is the run's, as for `run`, or 130 after
    Ctrl-C.
    """
    from wmse_tui.cli.commands.app import can_show_app, show_in_app
    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.cli.follow.follower import Follower
    from wmse_tui.cli.follow.signals import Signals
    from wmse_tui.cli.locating import find_run
    from wmse_tui.cli.start.queueing import await_turn
    from wmse_tui.cli.start.start import choose_display, conclude
    from wmse_tui.runs.process.lock import held

    directory = find_run(run, runs_dir)
    if not (headless or json) and can_show_app():
        raise typer.Exit(show_in_app(directory, own=False))
    follower = Follower(directory, choose_display(as_json=json), stops=False)
    if follower.poll().status == "new":
        raise UserError(
            f"{directory.id} was never started",
            "",
            (f"start it: wmse-tui resume {directory.id}",),
            ExitCode.FAILED,
        )
    print_message(f"run {directory.id} in {directory.path} (Ctrl-C detaches, the run continues)")
    with Signals() as signals:
        if held(directory.queue_lock):
            code = await_turn(directory, signals)
            if code is not None:
                raise typer.Exit(code)
        followed = follower.follow(signals)
    raise typer.Exit(conclude(directory, followed, fresh=False, as_json=json))
