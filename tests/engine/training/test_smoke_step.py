"""A run first takes one step and one batch of an evaluation, of which nothing stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from events import read_log

from wmse_tui.config.loading import parse_experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.methods import Method, build_method, move_to_device
from wmse_tui.engine.models.cifar_resnet import CifarResNet
from wmse_tui.engine.training import smoke_step as module
from wmse_tui.engine.training.compiled import Compiled
from wmse_tui.engine.training.session import run_session
from wmse_tui.engine.training.smoke_step import smoke_step
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Error, Exit

MakeRun = Callable[..., RunDirectory]
CPU = torch.device("cpu")
METHODS = {
    "w_mse": (),
    "simclr": ("method.name=simclr",),
    "byol": ("method.name=byol", "method.predictor_hidden=16"),
    "shuffled_dbn": ("method={name: shuffled_dbn, groups: 2}", "projector.dim=8"),
}


def parts(run: RunDirectory) -> tuple[Method, Any, Any, Any]:
    experiment = parse_experiment(run.config.read_text(), "config.yaml")
    data = load_data(experiment, progress=lambda *_: None)
    return (
        move_to_device(build_method(experiment), CPU),
        build_batches(data.train, experiment, CPU),
        data,
        experiment,
    )


@pytest.mark.parametrize("loader", [("batched",), ("workers", "compute.workers=1")], ids=lambda way: way[0])
@pytest.mark.parametrize("method_name", METHODS)
def test_nothing_of_it_stays(make_run: MakeRun, method_name: str, loader: tuple[str, ...]) -> None:
    run = make_run(*METHODS[method_name], f"compute.loader={loader[0]}", *loader[1:])
    method, batches, data, experiment = parts(run)
    fresh = build_method(experiment).state_dict()
    drawn = torch.random.get_rng_state()
    moved: list[bool] = []
    after_step = method.after_step
    first = next(method.parameters())
    start = first.detach().clone()

    def record(progress: float) -> None:
        moved.append(not torch.equal(first, start))
        after_step(progress)

    method.after_step = record  # type: ignore[method-assign]
    smoke_step(method, batches, data, experiment, CPU, Compiled())
    assert moved == [True], "it was a real step"
    state = method.state_dict()
    assert state.keys() == fresh.keys()
    assert all(torch.equal(state[name], fresh[name]) for name in fresh)
    assert all(parameter.grad is None for parameter in method.parameters())
    assert torch.equal(torch.random.get_rng_state(), drawn)
    views = [view for _, view in zip(range(2), batches.epoch(0), strict=False)]
    again = [view for _, view in zip(range(2), parts(run)[1].epoch(0), strict=False)]
    assert all(torch.equal(one, other) for one, other in zip(views, again, strict=True))
    batches.close()


def test_too_little_memory_for_a_step_shows_before_anything_else(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total of")

    monkeypatch.setattr(module, "trial_step", refuse)
    run = make_run()
    assert run_session(run.path) == 1
    events = [record.event for record in read_log(run.events)]
    errors = [event for event in events if isinstance(event, Error)]
    assert [(error.code, error.stage) for error in errors] == [("E_GPU_OOM", "start")]
    assert not any(isinstance(event, Attempt) for event in events)
    assert isinstance(events[-1], Exit)


def test_too_little_memory_for_an_evaluation_shows_too(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = CifarResNet.forward

    def refuse(self: CifarResNet, images: torch.Tensor) -> torch.Tensor:
        if not self.training and len(images) > 16:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory"
            )
        return forward(self, images)

    monkeypatch.setattr(CifarResNet, "forward", refuse)
    run = make_run()
    assert run_session(run.path) == 1
    error = next(record.event for record in read_log(run.events) if isinstance(record.event, Error))
    assert (error.code, error.stage) == ("E_MEMORY", "start")


def test_a_loss_that_fails_is_left_to_the_training(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batches, data, experiment = parts(make_run())

    def fail(*_: Any, **__: Any) -> None:
        raise WhiteningFailed("too few")

    monkeypatch.setattr(type(method), "forward", fail)
    smoke_step(method, batches, data, experiment, CPU, Compiled())
