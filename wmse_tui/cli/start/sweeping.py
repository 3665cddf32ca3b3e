"""`--sweep`: print the runs of a grid and their cost, ask, then queue them, or submit a job for each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import write_object
from wmse_tui.cli.start.job_submission import print_script, print_submitted
from wmse_tui.config.sweep import Axis, Point
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import Target, note_follower
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process.launch import disown
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.run_jobs import cost_of_jobs, script_for, submit_run
from wmse_tui.runs.queue.slurm import JobOptions
from wmse_tui.runs.queue.sweep_plan import plan_sweep, queue_sweep, sweep_lines, sweep_tag
from wmse_tui.runs.table.estimate import runs_of_this_machine
from wmse_tui.runs.text.units import count


def run_sweep(
    axes: Sequence[Axis],
    points: Sequence[Point],
    *,
    root: Path,
    preset: str,
    hint: str,
    name: str | None,
    after: tuple[RunDirectory, ...],
    publish: tuple[Target, ...] = (),
    slurm: JobOptions | None = None,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Print the runs of the sweep and their cost, ask, and start those that an earlier call has not.

    Args:
        axes, points: the grid; every experiment is valid.
        root: the folder of runs.
        preset, hint: as for a single run.
        name: runs are called NAME-1, NAME-2 and so on; the same command resumes them later.
        after: runs that must complete before any of these.
        publish: where the numbers of each are sent.
        slurm: how each is submitted as a job; None: they are queued here.
        yes: do not ask.
        as_json: print one object per queued run instead of its id.
    """
    note = check_runs_dir(root)
    if note:
        print_message(f"note: {note}")
    plan = plan_sweep(axes, points, root, name, runs_of_this_machine(root), as_jobs=slurm is not None)
    for line in sweep_lines(plan):
        print_message(line)
    for advice in plan.advice:
        print_message(f"{advice.level}: {advice.path}: {advice.text}")
    number = len(plan.to_queue)
    if not number:
        return ExitCode.COMPLETED
    if slurm is not None:
        experiments = [planned.point.experiment for planned in plan.to_queue]
        shown = RunDirectory(root / (plan.to_queue[0].name or "RUN"))
        print_message(cost_of_jobs(experiments, slurm))
        print_message("the first of them:")
        print_script(script_for(shown, experiments[0], slurm))
    if not yes:
        verb = "queueing" if slurm is None else "submitting"
        if not sys.stdin.isatty():
            raise UserError(f"{verb} {count(number, 'run')} needs a confirmation", "", ("confirm it: --yes",))
        typer.confirm(
            f"{'Queue' if slurm is None else 'Submit'} {count(number, 'run')}?", abort=True, err=True
        )
    tag = sweep_tag()
    origin = {"preset": preset, "hint": hint, "tag": tag}

    def with_followers(run: RunDirectory) -> RunDirectory:
        for target in publish:
            note_follower(run, target)
        return run

    if slurm is not None:
        submitted = queue_sweep(
            plan, root, **origin, enqueue=lambda run: submit_run(with_followers(run), options=slurm)
        )
        for job in submitted:
            print_submitted(job.run, job.waiting, as_json=as_json)
        print_message(f"submitted {count(number, 'job')}, tagged {tag}. See them: wmse-tui queue")
        return ExitCode.COMPLETED
    waiting = queue_sweep(plan, root, **origin, enqueue=lambda run: enqueue(with_followers(run), after=after))
    for queued in waiting:
        run = queued.run
        if as_json:
            write_object({"type": "queued", "run": run.id, "path": str(run.path), "pid": queued.waiting.pid})
        else:
            print_data(run.id)
        disown(queued.waiting)
    print_message(f"queued {count(number, 'run')}, tagged {tag}. See the queue: wmse-tui queue")
    return ExitCode.COMPLETED
