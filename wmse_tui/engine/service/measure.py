"""The answer to "measure": how fast this machine steps, and how long the run would take.

request              seconds (20): about how long it may take, beside reading the images
seconds_per_step     of training, the making of views included; null: not even one step ended in time
at_least             a lower bound of it where it is null
images_per_second    images, not views
waiting              the share of a step's time that was spent waiting for views
steps, warm_up       how many were timed, and how many were taken before
peak_memory          bytes: of a GPU, what torch reserved; else what the process grew by; null: not known
estimated_memory     bytes: the total of "describe" for one device, which is measured with the whole batch,
                     and the images where it could not know of them
device, loader       {"type", "name", "reason"}, {"kind", "reason"}
source, why          the data set's name; or "patterns", and why
total_steps          of the run; null: how many images there are is not known
training_seconds     of the run's steps; null: not known
evaluations, evaluation_seconds, evaluation_text
                     how many there are, what all of them take (null: not known) and what that rests on
run_seconds          the sum; null: not known
spent_seconds        that this measurement took
notices              [{"path", "level", "text"}, ...]
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from wmse_tui.config.advice import Advice
from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.pipelines import MOST_WORKERS, Batches, build_batches
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.profiling.dry_run import dry_run
from wmse_tui.engine.profiling.evaluation_times import EvaluationTimes, time_evaluations
from wmse_tui.engine.profiling.image_cache import CachedImages, ImageCache, RepeatedImages
from wmse_tui.engine.profiling.memory import PeakMemory, memory_of, release_memory
from wmse_tui.engine.profiling.threads import (
    QUIET_THREADS,
    TRAINER_THREADS,
    threads,
    trainer_device,
    waited_for_processor,
)
from wmse_tui.engine.profiling.timed_steps import TimedSteps, endless, interruptible, restored_switches
from wmse_tui.engine.service.describe import memory_parts, notices_of
from wmse_tui.engine.service.worker import Job
from wmse_tui.engine.training.device import ChosenDevice, prepare, require_precision
from wmse_tui.runs.process.cores import available_cores
from wmse_tui.runs.text.units import duration, size

SECONDS = 20
STEP_SHARE = 0.7  # of the time, for steps; the rest is for the evaluation
ENOUGH_SECONDS, ENOUGH_STEPS = 5.0, 50  # of timed steps: more make the number no better
WARM_UP = {"cpu": 1, "cuda": 3}  # the first steps choose algorithms and grow the memory
MUCH_WAITING = 0.25  # of a step
MUCH_DISTURBED = 0.1  # of the time
LEAST_BATCHES, LEAST_IMAGES = 8, 8192  # that are read; fewer batches where they are large


class TimeUp(Exception):
    """The time for the measurement is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTiming:
    """How long a step takes.

    Args:
        seconds: per step; None if none ended in time.
        waiting: the share of it that was waiting for views.
        disturbed: the share of the time in which other processes had the processor.
        steps, warm_up: how many were timed, and taken before.
    """

    seconds: float | None
    waiting: float
    disturbed: float
    steps: int
    warm_up: int


def measure_run(experiment: Experiment, job: Job, images: ImageCache) -> dict[str, Any]:
    """The fields of the answer.

    Raises:
        EngineError: the step does not fit into memory, the device cannot be used, or the loss fails.
    """
    allowed = job.request.number("seconds", SECONDS, low=2, high=600)
    device = trainer_device(experiment.compute.first_device)
    require_precision(experiment.compute.precision, device.torch)
    with threads(QUIET_THREADS):
        estimate = _require_memory(experiment, device, job)
        batch = experiment.schedule.batch_size
        least = max(batch, min(LEAST_BATCHES * batch, LEAST_IMAGES))
        loaded = images.get(experiment, least=least, progress=job.progress, check=job.check)
    with threads(TRAINER_THREADS), restored_switches():
        job.gpu_used = device.torch.type == "cuda"
        prepare(device.torch, deterministic=experiment.compute.deterministic)
        try:
            return _measured(experiment, job, loaded, device, allowed, estimate)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # they hold the networks and a batch
            raise
        finally:
            release_memory(device.torch)


