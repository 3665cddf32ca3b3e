"""The method SimCLR: its temperature reaches the loss, and a BatchNorm closes its head where configured."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wmse_tui.config.methods import SimClr
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.losses import contrastive_loss
from wmse_tui.engine.methods import build_method

Build = Callable[..., Experiment]


def test_the_loss_is_that_of_the_embeddings_at_the_temperature(experiment: Build, views: Tensor) -> None:
    losses = build_method(experiment(SimClr(temperature=0.2)))(views, step_key=(0, 1))
    assert losses.total.item() == contrastive_loss(losses.embeddings, temperature=0.2).item()


def test_a_batch_norm_closes_the_head_over_all_views(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(SimClr()))
    projector = method.projector
    assert isinstance(projector, nn.Sequential)
    assert isinstance(projector[-1], nn.BatchNorm1d)
    embeddings = method(views, step_key=(0, 1)).embeddings.flatten(0, 1)
    torch.testing.assert_close(embeddings.mean(0), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(embeddings.var(0, correction=0), torch.ones(4), rtol=0, atol=1e-2)


def test_without_it_the_head_ends_with_its_linear_layer(experiment: Build) -> None:
    projector = build_method(experiment(SimClr(output_batch_norm=False))).projector
    assert isinstance(projector, nn.Sequential)
    assert isinstance(projector[-1], nn.Linear)


def test_the_same_batch_costs_the_same_at_every_step(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(SimClr()))
    first, second = (method(views, step_key=(0, step)).total.item() for step in (1, 2))
    assert first == second


def test_its_loss_factorises_nothing(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(SimClr()))
    assert method.whitening_input(method(views, step_key=(0, 1)).embeddings, step_key=(0, 1)) is None
