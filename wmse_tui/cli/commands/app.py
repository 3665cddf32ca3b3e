"""`wmse-tui` without a command, and the way from `run`, `resume` and `attach` into the app."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.cli.messages import UserError
from wmse_tui.runs.directory import RunDirectory


def open_app(*, runs_root: Path, run: RunDirectory | None = None, own: bool = False) -> int:
    """Show the app until it is left; returns its exit status.

    Raises:
        UserError: there is no terminal to show it on.
    """
    from wmse_tui.config.locations import settings_file
    from wmse_tui.tui.start import NoTerminal
    from wmse_tui.tui.start import open_app as show

    try:
        return show(runs_root=runs_root, settings_file=settings_file(), run=run, own=own)
    except NoTerminal as error:
        raise UserError(
            "the app needs a terminal",
            f"{error.reason[:1].upper()}{error.reason[1:]}.",
            (
                "over ssh ask for one: ssh -t HOST wmse-tui",
                "in scripts: wmse-tui run --preset quickstart --headless",
                "wmse-tui --help lists the commands",
            ),
        ) from None


def can_show_app() -> bool:
    """Whether the app can be shown where this command runs."""
    from wmse_tui.tui.start import NoTerminal, check_terminal

    try:
        check_terminal()
    except NoTerminal:
        return False
    return True
