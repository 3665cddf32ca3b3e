"""How long a recipe takes and how much disk it needs, estimated from a similar run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wmse_tui.config.figures import retained_checkpoints
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.table.paper import OwnRun, PaperCell
from wmse_tui.runs.table.recipe import deviations, relation

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


def reference_run(experiment: Experiment, runs: Iterable[OwnRun], host: str) -> OwnRun | None:
    """A run of `host` to estimate `experiment` from: of its recipe, or else with epochs as long."""
    known = [run for run in runs if run.experiment is not None and run.row.epoch > 0 and run.row.host == host]
    alike = [run for run in known if run.experiment and _paces(experiment, run.experiment)]
    same = [run for run in alike if run.experiment and relation(experiment, run.experiment) == "same"]
    return next(iter([*same, *alike]), None)


def _paces(experiment: Experiment, other: Experiment) -> bool:
    """Whether an epoch of both takes about as long, on the same device."""
    if relation(experiment, other) == "other" or experiment.compute.device != other.compute.device:
        return False
    return all(map(_keeps_pace, deviations(experiment, other)))


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
