"""`wmse-tui queue`: the runs that wait for a slot, and their order."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wmse_tui.cli.arguments import Json, Run, Runs, RunsDir, Yes
from wmse_tui.cli.exception_handler import CommandGroup
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.table_text import aligned
from wmse_tui.cli.typer_app import TyperApp

if TYPE_CHECKING:
    from wmse_tui.runs.directory import RunDirectory
    from wmse_tui.runs.queue.slurm_jobs import SlurmJob
    from wmse_tui.runs.queue.tickets import TicketEntry

app = TyperApp(
    cls=CommandGroup,
    help="Show the runs that wait for a slot, and change their order.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@app.callback()
def queue(context: typer.Context, json: Json = False) -> None:
    """Show the runs that wait for a slot (a GPU, or the machine where there is none), and change their order.

    `run --queue` queues a run. Each waits as a process of its own, and starts when its turn comes. A run of
    several GPUs waits until as many are free; meanwhile no run behind it gets one that it could use.
    """
    if context.invoked_subcommand is None:
        _list(as_json=json)


@app.command()
def hold(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Keep runs waiting even when a slot is free.

    The runs behind them start first.
    """
    from wmse_tui.runs.queue.positions import hold as change

    _each(runs, runs_dir, change, "held", "held already")


@app.command()
def release(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Let held runs start again, from their old positions."""
    from wmse_tui.runs.queue.positions import release as change

    _each(runs, runs_dir, change, "released", "not held")


@app.command()
def first(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Move runs to the front of the queue, in the order given."""
    from wmse_tui.runs.queue.positions import go_first as change

    _each(list(reversed(runs)), runs_dir, change, "moved to the front", "at the front already")


@app.command()
def cancel(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Remove runs from the queue.

    The runs are unchanged and can be started or queued again.
    """
    from wmse_tui.cli.locating import find_run
    from wmse_tui.runs.queue.positions import await_exits
    from wmse_tui.runs.queue.positions import cancel as change

    try:
        _each(runs, runs_dir, partial(change, wait=False), "removed from the queue", "has just started")
    finally:  # also of those that were removed before one that could not be
        await_exits(find_run(text, runs_dir) for text in runs)


@app.command()
def again(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Runs (default: all that lost theirs).", show_default=False),
    ] = None,
    runs_dir: RunsDir = None,
    yes: Yes = False,
) -> None:
    """Queue again the runs that lost their position or were dropped.

    A run loses its position when its waiting process ends, as in a reboot, and is dropped when a run that it
    was queued after failed. The runs keep their order and are queued behind those that wait. They still wait
    for the runs they were queued after, unless they were dropped because of them.
    """
    from wmse_tui.cli.console import UserError, print_data, print_message
    from wmse_tui.cli.locating import find_own_run
    from wmse_tui.cli.start.start import confirm_lost_work
    from wmse_tui.runs.directory import RunDirectory
    from wmse_tui.runs.errors import RunsError
    from wmse_tui.runs.process.launch import disown
    from wmse_tui.runs.queue.enqueue import enqueue
    from wmse_tui.runs.queue.positions import not_queued
    from wmse_tui.runs.queue.tickets import entries, of_run
    from wmse_tui.runs.state.watch import view_run

    every = entries()
    if runs:
        chosen = []
        for found in (find_own_run(text, runs_dir) for text in runs):
            entry = of_run(found, every, own=True)
            if entry is None:
                raise not_queued(found)
            chosen.append(entry)
    else:
        chosen = [entry for entry in every if entry.lost and entry.own]
        if not chosen:
            print_message("No run has lost its position in the queue.")
    failed = False
    for entry in chosen:
        run = entry.run
        if run is None or entry.ticket is None:
            print_message(f"{entry.path}: {entry.problem}")
            failed = True
            continue
        after = () if entry.state == "dropped" else tuple(RunDirectory(Path(p)) for p in entry.ticket.after)
        try:
            if run.is_run():
                confirm_lost_work(run, view_run(run), yes=yes)
            waiting = enqueue(run, after=after)
        except (RunsError, UserError) as error:
            print_message(f"{run.id}: {error}")
            failed = True
        else:
            print_data(run.id)
            disown(waiting)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def requeue(run: Run, runs_dir: RunsDir = None) -> None:
    """Requeue this SLURM job, if it has trained the run further.

    The scripts of `--slurm` call this after a trainer was stopped by a signal. A job whose time limit is too
    short to save anything would be started again for ever; it is not.
    """
    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.cli.locating import find_own_run
    from wmse_tui.runs.queue.slurm import requeue as requeue_job
    from wmse_tui.runs.state.watch import view_run

    number = os.environ.get("SLURM_JOB_ID", "")
    if not number:
        raise UserError(
            "this is no job of SLURM",
            "SLURM_JOB_ID is not set",
            (f"submit one: wmse-tui resume {run} --slurm",),
        )
    directory = find_own_run(run, runs_dir)
    state = view_run(directory)
    begun = state.setup.resume_step if state.setup is not None else 0
    saved = max((checkpoint.step for checkpoint in state.checkpoints), default=0)
    if state.status == "completed":
        print_message(f"{directory.id} has completed; its job is not requeued.")
        return
    if saved <= begun:
        raise UserError(
            f"the job of {directory.id} is not requeued",
            f"attempt {state.attempt} began at step {begun:,} and saved nothing beyond it",
            ("give it more time: wmse-tui resume RUN --slurm --slurm-option time=24:00:00",),
            ExitCode.FAILED,
        )
    requeue_job(number)
    print_message(f"{directory.id} was saved at step {saved:,}; job {number} is requeued.")


def _each(
    texts: Sequence[str],
    runs_dir: Path | None,
    change: Callable[[RunDirectory], bool],
    done: str,
    already: str,
) -> None:
    """Change every run that is named; all names are resolved before the first run is changed."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import find_own_run

    for run in [find_own_run(text, runs_dir) for text in texts]:
        print_message(f"{run.id}: {done if change(run) else already}")


def _list(*, as_json: bool) -> None:
    from wmse_tui.cli.commands.runs import print_lost_positions
    from wmse_tui.cli.console import print_message
    from wmse_tui.runs.queue.slurm import jobs_of_runs, known
    from wmse_tui.runs.queue.tickets import entries

    every = entries()
    rows = [ticket_row(entry, every) for entry in every]
    jobs = [job_row(job, run) for job, run in jobs_of_runs()]
    if known().silent:
        print_message(f"warning: SLURM does not answer, and its jobs are not listed: {known().problem}")
    if as_json:
        found = {"slots": _slots(every), "queue": rows, "jobs": jobs}
        sys.stdout.write(jsonlib.dumps(found, indent=2) + "\n")
        return
    for slot in _slots(every):
        free = f"free, reserved for {slot['reserved_for']}" if slot["reserved_for"] else "free"
        sys.stdout.write(f"{slot['label']}: {slot['use'] or free}\n")
    if jobs:
        sys.stdout.write("\n")
        for line in aligned([("job", "run", "state", "start", "waits for"), *map(_job_cells, jobs)]):
            sys.stdout.write(line + "\n")
    if not rows and not jobs:
        print_message("No run is queued. Queue one: wmse-tui run --preset quickstart --queue")
        return
    if not rows:
        return
    sys.stdout.write("\n")
    for line in aligned([("position", "run", "state", "slots", "queued", "waits for"), *map(_cells, rows)]):
        sys.stdout.write(line + "\n")
    print_lost_positions()


def ticket_row(entry: TicketEntry, every: tuple[TicketEntry, ...]) -> dict[str, Any]:
    """The row of one ticket, for JSON; `state` is waiting, after, held, lost, dropped or unreadable."""
    from wmse_tui.runs.queue.positions import number_of, waiting_reason

    ticket = entry.ticket
    if ticket is None:
        return {"place": 0, "run_id": None, "path": None, "state": "unreadable", "reason": entry.problem} | {
            "after": [], "slots": [], "count": 0, "host": None, "time": None, "ticket": str(entry.path)
        }  # fmt: skip
    state = "lost" if entry.lost else entry.state
    reason = (
        waiting_reason(entry, every, ask_gpu=True) if entry.locked and state != "dropped" else entry.reason
    )
    return {
        "place": number_of(entry, every) if entry.locked and state != "dropped" else 0,
        "run_id": Path(ticket.run).name,
        "path": ticket.run,
        "state": state,
        "reason": reason,
        "after": [Path(path).name for path in ticket.after],
        "slots": list(ticket.slots),
        "count": ticket.count,
        "host": ticket.host,
        "time": ticket.time,
        "ticket": str(entry.path),
    }


def job_row(job: SlurmJob, run: RunDirectory) -> dict[str, str]:
    """The row of one job of SLURM, for JSON."""
    return {
        "job": job.id, "run_id": run.id, "path": str(run.path), "state": job.state, "reason": job.reason,
        "start": job.start,
    }  # fmt: skip


def _job_cells(values: dict[str, str]) -> tuple[str, ...]:
    from wmse_tui.runs.text.sanitize import safe

    waits = values["reason"] if values["reason"] != "None" else ""
    start = values["start"].replace("T", " ")[:16]
    return tuple(
        safe(text, 64) for text in (values["job"], values["run_id"], values["state"].lower(), start, waits)
    )


def _cells(values: dict[str, Any]) -> tuple[str, ...]:
    from wmse_tui.runs.text.sanitize import safe
    from wmse_tui.runs.text.units import moment

    if values["run_id"] is None:
        return "-", safe(Path(values["ticket"]).name), "unreadable", "-", "-", safe(values["reason"], 120)
    return (
        str(values["place"] or "-"),
        safe(values["run_id"], 64),
        values["state"],
        str(values["count"]),
        moment(values["time"])[:16],
        safe(values["reason"], 160),
    )


def _slots(every: tuple[TicketEntry, ...]) -> list[dict[str, str]]:
    """The slots of this machine and those that runs wait for here, with what uses each."""
    from wmse_tui.runs.process.identity import host
    from wmse_tui.runs.queue.gpu_slots import device_request, label, use_of
    from wmse_tui.runs.queue.positions import reserved_for

    requested = [slot for e in every if e.ticket and e.ticket.host == host() for slot in e.ticket.slots]
    names = dict.fromkeys([*device_request("auto").slots, *requested])
    found = []
    for slot in names:
        use = use_of(slot)
        reserved = "" if use else reserved_for(slot, every)
        found.append({"slot": slot, "label": label(slot), "use": use, "reserved_for": reserved})
    return found
