"""The paper's way, which ours is measured against, computes the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.benchmark.paper_reference import ReferenceSteps, loss_by_loops
from wmse_tui.engine.benchmark.rounds import Quartiles, time_rounds
from wmse_tui.engine.losses import w_mse_loss
from wmse_tui.engine.profiling.timed_steps import TimedSteps

TINY = (
    "dataset.crop=16",
    "schedule.batch_size=16",
    "schedule.kind=constant",
    "schedule.warmup_steps=0",
    "method.whitening_size=8",
    "projector.dim=4",
    "projector.hidden=8",
    "optimizer.name=adam",
)


@pytest.mark.parametrize(("views", "size", "eps"), [(2, 8, 0.0), (3, 16, 0.0), (2, 8, 1e-3)])
def test_the_loop_over_slices_has_our_value_and_gradient(views: int, size: int, eps: float) -> None:
    random = torch.Generator().manual_seed(0)
    a = torch.randn(views, 16, 4, generator=random).requires_grad_()
    b = a.detach().clone().requires_grad_()
    orders = torch.stack([torch.randperm(16, generator=random) for _ in range(2)])
    ours = w_mse_loss(a, whitening_size=size, permutations=orders, eps=eps)
    theirs = loss_by_loops(b, whitening_size=size, permutations=orders, eps=eps)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(b.grad, a.grad, rtol=1e-3, atol=1e-5)


def test_a_short_training_of_both_has_the_same_losses() -> None:
    """In float64: in float32 six steps make of roundings, which differ from chip to chip, a thousandth."""
    experiment = load_experiment(preset="quickstart", overrides=TINY)
    cpu = torch.device("cpu")
    ours, theirs = TimedSteps(experiment, cpu, steps_per_epoch=10), ReferenceSteps(experiment, cpu)
    ours.method.double()
    theirs.method.double()
    random = torch.Generator().manual_seed(1)
    for _ in range(6):
        views = torch.randn(2, 16, 3, 16, 16, generator=random, dtype=torch.float64)
        losses = ours.losses(views)
        losses.total.backward()
        ours.update(losses)
        assert theirs.step(views) == pytest.approx(float(losses.total.detach()), rel=1e-10)


def test_ratios_are_taken_round_by_round() -> None:
    times = iter([9.0, 1.0, 2.0, 4.0])
    others = iter([9.0, 2.0, 6.0, 16.0])
    row = time_rounds("x", "y", lambda: next(times), lambda: next(others), rounds=3, work=8, unit="views")
    assert row.ours == Quartiles(2.0, 1.5, 3.0)
    assert row.ratio == Quartiles(3.0, 2.5, 3.5)
    speed = row.to_json()["per_second"]
    assert (speed["median"], speed["low"], speed["high"]) == (4.0, 8 / 3.0, 8 / 1.5)


def test_malloc_is_left_to_the_environment_that_configures_it() -> None:
    program = "from wmse_tui.engine.process import cache_large_blocks; print(cache_large_blocks())"
    plain = {name: value for name, value in os.environ.items() if "MALLOC" not in name}

    def printed(**more: str) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.check_output(command, env={**plain, **more}, text=True).strip()

    assert printed(MALLOC_MMAP_MAX_="9") == "False"
    assert printed(GLIBC_TUNABLES="glibc.malloc.trim_threshold=9") == "False"
