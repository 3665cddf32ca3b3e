"""`wmse-tui follow`: publish the numbers of a run to another service, while it trains or afterwards."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from wmse_tui.cli.arguments import Run, RunsDir


def follow(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="tensorboard, csv, wandb or mlflow, with options as in wandb:project=ssl,mode=offline.",
            show_default=False,
        ),
    ],
    once: Annotated[bool, typer.Option("--once", help="Send what there is, and end.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Publish a run to TensorBoard, CSV, W&B or MLflow.

    Follows the run's log until the run ends; the trainer knows nothing of it. Services that cannot take
    numbers back get those that a checkpoint has. Started again, it continues where it was.
    """
    from wmse_tui.cli.locating import find_own_run
    from wmse_tui.runs.followers import Target, follower_command, require_package

    target = Target.parse(to)
    require_package(target)
    command = follower_command(find_own_run(run, runs_dir), target, *(("--once",) if once else ()))
    os.execv(command[0], command)  # noqa: S606 (this command becomes the follower, with its signals and exit code)
