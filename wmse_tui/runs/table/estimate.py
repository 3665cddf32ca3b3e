"""How long a recipe takes and how much disk it needs, estimated from runs of this machine.

`forecast` is what screens and commands show before a run is started: by the epochs of a run of this machine
that takes as long, else scaled from another one by the arithmetic of their steps, else by that arithmetic
alone. `estimate_duration` adds the disk of checkpoints where Paper finds a run of the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log
from pathlib import Path

from wmse_tui.config.diff import Value
from wmse_tui.config.figures import retained_checkpoints, training_gflop
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.preflight import cpu_forecast
from wmse_tui.runs.process.identity import host as this_host
from wmse_tui.runs.state.config import read_experiment
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.table.index import RunIndex, RunRow
from wmse_tui.runs.table.paper import OwnRun, PaperCell
from wmse_tui.runs.table.recipe import recipe_key
from wmse_tui.runs.text.units import duration

_TIMED = 24  # runs, the newest
_PACE_NEUTRAL = ("schedule", "optimizer")  # sections whose options leave the time of an epoch as it is


@dataclass(frozen=True, slots=True)
class DurationEstimate:
    """The estimate for a whole run from another one.

    Args:
        run_id, device, host: of the run that it is based on.
        seconds: of the trainer's time, evaluations included.
        checkpoint_bytes: of one checkpoint; None where that run saved none.
        disk_bytes: of all checkpoints that are retained; None likewise.
    """

    run_id: str
    device: str
    host: str
    seconds: float
    checkpoint_bytes: int | None
    disk_bytes: int | None


def closest_run(cell: PaperCell, host: str) -> OwnRun | None:
    """The run to estimate from: of the recipe or a variant with epochs as long, on `host` if there is one."""
    same = [*cell.runs, *cell.partial]
    alike = [variant.run for variant in cell.variants if all(map(_keeps_pace, variant.deviations))]
    return _first(same, host) or _first(alike, host) or _first([*same, *alike], None)


def estimate_duration(state: RunState, experiment: Experiment) -> DurationEstimate | None:
    """The estimate for `experiment` from the run of `state`; None before its first epoch is completed."""
    if state.epoch < 1 or state.setup is None:
        return None
    size = state.checkpoints[-1].bytes if state.checkpoints else None
    return DurationEstimate(
        run_id=state.run_id,
        device=state.setup.device,
        host=state.setup.host,
        seconds=state.elapsed / state.epoch * experiment.schedule.epochs,
        checkpoint_bytes=size,
        disk_bytes=None if size is None else retained_checkpoints(experiment) * size,
    )


def _keeps_pace(option: str) -> bool:
    return option != "schedule.batch_size" and option.partition(".")[0] in _PACE_NEUTRAL


def _first(runs: Iterable[OwnRun], host: str | None) -> OwnRun | None:
    return next((run for run in runs if run.row.epoch > 0 and host in (None, run.row.host)), None)


@dataclass(frozen=True, slots=True)
class TimedRun:
    """How long an epoch took on this machine, its share of the evaluations included.

    Args:
        name: of the run.
        on_gpu: whether a GPU trained it.
        epoch_seconds: of the trainer's time.
        experiment: what was trained.
        options: those of its recipe.
    """

    name: str
    on_gpu: bool
    epoch_seconds: float
    experiment: Experiment
    options: Mapping[str, Value]


def timed_run(name: str, experiment: Experiment, epoch_seconds: float, *, on_gpu: bool) -> TimedRun:
    """How long the epochs of a run, or of a measurement, took on this machine."""
    return TimedRun(name, on_gpu, epoch_seconds, experiment, dict(recipe_key(experiment)))


def timed_runs(rows: Iterable[RunRow], host: str) -> tuple[TimedRun, ...]:
    """The newest runs of this machine with an epoch. Reads their configurations: call it in a thread."""
    found: list[TimedRun] = []
    for row in rows:
        seconds = dict(row.results).get("training_seconds")
        if row.host != host or row.epoch < 1 or not seconds or len(found) == _TIMED:
            continue
        experiment = read_experiment(RunDirectory(Path(row.path)))
        if experiment is not None:
            on_gpu = not row.device.startswith("CPU")
            found.append(timed_run(row.run_id, experiment, seconds / row.epoch, on_gpu=on_gpu))
    return tuple(found)


def runs_of_this_machine(root: Path) -> tuple[TimedRun, ...]:
    """What the list of runs under `root` shows of this machine. Reads logs: call it in a thread."""
    return timed_runs((row for row in RunIndex(root).refresh() if not row.problem), this_host())


@dataclass(frozen=True, slots=True)
class Forecast:
    """About how long a run takes on this machine: seconds, what that rests on, and whether it is rough.

    `reference` is the run that it rests on; None: it follows from the size of the steps alone.
    """

    seconds: float
    basis: str
    rough: bool = True
    reference: TimedRun | None = field(default=None, compare=False)

    def text(self) -> str:
        """ "about 2 min 05 s, as a"; "roughly" where it may be wrong by a factor of three."""
        return f"{'roughly' if self.rough else 'about'} {duration(self.seconds)}, {self.basis}"


def forecast(experiment: Experiment, timed: Iterable[TimedRun], *, gpus: int) -> Forecast | None:
    """How long `experiment` takes here; None: unknown, as on a GPU without runs, or of unread images.

    Args:
        experiment: with the number of its images, where that is known (`with_own_images`).
        timed: what is known of this machine.
        gpus: how many GPUs a run sees.
    """
    device = experiment.compute.device
    on_gpu = device != "cpu" and (gpus > 0 or device != "auto")
    ranks = experiment.compute.ranks
    known = [run for run in timed if run.on_gpu == on_gpu and run.experiment.compute.ranks == ranks]
    options, epochs = dict(recipe_key(experiment)), experiment.schedule.epochs
    for run in known:
        if _same_pace(run.options, options):
            return Forecast(run.epoch_seconds * epochs, f"as {run.name}", rough=False, reference=run)
    work = training_gflop(experiment)
    if work is None:
        return None
    scaled = [(gflop, run) for run in known if (gflop := training_gflop(run.experiment))]
    if scaled:
        per_epoch = work / epochs
        gflop, run = min(
            ((total / run.experiment.schedule.epochs, run) for total, run in scaled),
            key=lambda pair: abs(log(per_epoch / pair[0])) if per_epoch > 0 else 0.0,
        )
        return Forecast(run.epoch_seconds * work / gflop, f"scaled from {run.name}", reference=run)
    seconds = cpu_forecast(experiment, gpus=gpus)
    return None if seconds is None else Forecast(seconds, "by the size of the steps")


def _same_pace(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Whether an epoch of both recipes takes about as long on one device."""
    names = {*one, *other}
    return all(
        _keeps_pace(name)
        for name in names
        if (name in one, one.get(name)) != (name in other, other.get(name))
    )
