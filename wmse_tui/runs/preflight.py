"""Cheap checks before anything is created: can runs be written, do checkpoints fit, how long will it take?"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from wmse_tui.config.advice import Advice
from wmse_tui.config.figures import cpu_seconds
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.errors import SYSTEM_STEPS, BadPlace, NotAFolder
from wmse_tui.runs.process.cores import available_cores
from wmse_tui.runs.queue.gpu_slots import device_request
from wmse_tui.runs.text.units import count, duration, size

TOO_LITTLE = 200_000_000
"""Bytes: under this, the first checkpoints of a ResNet-18 with Adam (about 150 MB each) do not fit."""
SCARCE = 1_000_000_000
"""Bytes: under this, the two newest checkpoints, the best and the final one may not fit together."""

LONG_SECONDS = 3600.0
"""A run on the CPU that is expected to take longer is not started unasked."""


def gpu_count() -> int:
    """How many GPUs are visible to a run that is started here. Asks NVML: call it in a thread."""
    return len(device_request("auto").visible)


def cpu_forecast(experiment: Experiment, *, gpus: int) -> float | None:
    """About how many seconds the steps take; None where a GPU trains, or where the user's files decide."""
    device = experiment.compute.device
    if device != "cpu" and (gpus or device != "auto"):
        return None
    return cpu_seconds(experiment, available_cores())


def device_advice(experiment: Experiment, *, gpus: int, seconds: float | None = None) -> tuple[Advice, ...]:
    """A warning of a run whose devices do not exist, or that would train for hours on the CPU.

    Where more GPUs are visible than train, how many could.

    Args:
        experiment: with the number of its images where that is known.
        gpus: how many GPUs are visible to it.
        seconds: how long the run takes by what is known of this machine; None: by the size of its steps.
    """
    device, compute = experiment.compute.device, experiment.compute
    if gpus and device != "cpu" and max(compute.cards, default=compute.ranks - 1) >= gpus:
        needed = f"GPU {max(compute.cards)} is" if compute.cards else f"{compute.ranks} GPUs are"
        text = f"{needed} needed, and NVML reports {count(gpus, 'GPU')}; the run would fail"
        return (Advice("compute.devices", "warning", text, (("compute.devices", "1"),)),)
    if gpus > 1 and device in ("auto", "cuda") and compute.devices == "auto":
        batch = experiment.schedule.batch_size
        most = max(number for number in range(1, gpus + 1) if batch % number == 0)
        if most > 1:
            text = (
                f"{gpus} GPUs are visible, and one trains; {most} would give the same result, "
                f"{batch // most} images each (not yet run on GPUs)"
            )
            return (Advice("compute.devices", "info", text, (("compute.devices", str(most)),)),)
    if device.startswith("cuda"):
        number = int(device.partition(":")[2] or 0)
        if number < gpus:
            return ()
        found = f"{count(gpus, 'GPU')} (numbered from 0)" if gpus else "no GPU"
        text = f"NVML reports {found} on this machine; the run would fail"
        return (Advice("compute.device", "warning", text, (("compute.device", "auto"),)),)
    rough = cpu_forecast(experiment, gpus=gpus)
    seconds = None if rough is None else seconds or rough
    if seconds is None or seconds <= LONG_SECONDS:
        return ()
    why = "on the CPU" if device == "cpu" else "no GPU is visible, and on the CPU"
    text = f"{why} ({count(available_cores(), 'core')}) the run would take about {duration(seconds)}"
    return (Advice("compute.device", "warning", text),)


def check_runs_dir(root: Path) -> str:
    """Check the folder for runs; returns a note for the user, or "".

    Raises:
        BadPlace: runs cannot be written there, or the disk is as good as full; NotAFolder where it is a file.
    """
    existing = nearest_existing(root)
    elsewhere = "put runs elsewhere: --runs-dir DIR, or set WMSE_TUI_RUNS"
    if not existing.is_dir():
        raise NotAFolder(
            f"the folder for runs cannot be made: {existing} is a file",
            f"wanted: {root}",
            next=(elsewhere,),
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise BadPlace(
            f"the folder for runs cannot be written: {existing}",
            _why_not_writable(existing),
            next=(elsewhere,),
        )
    disk = shutil.disk_usage(existing)
    if not disk.total:  # no disk: /proc and its like, which report the reason when written to
        return ""
    free = disk.free
    if free < TOO_LITTLE:
        raise BadPlace(
            f"the disk is full: {size(free)} left for runs",
            f"{root} needs at least {size(TOO_LITTLE)} for its checkpoints",
            next=(SYSTEM_STEPS[errno.ENOSPC], elsewhere),
        )
    if free < SCARCE:
        return f"only {size(free)} are left on the disk of {root}; checkpoints may not fit"
    return ""


def _why_not_writable(folder: Path) -> str:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "that file system is read-only"
    about = folder.stat()
    return (
        f"it belongs to user {about.st_uid} with mode {about.st_mode & 0o777:03o}; you are user {os.getuid()}"
    )


def nearest_existing(path: Path) -> Path:
    """Return `path`, or the nearest folder above it that exists and can be seen by this user."""
    path = path.expanduser().absolute()
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110 - Path.exists raises EACCES
        path = path.parent
    return path
