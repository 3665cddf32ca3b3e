"""`run` and `resume` as several processes that a launcher has started: each becomes one rank of the run."""

from __future__ import annotations

import os

import typer

from wmse_tui.cli.console import UserError, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.launch import trainer_command
from wmse_tui.runs.process.rank_launcher import launched_by
from wmse_tui.runs.state.watch import view_run


def require_name(name: str | None) -> None:
    """Refuse several processes that cannot know which run is theirs.

    Raises:
        UserError: a launcher has started this one as one of several, and there is no name.
    """
    launched = launched_by(os.environ)
    if launched is None or name is not None:
        return
    raise UserError(
        f"{launched.by} has started {launched.world} processes, and the run has no name",
        "Each of them is to train its part of one run.",
        (
            "name it: --name mine",
            f"or start one process, which starts the others: --set compute.devices={launched.world}",
        ),
    )


def become_rank(run: RunDirectory, *, followed: bool) -> None:
    """Become the process of a rank of `run`, if a launcher has started this one as another than the first.

    Rank 0 starts or resumes the run, and the others wait for it; `run` may not be there yet.

    Args:
        run: its directory.
        followed: whether this command follows the run in this terminal.

    Raises:
        UserError: a launcher has started this process, and the run is to be started elsewhere.
        Exit: nothing is left to train.
    """
    launched = launched_by(os.environ)
    if launched is None:
        return
    if not followed:
        raise UserError(
            f"{launched.by} has started {launched.world} processes: they are the ranks of the run",
            "--detach, --queue, --after, --prepare and --slurm start it elsewhere.",
            ("omit them",),
        )
    if not launched.rank:
        return
    if run.is_run() and view_run(run).status == "completed":
        raise typer.Exit(ExitCode.COMPLETED)
    print_message(f"rank {launched.rank} of {launched.world} of {run.id}")
    command = trainer_command(run)
    os.execv(command[0], command)  # noqa: S606 (our own interpreter)
