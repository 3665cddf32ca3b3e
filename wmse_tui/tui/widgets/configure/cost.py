"""What a run will cost: what follows from the configuration, the disk, and the inspector's answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.figures import (
    checkpoint_bytes,
    retained_checkpoints,
    steps_per_epoch,
    total_steps,
    training_images,
)
from wmse_tui.config.presence import OwnImages, Presence, with_own_images
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.table.estimate import Forecast, TimedRun, timed_run
from wmse_tui.runs.text.units import count as _count
from wmse_tui.runs.text.units import duration, percent, rate, size
from wmse_tui.tui.keys import USUAL_NAMES, KeyNames
from wmse_tui.tui.widgets.paragraphs import Paragraph

TITLE = 13


@dataclass(frozen=True, slots=True)
class Inspection:
    """A request to the inspector and its answer.

    Args:
        answer: the last one; empty before there is one.
        about: the experiment that it is about.
        waiting: the progress of a newer request; "": there is none.
        failure: why there is no answer.
    """

    answer: Mapping[str, Any]
    about: Experiment | None = None
    waiting: str = ""
    failure: str = ""


NOTHING = Inspection({})


def measured_run(inspection: Inspection) -> TimedRun | None:
    """The timing of a measurement on this machine; None where nothing was measured."""
    about, seconds = inspection.about, inspection.answer.get("run_seconds")
    if about is None or seconds is None:
        return None
    device = inspection.answer.get("device") or {}
    on_gpu = device.get("type") == "cuda"
    return timed_run("the measurement", about, seconds / about.schedule.epochs, on_gpu=on_gpu)


def same_cost(one: Experiment | None, other: Experiment | None) -> bool:
    """Whether two experiments cost the same as far as the inspector knows: names do not matter."""
    if one is None or other is None:
        return False
    names = {"title": "", "paper": None, "seed": 0}
    return one.model_copy(update=names) == other.model_copy(update=names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """All that is known of the cost of a run; `lines` formats it.

    Args:
        experiment: what would be run.
        name: of the run, or "".
        presence: where its images are; None: not known yet.
        free: bytes on the disk of the runs; None: not known.
        own_images: how many there are in the user's folder; None: not known, or no such folder.
        expected: how long the run takes on this machine; None: unknown.
        described, measured: the inspector's answers.
        keys: the names of keys for hints.
    """

    experiment: Experiment
    name: str
    presence: Presence | None
    free: int | None
    described: Inspection
    measured: Inspection
    own_images: OwnImages | None = None
    expected: Forecast | None = None
    keys: KeyNames = USUAL_NAMES

    def lines(self) -> Iterator[Paragraph]:
        """A paragraph for each aspect, its title first."""
        yield _line("Run", self.name or "named after preset and time")
        yield _line("Steps", self._steps())
        yield _line("Images", self._images())
        yield from self._disk()
        yield from self._description()
        yield from self._measurement()

    def time(self) -> str:
        """How long the run takes here, and how that is known."""
        return self.expected.text() if self.expected else "time on this machine unknown"

    def _steps(self) -> str:
        counted = with_own_images(self.experiment, self.own_images)
        each, epochs = steps_per_epoch(counted), counted.schedule.epochs
        named = "epoch" if epochs == 1 else "epochs"
        if each is None:
            return f"{epochs:,} {named}; the number of steps depends on your files"
        about = "at most " if self.own_images is not None else ""  # some are held out for the test
        return f"{about}{total_steps(counted):,} ({each:,} x {epochs:,} {named})"

    def _images(self) -> str:
        images = training_images(self.experiment)
        count = "" if images is None else f"{images:,}, "
        presence, title = self.presence, DATASETS[self.experiment.dataset.name].title
        be = "are" if self.experiment.dataset.name == "folder" else "is"
        if presence is None:
            return f"{count}looking for {title}"
        match presence.state:
            case "drawn":
                return f"{count}drawn here, no download"
            case "here":
                if self.own_images is not None:
                    own = self.own_images
                    folders = f" in {_count(own.folders, 'folder')}" if own.folders else ""
                    return f"{own.images:,}{folders}: {title.lower()} {be} here"
                return f"{count}{title} {be} here"
            case "archive":
                return f"{count}{title} is here and will be unpacked"
            case "download":
                return f"{count}{size(presence.download)} to download, as much again unpacked"
        return f"{count}{title} {be} missing"

    def _disk(self) -> Iterator[Paragraph]:
        free = "" if self.free is None else f"; {size(self.free)} free"
        expected = self.expected
        seconds = None if expected is None else (3 if expected.rough else 1) * expected.seconds
        count, inspection = retained_checkpoints(self.experiment, seconds), self.described
        checkpoints = _count(count, "checkpoint")
        parameters = inspection.answer.get("parameters")
        if not isinstance(parameters, Mapping):
            yield _line("Disk", f"{checkpoints}, {self._describe} computes their size{free}")
            return
        trained, averaged = int(parameters["encoder"]) + int(parameters["head"]), int(parameters["target"])
        each = checkpoint_bytes(self.experiment, trained=trained, averaged=averaged)
        text = f"{checkpoints} of {size(each)}: {size(count * each)}{free}"
        yield _line("Disk", text, old=not self._current(inspection))

    @property
    def _describe(self) -> str:
        return self.keys.name("configure-describe")

    def _description(self) -> Iterator[Paragraph]:
        inspection = self.described
        offer = f"{self._describe} computes parameters, GFLOP, memory"
        yield from _state(inspection, self._current(inspection), "Model", offer)
        answer = inspection.answer
        if not answer:
            return
        old = not self._current(inspection)
        parameters = answer["parameters"]
        text = f"{_millions(parameters['encoder'])} encoder, {_millions(parameters['head'])} head"
        if parameters.get("target"):
            text += f", {_millions(parameters['target'])} target"
        yield _line("Parameters", text, old=old)
        yield _line("Compute", f"{answer['gflop_per_view']:.3g} GFLOP a view, forward", old=old)
        memory, device = answer.get("memory") or {}, answer.get("device") or {}
        if memory.get("total") is not None:
            of = f" of {size(device['memory'])}" if device.get("memory") else ""
            on_gpus = (memory.get("ranks") or 1) > 1 and device.get("type") == "cuda"
            each = " per GPU" if on_gpus else ""
            yield _line("Memory", f"about {size(memory['total'])}{of} a step{each}", old=old)
        name = device.get("name") or device.get("reason") or "none"
        yield _line("Device", str(name), old=old)

    def _measurement(self) -> Iterator[Paragraph]:
        inspection = self.measured
        offer = f"{self.keys.name('configure-measure')} measures a few steps on this machine"
        yield from _state(inspection, self._current(inspection), "Speed", offer)
        answer = inspection.answer
        if not answer:
            return
        old = not self._current(inspection)
        seconds = answer.get("seconds_per_step")
        if seconds is None:
            least = answer.get("at_least")
            text = "not one step ended in time" + (f": over {duration(least)} each" if least else "")
            yield _line("Step", text, old=old)
        else:
            text = f"{_seconds(seconds)}, {rate(answer.get('images_per_second'))}"
            if answer.get("waiting"):
                text += f", {percent(answer['waiting'])} of it waiting for views"
            yield _line("Step", text, old=old)
        each = steps_per_epoch(self.experiment)
        if seconds is not None and each:
            yield _line("Epoch", duration(seconds * each), old=old)
        if answer.get("run_seconds") is not None:
            evaluations = answer.get("evaluation_seconds")
            of = f", {duration(evaluations)} of it evaluations" if evaluations else ""
            yield _line("Whole run", f"{duration(answer['run_seconds'])}{of}", old=old)
        elif answer.get("training_seconds") is not None:
            yield _line("Training", f"{duration(answer['training_seconds'])} without evaluations", old=old)
        if answer.get("peak_memory"):
            yield _line("Peak memory", f"{size(answer['peak_memory'])} measured", old=old)
        if answer.get("why"):
            yield _line("", f"with {answer.get('source', '')}: {answer['why']}", old=old)

    def _current(self, inspection: Inspection) -> bool:
        return same_cost(inspection.about, self.experiment)


def _state(inspection: Inspection, current: bool, title: str, offer: str) -> Iterator[Paragraph]:
    """The line that an inspection needs if it is running, failed, missing or outdated."""
    if inspection.waiting:
        yield _line(title, f"{inspection.waiting} …")
    elif inspection.failure:
        yield _line(title, inspection.failure, style="$error")
    elif not inspection.answer:
        yield _line(title, offer, style="$text-muted")
    elif not current:
        yield _line(title, f"as before the changes; {offer}", style="$warning")


def _line(title: str, text: str, *, old: bool = False, style: str = "") -> Paragraph:
    return Paragraph(title, text, "$text-disabled" if old else style)


def _millions(number: float) -> str:
    return f"{number / 1e6:.3g} M" if number >= 1e5 else f"{number:,.0f}"


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms a step" if seconds < 1 else f"{seconds:.3g} s a step"
