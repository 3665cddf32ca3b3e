"""`--slurm`: a run as a job of SLURM, its script shown before it is submitted."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from wmse_tui.cli.console import print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import write_object
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue.run_jobs import script_for
from wmse_tui.runs.queue.slurm import JobOptions, submit
from wmse_tui.runs.state.config import load_configuration
from wmse_tui.runs.text.sanitize import safe


def job_options(texts: Sequence[str]) -> JobOptions:
    """Return the options of the user's settings, and over them those of the command line.

    Raises:
        SchedulerError: one of them is no option, or not the user's to set.
    """
    from wmse_tui.config.locations import settings_file
    from wmse_tui.tui.settings import load_settings

    loaded = load_settings(settings_file())
    for problem in loaded.problems:
        print_message(f"note: {problem}")
    return loaded.settings.slurm.job_options(texts)


def submit_job(run: RunDirectory, options: JobOptions, *, yes: bool, as_json: bool) -> ExitCode:
    """Show the script of a job that trains `run`, and submit it: on a terminal after a question.

    Raises:
        Abort: the answer was no.
        RunQueued, SchedulerError, StorageError: it cannot be submitted.
    """
    script = script_for(run, load_configuration(run), options)
    print_script(script)
    if sys.stdin.isatty() and not yes:
        typer.confirm("Submit this job?", abort=True, err=True)
    number = submit(run, script)
    print_submitted(run, number, as_json=as_json)
    if not as_json:
        print_message(f"submitted as job {safe(number, 40)}. See it: wmse-tui queue")
    return ExitCode.COMPLETED


def print_script(script: str) -> None:
    """Print the script of a job as messages."""
    for line in script.splitlines():
        print_message(f"  {safe(line, 1000)}")


def print_submitted(run: RunDirectory, number: str, *, as_json: bool) -> None:
    """Print a run that is a job now, as data."""
    if as_json:
        write_object({"type": "submitted", "run": run.id, "path": str(run.path), "job": number})
    else:
        print_data(run.id)
