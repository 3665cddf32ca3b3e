"""What the stopwatch says, and what it says when there is nothing to say."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.main_memory import Memory
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.profiling import evaluation_times
from wmse_tui.engine.profiling.evaluation_times import time_evaluations
from wmse_tui.engine.profiling.image_cache import ImageCache
from wmse_tui.engine.profiling.timed_steps import TimedSteps
from wmse_tui.engine.service import measure as module
from wmse_tui.engine.service.measure import measure_run
from wmse_tui.engine.service.worker import Cancelled

Tiny = Callable[..., Experiment]

PLENTY = 300  # seconds that may be used: far more than a measurement takes, however busy the machine


def test_the_run_is_its_steps_and_its_evaluations(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny
) -> None:
    experiment = tiny("evaluation.every=1", "evaluation.linear=lbfgs", "evaluation.linear_epochs=8")
    answer = measure_run(experiment, job("measure", seconds=PLENTY), images)
    assert answer["steps"] >= 1
    assert answer["warm_up"] == 1
    assert answer["at_least"] is None
    assert answer["images_per_second"] == pytest.approx(16 / answer["seconds_per_step"])
    assert 0 <= answer["waiting"] <= 1
    assert answer["total_steps"] == 3 * 6
    assert answer["training_seconds"] == pytest.approx(18 * answer["seconds_per_step"])
    assert answer["evaluations"] == 4
    assert answer["evaluation_seconds"] > 0
    assert answer["run_seconds"] == answer["training_seconds"] + answer["evaluation_seconds"]
    assert answer["loader"]["kind"] == "batched"
    assert (answer["source"], answer["why"]) == ("patterns", "")
    assert answer["peak_memory"] is None or answer["peak_memory"] > 96 * 3072
    assert answer["estimated_memory"] > 150 * 2**20
    assert {notice["path"] for notice in answer["notices"]} <= {"compute.device"}


def test_workers_make_their_batches_ahead_and_end_afterwards(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny
) -> None:
    before = set(psutil.Process().children(recursive=True))
    experiment = tiny("compute.loader=workers", "compute.workers=1")
    answer = measure_run(experiment, job("measure", seconds=PLENTY), images)
    assert answer["loader"] == {"kind": "workers", "reason": "requested; 1 process"}
    assert answer["warm_up"] == 3
    assert answer["steps"] >= 1
    left = set(psutil.Process().children(recursive=True)) - before
    _, alive = psutil.wait_procs(left, timeout=60)
    assert not alive


def test_what_will_run_is_measured_compiled_and_recorded(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that compiling takes is not that of the steps."""
    shapes: list[torch.Size] = []

    def compile_slowly(_: TimedSteps, views: torch.Tensor) -> str:
        shapes.append(views.shape)
        return "the networks are compiled, in 300 s"

    def now() -> float:
        return time.monotonic() + len(shapes) * PLENTY

    monkeypatch.setattr(TimedSteps, "compile", compile_slowly)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=now))
    answer = measure_run(tiny("compute.compile=graph"), job("measure", seconds=PLENTY), images)
    assert [shape[:2] for shape in shapes] == [(2, 16)]
    assert answer["steps"] >= 1
    notices = {notice["path"]: notice["text"] for notice in answer["notices"]}
    assert notices["compute.compile"] == "the networks are compiled, in 300 s"
    measure_run(tiny(), job("measure", seconds=PLENTY), images)
    assert len(shapes) == 1, "nothing is compiled where the run compiles nothing"