def _measured(
    experiment: Experiment,
    job: Job,
    loaded: CachedImages,
    device: ChosenDevice,
    allowed: float,
    estimate: int,
) -> dict[str, Any]:
    started = began = time.monotonic()
    per_epoch = None if loaded.whole is None else loaded.whole // experiment.schedule.batch_size
    peak = PeakMemory(device.torch)
    batches = build_batches(loaded.train, experiment, device.torch)
    with closing(batches):
        steps = TimedSteps(experiment, device.torch, steps_per_epoch=per_epoch or 1)
        before = time.monotonic()
        compiled = _compile(steps, experiment, batches, job)
        began += time.monotonic() - before  # it is no part of a step
        steps_end, end = began + STEP_SHARE * allowed, began + allowed
        timing = time_steps(
            steps,
            batches,
            job,
            warm_up=WARM_UP[device.torch.type],
            prefetched=_prefetched(experiment, batches.kind),
            end=steps_end,
        )
    most = peak.bytes()
    if most is not None and device.torch.type == "cpu" and loaded.train.pixels is not None:
        most += loaded.train.pixels.nbytes  # they were in memory before
    job.progress("measuring an evaluation")
    evaluations = time_evaluations(
        steps.method.encoder, experiment, loaded, device.torch, end=end, check=job.check
    )
    total = None if per_epoch is None else experiment.schedule.epochs * per_epoch
    training = None if total is None or timing.seconds is None else total * timing.seconds
    run = None
    if training is not None and evaluations.seconds is not None:
        run = training + evaluations.seconds
    spent = time.monotonic() - started
    return {
        "seconds_per_step": timing.seconds,
        "at_least": None if timing.seconds is not None else steps_end - began,
        "images_per_second": None
        if timing.seconds is None
        else experiment.schedule.batch_size / timing.seconds,
        "waiting": timing.waiting,
        "steps": timing.steps,
        "warm_up": timing.warm_up,
        "peak_memory": most if timing.seconds is not None else None,
        "estimated_memory": estimate + _images_found(experiment, loaded),
        "device": {"type": device.torch.type, "name": device.name, "reason": device.reason},
        "loader": {"kind": batches.kind, "reason": batches.reason},
        "source": loaded.source,
        "why": loaded.why,
        "total_steps": total,
        "training_seconds": training,
        "evaluations": evaluations.count,
        "evaluation_seconds": evaluations.seconds,
        "evaluation_text": evaluations.text,
        "run_seconds": run,
        "spent_seconds": spent,
        "notices": notices_of(_notices(timing, batches.kind, loaded, evaluations, total, allowed, compiled)),
    }


def _compile(steps: TimedSteps, experiment: Experiment, batches: Batches, job: Job) -> str:
    """Compile the networks and record a step as the run would; the outcome as text, empty if that is off."""
    if experiment.compute.compile == "off":
        return ""
    job.progress("compiling", 0, 1, "networks")
    with closing(endless(batches)) as source:
        text = steps.compile(next(source))
    job.check()
    return text


