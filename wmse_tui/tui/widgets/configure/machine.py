"""What a start meets on this machine: the images, the GPUs, the disk, and what follows for an experiment."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from wmse_tui.config.advice import Advice, advise
from wmse_tui.config.presence import (
    OwnImages,
    Presence,
    count_own_images,
    find_images,
    own_images_advice,
    presence_advice,
    with_own_images,
)
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import (
    check_runs_dir,
    device_advice,
    gpu_count,
    nearest_existing,
)
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.table.estimate import Forecast, TimedRun, forecast, timed_runs
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.units import brief_duration
from wmse_tui.tui.widgets.configure.wording import Outlook


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of this machine so far.

    Args:
        dataset: whose images were searched for.
        presence: where they are; None: not known yet.
        own_images: how many the user's folder holds; None: not known, or no such folder.
        gpus: how many runs may use; None: not known yet.
        obstacle: why no run can be written, or "".
        free: bytes on the disk of the runs; None: not known.
        timed: how long the epochs of runs took here.
    """

    dataset: Dataset | None = None
    presence: Presence | None = None
    own_images: OwnImages | None = None
    gpus: int | None = None
    obstacle: str = ""
    free: int | None = None
    timed: tuple[TimedRun, ...] = ()

    @classmethod
    def examine(cls, root: Path, dataset: Dataset, rows: Iterable[RunRow] = ()) -> Machine:
        """Look for the images of `dataset`, for GPUs and for disk space, in folders: call it in a thread.

        Args:
            root: the folder of runs.
            dataset: of the experiment that is edited.
            rows: the list of runs as far as it has been read.
        """
        return cls(
            dataset=dataset,
            presence=find_images(dataset),
            own_images=count_own_images(dataset),
            gpus=gpu_count(),
            obstacle=_obstacle(root),
            free=_free_space(root),
            timed=timed_runs(rows, host()),
        )

    def about(self, dataset: Dataset) -> Machine:
        """The same without what is known of the images of another data set."""
        if dataset == self.dataset:
            return self
        return replace(self, dataset=dataset, presence=None, own_images=None)

    def remarks(self, experiment: Experiment, measured: TimedRun | None = None) -> list[Advice]:
        """All advice on an experiment: on its configuration, its images and its device."""
        known = self.about(experiment.dataset)
        found = list(advise(experiment))
        if known.presence is not None:
            if known.presence.state in ("here", "archive"):
                found = [advice for advice in found if advice.path != "dataset.download"]
            found += presence_advice(experiment.dataset, known.presence)
            found += own_images_advice(experiment, known.own_images)
        if known.gpus is not None:
            counted = with_own_images(experiment, known.own_images)
            expected = self.forecast(experiment, measured)
            found += device_advice(counted, gpus=known.gpus, seconds=expected.seconds if expected else None)
        return found

    def forecast(self, experiment: Experiment, measured: TimedRun | None = None) -> Forecast | None:
        """How long a run takes here; None: unknown. `measured` is a measurement of this or another one."""
        if self.gpus is None:
            return None
        counted = with_own_images(experiment, self.about(experiment.dataset).own_images)
        timed = self.timed if measured is None else (measured, *self.timed)
        return forecast(counted, timed, gpus=self.gpus)

    def outlook(self, experiment: Experiment | None, measured: TimedRun | None = None) -> Outlook:
        """What this machine makes of a start, as far as that is known."""
        known = self if experiment is None else self.about(experiment.dataset)
        if experiment is None or known.gpus is None or known.presence is None:
            return Outlook(checked=False, obstacle=self.obstacle)
        expected = self.forecast(experiment, measured)
        if expected is None:
            return Outlook(checked=True, obstacle=self.obstacle)
        return Outlook(checked=True, obstacle=self.obstacle, seconds=expected.seconds, rough=expected.rough)


def preset_times(
    machine: Machine, measured: TimedRun | None, experiments: Mapping[str, Experiment | None]
) -> dict[str, str]:
    """How long each experiment takes on this machine, by its key, without those where that is unknown.

    Compares every experiment with every timed run: call it in a thread.
    """
    expected = {
        key: machine.forecast(experiment, measured)
        for key, experiment in experiments.items()
        if experiment is not None
    }
    return {key: text for key, each in expected.items() if (text := time_in_short(each))}


def time_in_short(expected: Forecast | None) -> str:
    """A forecast in a few characters; a tilde where it is rough; "": there is none."""
    if expected is None:
        return ""
    return f"{'~' if expected.rough else ''}{brief_duration(expected.seconds).replace(' ', '')}"


def _free_space(folder: Path) -> int | None:
    """Free bytes of the disk that `folder` is or will be on; None where the system does not say."""
    with suppress(OSError):
        return shutil.disk_usage(nearest_existing(folder)).free or None
    return None


def _obstacle(folder: Path) -> str:
    """Why no run can be written to `folder`, in a sentence; "" where one can."""
    try:
        check_runs_dir(folder)
    except (RunsError, OSError) as error:
        return str(error)
    return ""