def test_a_step_without_end_is_cancelled_and_reported(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP_SHARE", 0.0)
    answer = measure_run(
        tiny("dataset.name=cifar10", "schedule.epochs=2"), job("measure", seconds=20), images
    )
    assert answer["seconds_per_step"] is None
    assert answer["at_least"] == 0.0
    assert (answer["steps"], answer["warm_up"]) == (0, 0)
    assert answer["total_steps"] == 2 * 6
    assert answer["training_seconds"] is None
    assert answer["run_seconds"] is None
    notices = {notice["path"]: notice for notice in answer["notices"]}
    assert notices["backbone.arch"]["level"] == "warning"
    assert notices["backbone.arch"]["text"].startswith("one step takes longer than the ")
    assert notices["dataset.name"]["text"].startswith("measured with patterns: CIFAR-10 is not in ")


def test_one_slow_step_is_better_than_none(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = tiny()
    loaded = images.get(experiment, least=16)
    batches = build_batches(loaded.train, experiment, torch.device("cpu"))
    steps = TimedSteps(experiment, torch.device("cpu"), steps_per_epoch=6)
    now = 0.0

    def taken(views: torch.Tensor) -> None:
        nonlocal now
        now += 15.0

    monkeypatch.setattr(steps, "step", taken)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    timing = module.time_steps(steps, batches, job(), warm_up=1, prefetched=0, end=14.0)
    assert (timing.seconds, timing.steps, timing.warm_up) == (15.0, 0, 1)
    now = 0.0
    timing = module.time_steps(steps, batches, job(), warm_up=1, prefetched=4, end=100.0)
    assert (timing.seconds, timing.steps, timing.warm_up) == (15.0, 1, 4)  # half of the time was over


def test_what_does_not_fit_into_memory_is_not_tried(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "memory_of", lambda device: Memory(10**9, 10**8))
    with pytest.raises(EngineError) as caught:
        measure_run(tiny(), job("measure"), images)
    assert caught.value.title == "one step does not fit into memory, so it is not tried"
    assert caught.value.detail.endswith(" has 100 MB free")
    assert caught.value.next[0] == "use a smaller schedule.batch_size"


def test_a_cancelled_measurement_ends(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled_job = job("measure", seconds=600)
    progress = cancelled_job.progress

    def enough(name: str, *more: Any) -> None:
        if name == "measuring":
            cancelled_job.cancelled.set()
        progress(name, *more)

    monkeypatch.setattr(cancelled_job, "progress", enough)
    with pytest.raises(Cancelled):
        measure_run(tiny(), cancelled_job, images)


def test_what_cannot_be_computed_yet_is_explained(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, tmp_path: Any
) -> None:
    folder = (
        "dataset.name=folder",
        f"dataset.root={tmp_path}",
        "dataset.train_images=null",
        "dataset.test_images=null",
        "compute.workers=0",
    )
    answer = measure_run(tiny(*folder), job("measure", seconds=PLENTY), images)
    assert answer["total_steps"] is None
    assert answer["run_seconds"] is None
    texts = " / ".join(notice["text"] for notice in answer["notices"])
    assert "measured with patterns (decoding the files is not in it): no images in " in texts
    assert "how many steps the run has is known once its images are here" in texts
    assert "how long an evaluation takes is known once the labelled images are here" in texts


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        (("schedule.epochs=7", "evaluation.every=3"), 4),  # before, after 3, 6 and 7
        (("evaluation.knn=off", "evaluation.linear=off", "evaluation.raw_pixels=false"), 0),
    ],
)
def test_evaluations_are_counted_as_the_trainer_makes_them(
    overrides: tuple[str, ...], count: int, job: Callable[..., Any], images: ImageCache, tiny: Tiny
) -> None:
    experiment = tiny(*overrides)
    loaded = images.get(experiment, least=16)
    encoder = build_method(experiment).encoder
    found = time_evaluations(encoder, experiment, loaded, torch.device("cpu"), end=math.inf)
    assert found.count == count
    assert found.seconds is not None
    assert (found.seconds > 0) == (count > 0)
    assert encoder.training


def test_evaluations_scale_with_their_work(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_times, "_seconds", lambda work, device: 1.0)
    experiment = tiny(
        "schedule.epochs=2",
        "evaluation.every=1",
        "evaluation.linear=adam",
        "evaluation.linear_at=end",
        "evaluation.linear_epochs=50",
        "evaluation.batch_size=10",
    )
    loaded = images.get(experiment, least=16)
    assert (loaded.whole, loaded.probes) == (96, (96, 40))
    encoder = build_method(experiment).encoder
    found = time_evaluations(encoder, experiment, loaded, torch.device("cpu"), end=math.inf)
    features, statistics = 3 * (96 + 40) / 10, 96 / 10
    neighbours, linear = 3 * 1.0, 50.0  # all images were in the piece that was timed
    assert found.seconds == pytest.approx(features + statistics + neighbours + linear)


def test_evaluations_that_take_too_long_are_not_guessed(
    job: Callable[..., Any], images: ImageCache, tiny: Tiny
) -> None:
    experiment = tiny()
    loaded = images.get(experiment, least=16)
    encoder = build_method(experiment).encoder
    over = time.monotonic() - 1
    found = time_evaluations(encoder, experiment, loaded, torch.device("cpu"), end=over)
    assert found.seconds is None
    assert found.text.startswith("there was no time to measure an evaluation")
    assert encoder.training
