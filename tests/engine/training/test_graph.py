"""A replayed step is the step: bit for bit, with each number that differs from step to step in its place."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from events import read_log
from recording import Noted
from torch import Tensor

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.distribution.ranks import ALONE, Ranks
from wmse_tui.engine.methods import Losses, Method, build_method
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.recording import CudaGraphs
from wmse_tui.engine.training import session
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.engine.training.graph import WARM_UP, StepGraph, stepper
from wmse_tui.engine.training.loop import TrainingLoop
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.requests import StopRequested
from wmse_tui.engine.training.session import run_session
from wmse_tui.engine.training.stepping import EagerStepper, Stepper
from wmse_tui.engine.whitening import matrices, operator
from wmse_tui.engine.whitening.polar import PolarZca
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Diagnostics, Notice, Phase, Steps

CPU = torch.device("cpu")
STEPS = WARM_UP + 3
LARS = "optimizer={name: lars, lr: 0.3, bias_lr: 0.01, trust: 0.02, clip: true}"
SGD = "optimizer={name: sgd, lr: 0.1, nesterov: true}"
READ = "aten::_local_scalar_dense"  # as a CPU may: it raises where a slice cannot be whitened
UNRECORDED = "steps run as written, because one cannot be recorded as a CUDA graph:"
CASES: dict[str, tuple[str, ...]] = {
    "w_mse, adam": ("method={name: w_mse, whitening_size: 8, iterations: 2}",),
    "w_mse, sgd": ("method={name: w_mse, whitening_size: 8}", SGD),
    "cw_rgp": ("method={name: cw_rgp, whitening_size: 8, groups: 2}", "projector.dim=32"),
    "shuffled_dbn": ("method={name: shuffled_dbn, groups: 2}", "projector.dim=8"),
    "byol": ("method={name: byol, predictor_hidden: 16, momentum: 0.9}",),
    "byol, together": ("method={name: byol, predictor_hidden: 16}", "backbone.views=together"),
    "simsiam": ("method={name: simsiam, predictor_hidden: 16}",),
    "barlow_twins, lars": ("method.name=barlow_twins", LARS),
    "whitened encoder": ("method.name=simclr", "backbone.whitening=iterative"),
}


def small(*overrides: str) -> Experiment:
    sizes = ("dataset.crop=16", "projector.hidden=16", "projector.dim=4", "schedule.batch_size=16")
    method = () if any("method" in each for each in overrides) else ("method.whitening_size=8",)
    return load_experiment(preset="quickstart", overrides=(*sizes, *method, *overrides))


class Both:
    """One experiment twice: stepped as written, and recorded."""

    def __init__(self, *overrides: str) -> None:
        experiment = small(*overrides)
        self.methods: list[Method] = []
        self.optimizers: list[torch.optim.Optimizer] = []
        for _ in range(2):
            method = build_method(experiment).train()
            self.methods.append(method)
            self.optimizers.append(
                build_optimizer(
                    method.trainable_parameters(),
                    experiment.optimizer,
                    unscheduled=method.unscheduled_parameters(),
                )
            )
        cast = partial(autocast, experiment.compute.precision, CPU)
        self.notices: list[tuple[str, bool]] = []
        self.phases: list[str] = []
        self.recorder = Noted(self.methods[1], self.optimizers[1])
        self.steppers: list[Stepper] = [
            EagerStepper(self.methods[0], self.optimizers[0], cast),
            StepGraph(
                self.methods[1],
                self.optimizers[1],
                cast,
                recorder=self.recorder,
                phase=self.phases.append,
                notify=lambda text, less: self.notices.append((text, less)),
            ),
        ]

    def step(self, number: int, views: Tensor) -> tuple[Losses, Losses]:
        first, second = (
            take(views, step_key=(5, number), lr=0.01 / number, progress=number / 10)
            for take in self.steppers
        )
        return first, second

    def assert_same_state(self) -> None:
        exactly(self.methods[1].state_dict(), self.methods[0].state_dict())
        exactly(self.optimizers[1].state_dict(), self.optimizers[0].state_dict())


def exactly(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def random_views(number: int) -> Tensor:
    return torch.randn(2, 16, 3, 16, 16, generator=torch.Generator().manual_seed(number))


@pytest.mark.parametrize("case", CASES)
def test_replayed_steps_are_those_as_written(case: str) -> None:
    both = Both(*CASES[case])
    for number in range(1, STEPS + 1):
        ours, theirs = both.step(number, random_views(number))
        exactly(theirs.total, ours.total.detach())
        exactly(theirs.parts, ours.parts)
        exactly(theirs.embeddings, ours.embeddings)
        exactly(both.methods[1].features, both.methods[0].features)
    both.assert_same_state()
    assert both.recorder.replays == STEPS - WARM_UP
    assert both.phases == ["graph", "train"]
    ((text, less),) = both.notices
    assert text.startswith("a step was recorded in ")
    assert text.endswith(" s, and is replayed as one CUDA graph")
    assert not less


@pytest.mark.parametrize(
    "overrides",
    [
        CASES["cw_rgp"],
        CASES["shuffled_dbn"],
        ("method={name: zero_cl}",),
        ("method={name: w_mse, whitening_size: 8, operator: zca}",),
        ("method.name=simclr", "backbone={whitening: zca, whitening_groups: 8}"),
    ],
    ids=str,
)
def test_steps_are_replayed_with_the_root_that_a_gpu_computes(
    overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (operator, matrices):
        monkeypatch.setattr(module, "root_of", lambda *_, **__: PolarZca())
    both = Both(*overrides)
    both.recorder.synchronising = tuple(CudaGraphs.SYNCHRONISING - {READ})
    for number in range(1, STEPS + 1):
        both.step(number, random_views(number))
    both.assert_same_state()
    assert both.recorder.replays == STEPS - WARM_UP


@pytest.mark.parametrize("bad", [2, WARM_UP + 1, WARM_UP + 2], ids=["as written", "recorded", "replayed"])
def test_a_loss_that_is_not_finite_stops_a_replayed_step_too(bad: int) -> None:
    both = Both("method.name=simclr")
    weights: list[Tensor] = []
    for number in range(1, STEPS + 1):
        views = random_views(number)
        if number == bad:
            views[0, 3] = torch.nan
        both.step(number, views)
        both.assert_same_state()
        weights.append(both.methods[1].projector.state_dict()["0.weight"].clone())
    moved = [not torch.equal(*pair) for pair in itertools.pairwise(weights)]
    assert moved == [number < bad for number in range(2, STEPS + 1)]


def test_a_number_that_python_reads_during_the_recording_is_noticed() -> None:
    """The stand-in for a graph can fail, and so can the tests above."""
    both = Both(*CASES["byol"])
    update = both.methods[1].update_target
    both.methods[1].update_target = lambda rate: update(float(rate))  # type: ignore[method-assign]
    for number in range(1, WARM_UP + 2):
        both.step(number, random_views(number))
    with pytest.raises(AssertionError, match="the step depends on"):
        both.step(WARM_UP + 2, random_views(1))


def test_what_cannot_be_recorded_runs_as_written_with_the_reason() -> None:
    both = Both("method.name=simclr")

    def refuse(compute: Callable[[], Losses]) -> Callable[[], Losses]:
        for parameter in both.methods[1].parameters():
            parameter.grad = torch.ones_like(parameter)  # what a recording leaves when it is broken off
        raise RuntimeError("\nCUDA error: operation not permitted when stream is capturing\nSearch for it\n")

    both.recorder.record = refuse  # type: ignore[method-assign]
    for number in range(1, STEPS + 1):
        both.step(number, random_views(number))
    both.assert_same_state()
    ((text, less),) = both.notices
    why = "RuntimeError: CUDA error: operation not permitted when stream is capturing Search for it"
    assert text == f"{UNRECORDED} {why}"
    assert less
    assert both.phases == ["graph", "train"]


def test_the_reason_is_the_first_error_of_a_recording() -> None:
    """Ending a capture that has failed raises another error over the one that broke it."""
    both = Both("method.name=simclr")

    def refuse(compute: Callable[[], Losses]) -> Callable[[], Losses]:
        try:
            raise RuntimeError("cusolver error: CUSOLVER_STATUS_EXECUTION_FAILED")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    both.recorder.record = refuse  # type: ignore[method-assign]
    for number in range(1, WARM_UP + 2):
        both.step(number, random_views(number))
    ((text, _),) = both.notices
    assert text == f"{UNRECORDED} RuntimeError: cusolver error: CUSOLVER_STATUS_EXECUTION_FAILED"


def test_a_step_that_synchronises_is_not_recorded() -> None:
    both = Both(*CASES["cw_rgp"])
    both.recorder.synchronising = ("aten::_linalg_eigh", "aten::nonzero")
    for number in range(1, STEPS + 1):
        both.step(number, random_views(number))
    both.assert_same_state()
    assert both.recorder.replays == 0
    assert both.phases == []
    assert both.notices == [
        (f"{UNRECORDED} these operations synchronise with the device: _linalg_eigh", True)
    ]


def test_a_graph_is_for_a_gpu() -> None:
    method = build_method(small())
    optimizer = torch.optim.SGD(method.parameters(), lr=1)
    notices: list[Any] = []

    def made(wanted: str) -> Stepper:
        notify = lambda text, less: notices.append((text, less))  # noqa: E731
        return stepper(
            wanted, method, optimizer, lambda: torch.autocast("cpu"), CPU, phase=notices.append, notify=notify
        )

    assert isinstance(made("auto"), EagerStepper)
    assert notices == []
    assert isinstance(made("graph"), EagerStepper)
    assert notices == [("steps run as written: CUDA graphs need a GPU, and this is the CPU", True)]


def test_a_recorded_run_that_is_stopped_and_resumed_equals_one_as_written(
    make_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded again in the second attempt, in other steps than in the first."""
    sizes = (
        "dataset.train_images=144",
        "schedule.epochs=1",
        "evaluation.knn=off",
        "evaluation.map=off",
        "method={name: byol, predictor_hidden: 16}",
    )
    plain, recorded = make_run(*sizes, name="plain"), make_run(*sizes, name="recorded")
    assert run_session(plain.path) == 0

    def record(
        _: str, method: Method, optimizer: Any, cast: Any, __: Any, *, ranks: Ranks, **notices: Any
    ) -> Stepper:
        assert ranks is ALONE
        return StepGraph(method, optimizer, cast, recorder=Noted(method, optimizer), **notices)

    at_boundary = TrainingLoop._at_boundary

    def stop(trainer: TrainingLoop) -> None:
        at_boundary(trainer)
        if trainer.position.step == WARM_UP + 2:
            raise StopRequested("here")

    monkeypatch.setattr(session, "stepper", record)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_at_boundary", stop)
        assert run_session(recorded.path) == 4
    assert run_session(recorded.path) == 0
    ours, theirs = (read_checkpoint(run.checkpoints / "final.pt") for run in (recorded, plain))
    for part in ("method", "optimizer"):
        exactly(ours[part], theirs[part])
    first, second = ([each.event for each in read_log(run.events)] for run in (plain, recorded))
    assert losses_of(second) == losses_of(first)
    assert [event.code for event in second if isinstance(event, Notice)] == [
        "N_IMAGES",
        "N_GRAPH",
        "N_IMAGES",
        "N_GRAPH",
    ]
    assert "graph" in {event.name for event in second if isinstance(event, Phase)}
    spaces = {event.space for event in second if isinstance(event, Diagnostics)}
    assert {"projector", "features"} <= spaces


def losses_of(events: list[Any]) -> list[float | None]:
    return [loss for event in events if isinstance(event, Steps) for loss in event.loss]
