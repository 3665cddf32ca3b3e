"""`--sweep`: print the runs of a grid and their cost, ask, then queue them as ordinary runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import write_object
from wmse_tui.cli.start.start import refuse_other_config
from wmse_tui.config.advice import advise
from wmse_tui.config.figures import total_steps
from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.sweep import Axis, Point
from wmse_tui.runs.annotations import read_annotations, retagged, write_annotations
from wmse_tui.runs.directory import RunDirectory, check_name, create_run
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.followers import Target, note_follower
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.launch import disown
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import device_request
from wmse_tui.runs.state.config import with_preset
from wmse_tui.runs.state.lost_work import work_lost_by_resuming
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import IN_PROGRESS, Status
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.table.estimate import DurationEstimate, estimate_duration, reference_run
from wmse_tui.runs.table.index import RunIndex
from wmse_tui.runs.table.paper import load_own_runs
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration

LISTED = 12


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a sweep: its point on the grid, and the run of its name where that exists already."""

    point: Point
    name: str | None = None
    existing: RunDirectory | None = None
    status: Status = "new"
    lost: str = ""  # what it does again because its checkpoints are not there

    @property
    def to_queue(self) -> bool:
        """Whether it is still to be queued."""
        return self.status != "completed" and self.status not in IN_PROGRESS


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
    plan = _plan(points, root, name)
    to_queue = [planned for planned in plan if planned.to_queue]
    for line in preview(axes, plan, forecasts([planned.point for planned in to_queue], root)):
        print_message(line)
    for text in dict.fromkeys(f"{a.level}: {a.path}: {a.text}" for p in points for a in advise(p.experiment)):
        print_message(text)
    if not to_queue:
        return ExitCode.COMPLETED
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(
                f"queueing {count(len(to_queue), 'run')} needs a confirmation", "", ("confirm it: --yes",)
            )
        typer.confirm(f"Queue {count(len(to_queue), 'run')}?", abort=True, err=True)
    tag = time.strftime("sweep-%Y%m%d-%H%M%S")
    for planned in to_queue:
        run = planned.existing or _create(planned, root, preset=preset, hint=hint, tag=tag)
        for target in publish:
            note_follower(run, target)
        waiting = enqueue(run, after=after)
        if as_json:
            write_object({"type": "queued", "run": run.id, "path": str(run.path), "pid": waiting.pid})
        else:
            print_data(run.id)
        disown(waiting)
    print_message(f"queued {count(len(to_queue), 'run')}, tagged {tag}. See the queue: wmse-tui queue")
    return ExitCode.COMPLETED


def _plan(points: Sequence[Point], root: Path, name: str | None) -> list[PlannedRun]:
    """The runs of the sweep. Raises UserError where a run of that name has another configuration."""
    if name is None:
        return [PlannedRun(point) for point in points]
    runs = {run.id: run for run in list_runs(root)}
    plan = []
    for number, point in enumerate(points, 1):
        run_name = f"{name}-{number}"
        check_name(run_name)
        existing = runs.get(run_name)
        if existing is not None:
            refuse_other_config(existing, point.experiment)
        plan.append(_planned(point, run_name, existing))
    return plan


def _planned(point: Point, name: str, existing: RunDirectory | None) -> PlannedRun:
    if existing is None:
        return PlannedRun(point, name)
    state = view_run(existing)
    planned = PlannedRun(point, name, existing, state.status)
    lost = work_lost_by_resuming(existing, state) if planned.to_queue else None
    return planned if lost is None else replace(planned, lost=lost.text())


def _create(planned: PlannedRun, root: Path, *, preset: str, hint: str, tag: str) -> RunDirectory:
    text = with_preset(dump_experiment(planned.point.experiment), preset)
    run = create_run(root, text, name=planned.name, preset_hint=hint)
    annotations = retagged(read_annotations(run), add=(tag,), remove=())
    with suppress(RunsError):  # the tag and the note only help to find the run
        write_annotations(run, replace(annotations, note=", ".join(planned.point.settings)))
    return run


def forecasts(points: Sequence[Point], root: Path) -> list[DurationEstimate | None]:
    """Estimate the time of each point from a comparable run of this machine; None where there is none."""
    known = load_own_runs((row for row in RunIndex(root).refresh() if not row.problem), {})
    states: dict[str, RunState] = {}
    estimates: list[DurationEstimate | None] = []
    for point in points:
        reference = reference_run(point.experiment, known, host())
        if reference is None:
            estimates.append(None)
            continue
        if reference.row.path not in states:
            states[reference.row.path] = view_run(RunDirectory(Path(reference.row.path)))
        estimates.append(estimate_duration(states[reference.row.path], point.experiment))
    return estimates


def preview(
    axes: Sequence[Axis], plan: Sequence[PlannedRun], estimates: Sequence[DurationEstimate | None]
) -> list[str]:
    """Return the runs and the cost of the sweep as safe lines; `estimates` are of the runs to queue."""
    grid = " x ".join(f"{axis.key} = {', '.join(axis.values)}" for axis in axes)
    lines = [f"{count(len(plan), 'run')}: {grid}"]
    for number, planned in enumerate(plan[:LISTED], 1):
        status = "" if planned.status == "new" else f"  ({planned.status})"
        lines.append(f"  {planned.name or number}  {'  '.join(planned.point.settings)}{status}")
    if len(plan) > LISTED:
        lines.append(f"  and {len(plan) - LISTED} more")
    lines += [f"warning: {planned.name}: {planned.lost}" for planned in plan if planned.lost]
    to_queue = [planned.point.experiment for planned in plan if planned.to_queue]
    if not to_queue:
        return [safe(line, 300) for line in [*lines, "All of them are completed, active or queued already."]]
    if len(to_queue) < len(plan):
        lines.append(f"to queue: {len(to_queue)}; the others are completed, active or queued already")
    steps = [total_steps(experiment) for experiment in to_queue]
    if None not in steps:
        lines.append(f"steps: {sum(filter(None, steps)):,} in all")
    slots = len({slot for experiment in to_queue for slot in device_request(experiment.compute.device).slots})
    lines.append(f"time: {_time(estimates)}; {count(slots, 'slot')} of this machine to train on")
    return [safe(line, 300) for line in lines]


def _time(estimates: Sequence[DurationEstimate | None]) -> str:
    known = [estimate for estimate in estimates if estimate is not None]
    if not known:
        return "unknown: no comparable run of this machine has completed an epoch"
    references = dict.fromkeys(f"{estimate.run_id} ({estimate.device})" for estimate in known)
    total = duration(sum(estimate.seconds for estimate in known))
    source = f"estimated from the epochs of {', '.join(list(references)[:3])}"
    if len(known) < len(estimates):
        return f"about {total} for {len(known)} of {len(estimates)}, {source}; unknown for the others"
    return f"about {total} of training in all, {source}"
