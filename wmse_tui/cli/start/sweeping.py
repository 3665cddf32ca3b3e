"""`--sweep`: what it would make and cost, told and confirmed first, then ordinary queued runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen

import typer

from wmse_tui.cli.console import UserError, print_data, print_message
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import write_object
from wmse_tui.cli.start.launching import disown
from wmse_tui.cli.start.named import refuse_other_config
from wmse_tui.config.advice import advise
from wmse_tui.config.figures import total_steps
from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.sweep import Axis, Point
from wmse_tui.runs.annotations import read_annotations, retagged, write_annotations
from wmse_tui.runs.directory import RunDirectory, check_name, create_run
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import device_request
from wmse_tui.runs.state.config import with_preset
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import IN_PROGRESS, Status
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.table.estimate import Forecast, forecast, pacemaker
from wmse_tui.runs.table.index import RunIndex
from wmse_tui.runs.table.own_runs import OwnRuns
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration

LISTED = 12
Enqueue = Callable[..., "Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a sweep: where it stands on the grid, and the run of its name where that exists already."""

    point: Point
    name: str | None = None
    existing: RunDirectory | None = None
    status: Status = "new"

    @property
    def wanted(self) -> bool:
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
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Say what the sweep makes and costs, ask, and queue its runs; those of an earlier call are left alone.

    Args:
        axes, points: the grid; every experiment is right.
        root: the folder of runs.
        preset, hint: as for a single run.
        name: runs are called NAME-1, NAME-2 and so on; the same command again goes on with them.
        after: runs that must complete before any of these.
        yes: do not ask.
        as_json: print one object per queued run instead of its id.
    """
    note = check_runs_dir(root)
    if note:
        print_message(f"note: {note}")
    plan = _planned(points, root, name)
    wanted = [planned for planned in plan if planned.wanted]
    for line in preview(axes, plan, forecasts([planned.point for planned in wanted], root)):
        print_message(line)
    for text in dict.fromkeys(f"{a.level}: {a.path}: {a.text}" for p in points for a in advise(p.experiment)):
        print_message(text)
    if not wanted:
        return ExitCode.COMPLETED
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(
                f"not queueing {count(len(wanted), 'run')} without being sure", "", ("say so: --yes",)
            )
        typer.confirm(f"Queue {count(len(wanted), 'run')}?", abort=True, err=True)
    tag = time.strftime("sweep-%Y%m%d-%H%M%S")
    for planned in wanted:
        run = planned.existing or _made(planned, root, preset=preset, hint=hint, tag=tag)
        waiting = enqueue(run, after=after)
        if as_json:
            write_object({"type": "queued", "run": run.id, "path": str(run.path), "pid": waiting.pid})
        else:
            print_data(run.id)
        disown(waiting)
    print_message(f"queued {count(len(wanted), 'run')}. See the queue: wmse-tui queue; their tag: {tag}")
    return ExitCode.COMPLETED


def _planned(points: Sequence[Point], root: Path, name: str | None) -> list[PlannedRun]:
    """The runs of the sweep. Raises UserError where one of the names is another experiment's."""
    if name is None:
        return [PlannedRun(point) for point in points]
    there = {run.id: run for run in list_runs(root)}
    plan = []
    for number, point in enumerate(points, 1):
        own = f"{name}-{number}"
        check_name(own)
        existing = there.get(own)
        if existing is not None:
            refuse_other_config(existing, point.experiment)
        status = view_run(existing).status if existing is not None else "new"
        plan.append(PlannedRun(point, own, existing, status))
    return plan


def _made(planned: PlannedRun, root: Path, *, preset: str, hint: str, tag: str) -> RunDirectory:
    text = with_preset(dump_experiment(planned.point.experiment), preset)
    run = create_run(root, text, name=planned.name, preset_hint=hint)
    said = retagged(read_annotations(run), add=(tag,), remove=())
    with suppress(RunsError):  # only to find them by
        write_annotations(run, replace(said, note=", ".join(planned.point.settings)))
    return run


def forecasts(points: Sequence[Point], root: Path) -> list[Forecast | None]:
    """How long each takes by a run of this machine that did the like; None where there is none."""
    known = OwnRuns().of(digest for digest in RunIndex(root).refresh() if not digest.problem)
    views: dict[str, RunState] = {}
    told: list[Forecast | None] = []
    for point in points:
        model = pacemaker(point.experiment, known, host())
        if model is None:
            told.append(None)
            continue
        if model.path not in views:
            views[model.path] = view_run(RunDirectory(Path(model.path)))
        told.append(forecast(views[model.path], point.experiment))
    return told


def preview(axes: Sequence[Axis], plan: Sequence[PlannedRun], told: Sequence[Forecast | None]) -> list[str]:
    """What the sweep makes and costs, in safe lines; `told` is of those that are still wanted."""
    grid = " x ".join(f"{axis.key} = {', '.join(axis.values)}" for axis in axes)
    lines = [f"{count(len(plan), 'run')}: {grid}"]
    for number, planned in enumerate(plan[:LISTED], 1):
        state = "" if planned.status == "new" else f"  ({planned.status})"
        lines.append(f"  {planned.name or number}  {'  '.join(planned.point.settings)}{state}")
    if len(plan) > LISTED:
        lines.append(f"  and {len(plan) - LISTED} more")
    wanted = [planned.point.experiment for planned in plan if planned.wanted]
    if not wanted:
        return [safe(line, 300) for line in [*lines, "All of them are completed, at work or queued already."]]
    if len(wanted) < len(plan):
        lines.append(f"to queue: {len(wanted)}; the others are completed, at work or queued already")
    steps = [total_steps(experiment) for experiment in wanted]
    if None not in steps:
        lines.append(f"steps: {sum(filter(None, steps)):,} in all")
    slots = len({slot for experiment in wanted for slot in device_request(experiment.compute.device).slots})
    lines.append(f"time: {_time(told)}; {count(slots, 'slot')} of this machine to train on")
    return [safe(line, 300) for line in lines]


def _time(told: Sequence[Forecast | None]) -> str:
    found = [one for one in told if one is not None]
    if not found:
        return "unknown: no comparable run of this machine has completed an epoch"
    models = dict.fromkeys(f"{one.run_id} ({one.device})" for one in found)
    total = duration(sum(one.seconds for one in found))
    where = f"by the epochs of {', '.join(list(models)[:3])}"
    if len(found) < len(told):
        return f"about {total} for {len(found)} of {len(told)}, {where}; unknown for the others"
    return f"about {total} of training in all, {where}"
