"""A rank that is simulated without values and without the other ranks has the memory of a real one."""

from __future__ import annotations

import pytest
import torch
from forked_ranks import ForkedRanks
from torch.autograd.profiler import profile

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.names import unions
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.ranks import Group
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.profiling.dry_run import simulate_step

SETTINGS = (
    "backbone.arch=cifar_resnet8",
    "dataset.crop=8",
    "dataset.eval_resize=8",
    "dataset.eval_crop=8",
    "projector.layers=2",
    "compute.devices=2",
)
LARGE = ("projector.hidden=256", "projector.dim=256", "schedule.batch_size=16")
WHITENED = {
    "w_mse": (LARGE[0], "projector.dim=32", "method.whitening_size=64", "schedule.batch_size=64"),
    "cw_rgp": (*LARGE[:2], "method.groups=2", "method.whitening_size=64", "schedule.batch_size=64"),
}
"""Methods that whiten need more images than dimensions, or fewer."""


def peak_of_rank_1(group: Group, experiment: Experiment) -> int:
    """The most that torch's allocator has given to a step, in bytes: weights and views are there before."""
    torch.manual_seed(0)
    method = build_method(experiment)
    share_batch_norms(method)
    crop = experiment.dataset.crop
    torch.manual_seed(group.rank)
    views = torch.randn(2, experiment.schedule.batch_size // group.world, 3, crop, crop)
    with profile(profile_memory=True, enabled=group.rank == 1) as profiled:
        with group.shared_step():
            losses = method(views, step_key=(7, 1))
            losses.total.backward()
        group.mean_gradients(method.trainable_parameters())
    assert losses.total.isfinite()
    held = peak = 0
    if group.rank == 1:
        events = profiled.kineto_results.events()
        for event in sorted(events, key=lambda event: event.start_ns()):
            if event.name() == "[memory]":
                held += event.nbytes()
                peak = max(peak, held)
    return int(group.gathered(peak)[1])


@pytest.mark.parametrize("ranks", [2], indirect=True)
def test_it_holds_what_a_real_one_does(ranks: ForkedRanks) -> None:
    """For every method, with a loss and a projector that are much larger than the encoder."""
    for name in unions()["method"].classes:
        settings = (f"method={{name: {name}}}", *SETTINGS, *WHITENED.get(name, LARGE))
        experiment = load_experiment(preset="quickstart", overrides=settings)
        found = simulate_step(experiment, check=lambda: None, ranks=2).activations
        real = ranks.run(peak_of_rank_1, experiment)
        assert 0.9 < found / real < 1.1, name
