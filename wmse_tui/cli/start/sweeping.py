"""`--sweep`: print the runs of a grid and their cost, ask, then queue them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen

import typer

from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import write_object
from wmse_tui.config.sweep import Axis, Point
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import Target, note_follower
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process.launch import disown
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.sweep_plan import comparable_runs, plan_sweep, queue_sweep, sweep_lines, sweep_tag
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
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Print the runs of the sweep and their cost, ask, and queue those that an earlier call has not.

    Args:
        axes, points: the grid; every experiment is valid.
        root: the folder of runs.
        preset, hint: as for a single run.
        name: runs are called NAME-1, NAME-2 and so on; the same command resumes them later.
        after: runs that must complete before any of these.
        publish: where the numbers of each are sent.
        yes: do not ask.
        as_json: print one object per queued run instead of its id.
    """
    note = check_runs_dir(root)
    if note:
        print_message(f"note: {note}")
    plan = plan_sweep(axes, points, root, name, comparable_runs(root))
    for line in sweep_lines(plan):
        print_message(line)
    for advice in plan.advice:
        print_message(f"{advice.level}: {advice.path}: {advice.text}")
    number = len(plan.to_queue)
    if not number:
        return ExitCode.COMPLETED
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(
                f"queueing {count(number, 'run')} needs a confirmation", "", ("confirm it: --yes",)
            )
        typer.confirm(f"Queue {count(number, 'run')}?", abort=True, err=True)

    def publish_and_enqueue(run: RunDirectory) -> Popen[bytes]:
        for target in publish:
            note_follower(run, target)
        return enqueue(run, after=after)

    tag = sweep_tag()
    for queued in queue_sweep(plan, root, preset=preset, hint=hint, tag=tag, enqueue=publish_and_enqueue):
        run = queued.run
        if as_json:
            write_object({"type": "queued", "run": run.id, "path": str(run.path), "pid": queued.waiting.pid})
        else:
            print_data(run.id)
        disown(queued.waiting)
    print_message(f"queued {count(number, 'run')}, tagged {tag}. See the queue: wmse-tui queue")
    return ExitCode.COMPLETED
