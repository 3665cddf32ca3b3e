"""A sweep: the runs of a grid, what they cost, and how they are queued as ordinary runs.

The command line and the app plan, print and queue a sweep with these functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from wmse_tui.config.advice import Advice, advise
from wmse_tui.config.figures import total_steps
from wmse_tui.config.image_folder import beginning_of_id
from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.presence import OwnImages, count_own_images, with_own_images
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.config.sweep import Axis, Point
from wmse_tui.runs.annotations import SWEEP_TAG, read_annotations, retagged, write_annotations
from wmse_tui.runs.directory import RunDirectory, check_name, create_run
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import gpu_count
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.queue.gpu_slots import device_request
from wmse_tui.runs.state.config import with_preset
from wmse_tui.runs.state.configuration_check import require_same_configuration
from wmse_tui.runs.state.lost_work import work_lost_by_resuming
from wmse_tui.runs.state.status import IN_PROGRESS, Status
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import runs_by_id
from wmse_tui.runs.table.estimate import Forecast, TimedRun, forecast
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


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """The grid, its runs, and the time of those that are still to be queued.

    Args:
        axes: the options and their values.
        runs: one for each combination.
        estimates: for each run to queue; None: unknown.
        as_jobs: SLURM trains them, not this machine.
    """

    axes: tuple[Axis, ...]
    runs: tuple[PlannedRun, ...]
    estimates: tuple[Forecast | None, ...]
    as_jobs: bool = False

    @property
    def to_queue(self) -> tuple[PlannedRun, ...]:
        """The runs that an earlier sweep of that name has not queued."""
        return tuple(planned for planned in self.runs if planned.to_queue)

    @property
    def advice(self) -> tuple[Advice, ...]:
        """The advice on all experiments, each once."""
        return tuple(dict.fromkeys(advice for each in self.runs for advice in advise(each.point.experiment)))


def plan_sweep(
    axes: Sequence[Axis],
    points: Sequence[Point],
    root: Path,
    name: str | None,
    known: Sequence[TimedRun],
    *,
    as_jobs: bool = False,
) -> SweepPlan:
    """Plan the runs of a sweep.

    Args:
        axes, points: the grid; every experiment is valid.
        root: the folder of runs.
        name: runs are called NAME-1, NAME-2 and so on, and continued where they exist; None: named by date.
        known: how long runs of this machine took.
        as_jobs: SLURM trains them: this machine needs no slot for them.

    Raises:
        BadRunName: `name` cannot name a run.
        OtherConfiguration: a run of such a name has another configuration.
        TooFewSlots: one of them needs more GPUs than the queue has.
    """
    planned = _planned_runs(points, root, name)
    to_queue = [each.point for each in planned if each.to_queue]
    for point in to_queue if not as_jobs else ():
        _slots(point.experiment)
    estimates = _forecasts(to_queue, known, elsewhere=as_jobs)
    return SweepPlan(tuple(axes), planned, estimates, as_jobs=as_jobs)


def _planned_runs(points: Sequence[Point], root: Path, name: str | None) -> tuple[PlannedRun, ...]:
    if name is None:
        return tuple(map(PlannedRun, points))
    runs = runs_by_id(root)
    planned = []
    for number, point in enumerate(points, 1):
        run_name = f"{name}-{number}"
        check_name(run_name)
        existing = runs.get(run_name)
        if existing is not None:
            require_same_configuration(existing, point.experiment)
        planned.append(_planned(point, run_name, existing))
    return tuple(planned)


def _planned(point: Point, name: str, existing: RunDirectory | None) -> PlannedRun:
    if existing is None:
        return PlannedRun(point, name)
    state = view_run(existing)
    planned = PlannedRun(point, name, existing, state.status)
    lost = work_lost_by_resuming(existing, state) if planned.to_queue else None
    return planned if lost is None else replace(planned, lost=lost.text())


def _forecasts(
    points: Sequence[Point], known: Sequence[TimedRun], *, elsewhere: bool
) -> tuple[Forecast | None, ...]:
    """How long each point takes; `elsewhere`: only where a run took as long, as another CPU may train it."""
    gpus, own = gpu_count(), dict[Dataset, OwnImages | None]()
    found = []
    for experiment in (point.experiment for point in points):
        if experiment.dataset not in own:
            own[experiment.dataset] = count_own_images(experiment.dataset)
        counted = with_own_images(experiment, own[experiment.dataset])
        expected = forecast(counted, known, gpus=gpus)
        found.append(None if expected is None or (elsewhere and expected.rough) else expected)
    return tuple(found)


# As text


def sweep_lines(plan: SweepPlan) -> list[str]:
    """The number of runs, the runs, and their cost, as safe lines."""
    return [count_line(plan), *run_lines(plan), *cost_lines(plan)]


def count_line(plan: SweepPlan) -> str:
    """The number of runs and the grid."""
    grid = " x ".join(f"{axis.key} = {', '.join(axis.values)}" for axis in plan.axes)
    return safe(f"{count(len(plan.runs), 'run')}: {grid}", 300)


def run_lines(plan: SweepPlan) -> list[str]:
    """The first of the runs with what sets them apart, and what is lost where they are trained again."""
    lines = []
    for number, planned in enumerate(plan.runs[:LISTED], 1):
        status = "" if planned.status == "new" else f"  ({planned.status})"
        lines.append(f"  {planned.name or number}  {'  '.join(planned.point.settings)}{status}")
    if len(plan.runs) > LISTED:
        lines.append(f"  and {len(plan.runs) - LISTED} more")
    lines += [f"warning: {planned.name}: {planned.lost}" for planned in plan.runs if planned.lost]
    return [safe(line, 300) for line in lines]


def cost_lines(plan: SweepPlan) -> list[str]:
    """What the runs that are still to be queued cost together."""
    to_queue = [planned.point.experiment for planned in plan.to_queue]
    if not to_queue:
        return ["All of them are completed, active or queued already."]
    lines = []
    if len(to_queue) < len(plan.runs):
        what = "to submit" if plan.as_jobs else "to queue"
        lines.append(f"{what}: {len(to_queue)}; the others are completed, active or queued already")
    steps = [total_steps(experiment) for experiment in to_queue]
    if None not in steps:
        lines.append(f"steps: {sum(filter(None, steps)):,} in all")
    if plan.as_jobs:
        lines.append(f"time: {_time(plan)}; {count(len(to_queue), 'job')} of SLURM, one for each run")
        return [safe(line, 300) for line in lines]
    slots = len({slot for experiment in to_queue for slot in _slots(experiment)})
    lines.append(f"time: {_time(plan)}; {count(slots, 'slot')} of this machine to train on")
    return [safe(line, 300) for line in lines]


def _slots(experiment: Experiment) -> tuple[str, ...]:
    """Those on which it may train. Raises TooFewSlots."""
    return device_request(experiment.compute.device, experiment.compute.devices).slots


def _time(plan: SweepPlan) -> str:
    known = [expected for expected in plan.estimates if expected is not None]
    near = [expected for expected in known if not expected.rough]
    far = [expected for expected in known if expected.rough]
    if not any(expected.reference for expected in known):
        unknown = "unknown: no comparable run of this machine has completed an epoch"
        if len(known) < len(plan.estimates):
            return unknown
        return f"{unknown}; by the size of the steps about {_total(known)} on the CPU"
    parts = []
    for expected, about, source in (
        (near, "about", "estimated from the epochs of"),
        (far, "roughly", "scaled from"),
    ):
        whole = "of training in all" if len(expected) == len(plan.estimates) else ""
        share = whole or f"for {len(expected)} of {len(plan.estimates)}"
        names = ", ".join(_references(expected)[:3]) or "the size of their steps"
        parts += [f"{about} {_total(expected)} {share}, {source} {names}"] * bool(expected)
    if len(known) < len(plan.estimates):
        parts.append("unknown for the others")
    return "; ".join(parts)


def _total(expected: Sequence[Forecast]) -> str:
    return duration(sum(each.seconds for each in expected))


def _references(expected: Sequence[Forecast]) -> list[str]:
    """The runs that they rest on, each once, with the kind of their device."""
    runs = [each.reference for each in expected if each.reference is not None]
    return list(dict.fromkeys(f"{run.name} ({'GPU' if run.on_gpu else 'CPU'})" for run in runs))


# Queueing


def sweep_tag() -> str:
    """The tag of a sweep that is queued now."""
    return time.strftime(f"{SWEEP_TAG}%Y%m%d-%H%M%S")


Waiting = TypeVar("Waiting")


@dataclass(frozen=True, slots=True)
class QueuedRun(Generic[Waiting]):
    """A run of a sweep, and what waits for it: the process in the queue, or the id of a job."""

    run: RunDirectory
    waiting: Waiting


def queue_sweep(
    plan: SweepPlan,
    root: Path,
    *,
    preset: str,
    hint: str,
    tag: str,
    enqueue: Callable[[RunDirectory], Waiting],
) -> Iterable[QueuedRun[Waiting]]:
    """Create and queue, one after the other, the runs that are still to be queued.

    Args:
        plan: the runs.
        root: the folder of runs.
        preset, hint: the preset they are made from, or "", and the beginning of the ids of those without a
            name.
        tag: given to each new run, with the settings that set it apart as its note.
        enqueue: puts a run into the queue, or submits it as a job.

    Raises:
        RunsError: a run cannot be created or queued; those before it are queued, and a new one is removed.
    """
    for planned in plan.to_queue:
        run = planned.existing or _create(planned, root, preset=preset, hint=hint, tag=tag)
        try:
            waiting = enqueue(run)
        except RunsError:
            if planned.existing is None:
                with suppress(RunsError):
                    remove_run(run)
            raise
        yield QueuedRun(run, waiting)


def _create(planned: PlannedRun, root: Path, *, preset: str, hint: str, tag: str) -> RunDirectory:
    text = with_preset(dump_experiment(planned.point.experiment), preset)
    run = create_run(
        root, text, name=planned.name, preset_hint=beginning_of_id(planned.point.experiment, hint)
    )
    annotations = retagged(read_annotations(run), add=(tag,), remove=())
    with suppress(RunsError):  # the tag and the note only help to find the run
        write_annotations(run, replace(annotations, note=", ".join(planned.point.settings)))
    return run