def time_steps(
    steps: TimedSteps, batches: Batches, job: Job, *, warm_up: int, prefetched: int, end: float
) -> StepTiming:
    """Take steps until enough of them are timed, or until `end` (of the monotonic clock).

    Args:
        warm_up: the first steps, which are slower than the others.
        prefetched: batches that workers make ahead. As many steps come before the timed ones, as far as half
            of the time allows, so that no prefetched batch, which takes no time, is timed.

    Raises:
        Cancelled: the request was cancelled.
        EngineError: an image cannot be read, or the loss cannot be computed.
    """
    began, delay = time.monotonic(), waited_for_processor()
    half = (began + end) / 2

    def check() -> None:
        job.check()
        if time.monotonic() > end:
            raise TimeUp

    taken, last, marks, waited = 0, 0.0, [0.0], 0.0
    with closing(endless(batches)) as source, interruptible(steps.method, check):
        with suppress(TimeUp):
            while taken < warm_up or (taken < warm_up + prefetched and time.monotonic() < half):
                job.progress("warming up", taken, warm_up + prefetched, "steps")
                before = time.monotonic()
                steps.step(next(source))
                steps.finish()
                taken, last = taken + 1, time.monotonic() - before
                check()
            planned = max(1, min(ENOUGH_STEPS, int(min(ENOUGH_SECONDS, end - time.monotonic()) / last)))
            marks = [time.monotonic()]
            for number in range(planned):
                job.progress("measuring", number, planned, "steps")
                before = time.monotonic()
                views = next(source)
                waited += time.monotonic() - before
                steps.step(views)
                marks.append(time.monotonic())
        steps.finish()  # on a GPU the steps are only queued
    now, after = time.monotonic(), waited_for_processor()
    disturbed = 0.0 if delay is None or after is None else (after - delay) / (now - began)
    timed = len(marks) - 1
    if not timed:
        return StepTiming(seconds=last or None, waiting=0.0, disturbed=disturbed, steps=0, warm_up=taken)
    elapsed = (now if steps.runs_ahead else marks[-1]) - marks[0]
    return StepTiming(
        seconds=elapsed / timed,
        waiting=min(1.0, waited / elapsed),
        disturbed=disturbed,
        steps=timed,
        warm_up=taken,
    )


def _require_memory(experiment: Experiment, device: ChosenDevice, job: Job) -> int:
    """The bytes that a step is estimated to need.

    Raises:
        EngineError: they are more than the device has free.
    """
    step = dry_run(experiment, check=job.check)
    memory = memory_of(device.torch)
    parts = memory_parts(experiment, step, device, memory)
    needed: int = sum(part["bytes"] for part in parts)
    if needed > memory.free:
        ranks = experiment.compute.ranks
        whole = f"; of {ranks} devices one is measured, with the whole batch" if ranks > 1 else ""
        raise EngineError(
            "one step does not fit into memory, so it is not tried",
            f"it needs about {size(needed)}, and {device.name} has {size(memory.free)} free{whole}",
            next=(
                *(("measure all devices: wmse-tui bench --stage step",) if whole else ()),
                "use a smaller schedule.batch_size",
                "end other processes that use memory",
            ),
        )
    return needed


def _images_found(experiment: Experiment, loaded: CachedImages) -> int:
    """Bytes of images in memory whose number is known only once they were read."""
    pixels = loaded.train.pixels
    return 0 if pixels is None or DATASETS[experiment.dataset.name].size is not None else pixels.nbytes


def _prefetched(experiment: Experiment, kind: str) -> int:
    if kind != "workers":
        return 0
    workers = experiment.compute.workers
    return 2 * (min(MOST_WORKERS, available_cores()) if workers is None else workers)


def _notices(
    timing: StepTiming,
    kind: str,
    loaded: CachedImages,
    evaluations: EvaluationTimes,
    total: int | None,
    allowed: float,
    compiled: str,
) -> Iterator[Advice]:
    if compiled:
        yield Advice("compute.compile", "info", compiled)
    if timing.seconds is None:
        text = f"one step takes longer than the {duration(STEP_SHARE * allowed)} that were allowed for it"
        yield Advice("backbone.arch", "warning", text)
    elif not timing.steps:
        text = "measured on one of the first steps, which are slower: there was no time for more"
        yield Advice("schedule.batch_size", "info", text)
    if loaded.why:
        decoding = " (decoding the files is not in it)" if isinstance(loaded.train, RepeatedImages) else ""
        yield Advice("dataset.name", "info", f"measured with patterns{decoding}: {loaded.why}")
    if total is None:
        yield Advice("dataset.root", "info", "how many steps the run has is known once its images are here")
    if evaluations.seconds is None and evaluations.text:
        yield Advice("evaluation", "info", evaluations.text)
    if kind == "workers" and timing.waiting > MUCH_WAITING:
        text = f"{timing.waiting:.0%} of a step is waiting for views: more compute.workers or processor cores"
        yield Advice("compute.workers", "info", text)
    if timing.disturbed > MUCH_DISTURBED:
        text = f"other processes had the processor for {timing.disturbed:.0%} of the time; alone it is faster"
        yield Advice("compute.device", "info", text)
