"""Counting the batches of all BatchNorms at once leaves every bit of a training as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.benchmark.steps import count_operations
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.training.batch_counters import BatchCounters

SIZES = ("dataset.crop=16", "projector.hidden=16", "projector.dim=8", "schedule.batch_size=16")


@pytest.mark.parametrize(
    ("method", "backbone", "norm"),
    [
        ("{name: w_mse, whitening_size: 16}", "{}", "stem.1"),
        ("{name: byol, predictor_hidden: 16}", "{}", "stem.1"),
        ("{name: simclr}", "{arch: resnet18, norm: sw2}", "layer1.1.bn1"),
        ("{name: simclr}", "{whitening: iterative}", "fc"),
    ],
)
def test_every_buffer_is_what_torch_makes_it(method: str, backbone: str, norm: str) -> None:
    views = torch.randn(2, 16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    overrides = (*SIZES, f"method={method}", f"backbone={backbone}")
    experiment = load_experiment(preset="quickstart", overrides=overrides)
    ours, theirs = build_method(experiment), build_method(experiment)
    counters = BatchCounters(ours)
    for step in range(4):
        with counters.counted():
            ours(views, step_key=(0, step))
        theirs(views, step_key=(0, step))
    expected = theirs.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())
    assert int(expected[f"encoder.{norm}.num_batches_tracked"]) == 8


def test_a_failed_step_has_counted_and_leaves_the_counters_in_place() -> None:
    norm = nn.BatchNorm1d(3)
    counters = BatchCounters(nn.Sequential(norm))
    with counters.counted():
        norm(torch.zeros(4, 3))
    with counters.counted():
        norm(torch.zeros(4, 3))

    def failing_step() -> None:
        with counters.counted():
            norm(torch.zeros(4, 3))
            raise EngineError("the loss cannot be computed")

    with pytest.raises(EngineError):
        failing_step()
    assert norm.state_dict()["num_batches_tracked"] == 3


def test_the_counters_take_one_operation() -> None:
    network = nn.Sequential(nn.Sequential(*(nn.BatchNorm1d(3) for _ in range(20))))
    counters, x = BatchCounters(network), torch.zeros(4, 3)

    def step() -> None:
        with counters.counted():
            network(x)

    step()
    assert count_operations(step) == count_operations(lambda: network(x)) - 20 + 1


def test_an_average_that_needs_its_counter_keeps_it() -> None:
    norm = nn.BatchNorm1d(3, momentum=None)
    counters = BatchCounters(nn.Sequential(norm))
    for _ in range(3):
        with counters.counted():
            norm(torch.ones(4, 3))
    state = norm.state_dict()
    assert state["num_batches_tracked"] == 3
    assert torch.equal(state["running_mean"], torch.ones(3))
