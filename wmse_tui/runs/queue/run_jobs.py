"""Jobs of SLURM from experiments: the script of a run's job, its submission, and what many of them cost."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue.slurm import JobOptions, job_script, submit
from wmse_tui.runs.state.config import load_configuration
from wmse_tui.runs.text.units import count


def script_for(run: RunDirectory, experiment: Experiment, options: JobOptions) -> str:
    """The script of a job that trains `run`, which need not be there yet. Raises SchedulerError."""
    compute = experiment.compute
    return job_script(run, options, devices=compute.ranks, gpus=compute.device != "cpu")


def submit_run(run: RunDirectory, *, options: JobOptions) -> str:
    """Submit the job that trains `run`, and return its id. Raises as `submit`."""
    return submit(run, script_for(run, load_configuration(run), options))


def cost_of_jobs(experiments: Sequence[Experiment], options: JobOptions) -> str:
    """How many jobs train these experiments, on how many devices and for how long at most, in a line."""
    devices = sum(experiment.compute.ranks for experiment in experiments)
    unit = "device" if any(experiment.compute.device == "cpu" for experiment in experiments) else "GPU"
    text = f"{count(len(experiments), 'job')}, one for each run, with {count(devices, unit)} in all"
    limit = options.sbatch.get("time", "")
    hours = hours_of(limit)
    if hours is None:
        return f"{text}; {f'time limit {limit}' if limit else 'no time limit but that of the partition'}"
    return f"{text}; time limit {limit}: at most {devices * hours:,.4g} {unit} hours before a job is requeued"


def hours_of(limit: str) -> float | None:
    """A time limit as `sbatch` reads it (M, M:S, H:M:S, D-H, D-H:M, D-H:M:S), in hours; None: it is none."""
    days, dash, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(map(str.isdecimal, [*parts, *([days] if dash else [])])) or len(parts) > 3:
        return None
    numbers = list(map(int, parts))
    if not dash and len(numbers) < 3:
        numbers.insert(0, 0)  # minutes come first
    hours, minutes, seconds = (*numbers, 0, 0)[:3]
    return 24 * int(days or 0) + hours + minutes / 60 + seconds / 3600
