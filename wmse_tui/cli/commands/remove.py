"""`wmse-tui rm`: delete a run with its checkpoints."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from wmse_tui.cli.arguments import Run, RunsDir


def remove(
    run: Run,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Delete a run, its log and its checkpoints."""
    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.cli.locating import find_run
    from wmse_tui.runs.process.removal import bytes_of, remove_run, require_removable
    from wmse_tui.runs.text.sanitize import safe
    from wmse_tui.runs.text.units import size

    directory = find_run(run, runs_dir)
    require_removable(directory)
    what = f"{safe(directory.id)} ({size(bytes_of(directory))} in {safe(str(directory.path))})"
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"removing {what} needs a confirmation", "", ("confirm it: --yes",))
        typer.confirm(f"Remove {what}?", abort=True, err=True)
    remove_run(directory)
    print_message(f"removed {what}")
