"""`wmse-tui resume`: continue a run from its newest good checkpoint."""

from __future__ import annotations

import typer

from wmse_tui.cli.arguments import (
    After,
    Detach,
    Headless,
    JsonLines,
    MachineOverrides,
    Queue,
    Run,
    RunsDir,
    Slurm,
    SlurmOptions,
    Yes,
)


def resume(
    run: Run,
    runs_dir: RunsDir = None,
    headless: Headless = False,
    detach: Detach = False,
    json: JsonLines = False,
    queue: Queue = False,
    after: After = None,
    slurm: Slurm = False,
    slurm_options: SlurmOptions = None,
    overrides: MachineOverrides = None,
    yes: Yes = False,
) -> None:
    """Resume a run that has not completed.

    It continues from the newest good checkpoint, whatever ended the last attempt, and is followed until it
    ends. Without any checkpoint it is trained again from step 0, after a question if there were some; a
    script confirms that by --yes.
    """
    from wmse_tui.cli.locating import find_run
    from wmse_tui.cli.start.start import resume_run, start_options

    options = start_options(
        headless=headless,
        detach=detach,
        as_json=json,
        queue=queue,
        after=after or [],
        slurm=slurm,
        slurm_options=slurm_options or [],
        yes=yes,
        runs_dir=runs_dir,
    )
    raise typer.Exit(resume_run(find_run(run, runs_dir), options, overrides or ()))
