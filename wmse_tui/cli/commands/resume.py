"""`wmse-tui resume`: go on with a run where its newest good checkpoint stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.parameters import After, Detach, Headless, JsonLines, Queue, Run, RunsDir

if TYPE_CHECKING:
    from wmse_tui.cli.start.launching import Launch, StartOptions


def resume(
    run: Run,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    detach: Detach = False,
    json: JsonLines = False,
    queue: Queue = False,
    after: After = None,
) -> None:
    """Go on with a run that has not completed.

    It starts from the newest good checkpoint, whatever ended the last attempt, and is followed until it ends.
    """
    from wmse_tui.cli.start.launching import start_options

    way = start_options(
        headless=headless, detach=detach, as_json=json, queue=queue, after=after or [], runs_dir=runs_dir
    )
    raise typer.Exit(resume_run(run, way, runs_dir=runs_dir))


def resume_run(
    name: str, way: StartOptions, *, runs_dir: Path | None, launch: Launch | None = None
) -> ExitCode:
    """Go on with the run that `name` means; a completed one is said to be so, a running one is left alone."""
    from wmse_tui.cli.locating import find_run
    from wmse_tui.cli.start.existing import continue_run
    from wmse_tui.runs.process.launch import launch_trainer
    from wmse_tui.runs.state.config import load_configuration

    run = find_run(name, runs_dir)
    load_configuration(run)  # a damaged configuration is told here, not by a trainer that dies
    return continue_run(run, way, launch=launch or launch_trainer)
