"""A timed step is a step of training, and it can be cancelled within a layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.profiling.timed_steps import TimedSteps, endless, interruptible, restored_switches
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.engine.training.device import prepare
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import create_run

CPU = torch.device("cpu")
Tiny = Callable[..., Experiment]


@pytest.mark.parametrize("method", ["w_mse", "byol"])
def test_the_same_batches_lead_to_the_weights_of_the_trainer(method: str, tiny: Tiny, tmp_path: Path) -> None:
    experiment = tiny(
        f"method.name={method}",
        "dataset.train_images=64",
        "schedule.epochs=2",
        "evaluation.knn=off",
        "evaluation.linear=off",
        "evaluation.raw_pixels=false",
    )
    run = create_run(tmp_path, dump_experiment(experiment), name="a")
    assert run_session(run.path) == 0
    trained = read_checkpoint(run.checkpoints / "final.pt")["method"]

    data = load_data(experiment, progress=lambda *_: None)
    batches = build_batches(data.train, experiment, CPU)
    steps = TimedSteps(experiment, CPU, steps_per_epoch=4)
    for views, _ in zip(endless(batches), range(8), strict=False):
        steps.step(views)
    stepped = steps.method.state_dict()
    assert trained.keys() == stepped.keys()
    assert all(torch.equal(trained[name], stepped[name]) for name in trained)


def test_a_step_can_be_cancelled_forward_and_backward(tiny: Tiny) -> None:
    steps = TimedSteps(tiny(), CPU, steps_per_epoch=4)
    views = torch.randn(2, 16, 3, 16, 16)
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        if calls == limit:
            raise InterruptedError

    limit = 0
    with interruptible(steps.method, count):
        steps.step(views)
    whole = calls
    parameters = len(steps.method.trainable_parameters())
    assert whole > 2 * parameters / 3 + parameters
    for limit in (5, whole - 3):
        calls = 0
        with pytest.raises(InterruptedError), interruptible(steps.method, count):
            steps.step(views)
        assert calls == limit
    calls = 0
    steps.step(views)
    assert calls == 0  # no hook is left behind


def test_the_switches_of_a_run_are_restored() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with restored_switches():
        prepare(CPU, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before
