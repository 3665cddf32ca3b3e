"""`wmse-tui` without a command, and how `run`, `resume` and `attach` open the app."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.cli.console import UserError
from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.directory import RunDirectory


def run_app(*, runs_root: Path, run: RunDirectory | None = None, own: bool = False) -> int:
    """Show the app until the user leaves it; return its exit code.

    Args:
        runs_root: the folder of runs.
        run: show this run in Monitor.
        own: this command started it: the app asks what to do with it when the user leaves.

    Raises:
        UserError: there is no terminal to show it on.
    """
    from wmse_tui.config.locations import screens_file, settings_file
    from wmse_tui.tui.start import NoTerminal, open_app

    try:
        return open_app(
            runs_root=runs_root,
            settings_file=settings_file(),
            screens_file=screens_file(),
            run=run,
            own=own,
        )
    except NoTerminal as error:
        raise UserError(
            "the app needs a terminal",
            f"{error.reason[:1].upper()}{error.reason[1:]}.",
            (
                "over ssh, request one: ssh -t HOST wmse-tui",
                "in scripts: wmse-tui run --preset quickstart --headless",
                "wmse-tui --help lists the commands",
            ),
        ) from None


def show_in_app(run: RunDirectory, *, own: bool) -> ExitCode:
    """Show `run` in Monitor until the user leaves the app.

    The exit code is the run's where it has ended by then, 0 where it continues, and the app's own where the
    app failed or was ended by a signal.
    """
    from wmse_tui.cli.console import print_data, print_message
    from wmse_tui.cli.follow.outcome import result_lines
    from wmse_tui.runs.state.watch import view_run

    code = run_app(runs_root=run.path.parent, run=run, own=own)
    if code:
        return ExitCode.of_process(code)
    state = view_run(run)
    if state.exit is not None and state.ended:
        for line in result_lines(run, state):
            print_data(line)
        return ExitCode.of_status(state.exit.status)
    if state.status == "crashed" or (state.ended and state.error is not None):
        return ExitCode.FAILED
    print_message(f"{run.id} continues. Watch it: wmse-tui attach {run.id}")
    return ExitCode.COMPLETED


def can_show_app() -> bool:
    """Whether the app can be shown where this command runs."""
    from wmse_tui.tui.start import NoTerminal, check_terminal

    try:
        check_terminal()
    except NoTerminal:
        return False
    return True
