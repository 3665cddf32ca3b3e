"""`wmse-tui rm`: delete runs with their checkpoints."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from wmse_tui.cli.arguments import Runs, RunsDir


def remove(
    runs: Runs,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Delete runs, their logs and their checkpoints.

    Nothing is deleted where one of them is being trained.
    """
    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.cli.locating import find_run
    from wmse_tui.runs.errors import LocksUnsupported
    from wmse_tui.runs.process.lock import RunLock
    from wmse_tui.runs.process.removal import bytes_of, remove_run, require_removable
    from wmse_tui.runs.text.sanitize import safe
    from wmse_tui.runs.text.units import size

    found = list(dict.fromkeys(find_run(run, runs_dir) for run in runs))
    for directory in found:
        require_removable(directory)
        if len(found) > 1:  # all of them or none
            with suppress(LocksUnsupported), RunLock(directory):
                pass
    texts = [
        f"{safe(directory.id)} ({size(bytes_of(directory))} in {safe(str(directory.path))})"
        for directory in found
    ]
    what = ", ".join(texts)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"removing {what} needs a confirmation", "", ("confirm it: --yes",))
        typer.confirm(f"Remove {what}?", abort=True, err=True)
    for directory, text in zip(found, texts, strict=True):
        remove_run(directory)
        print_message(f"removed {text}")
