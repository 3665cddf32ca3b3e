"""The method Barlow Twins: options reach the loss, and the log gets both of its terms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from wmse_tui.config.methods import BarlowTwins
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.losses import barlow_twins_loss
from wmse_tui.engine.methods import build_method

Build = Callable[..., Experiment]


@pytest.mark.parametrize("options", [BarlowTwins(), BarlowTwins(redundancy=0.5, scale=0.1)], ids=str)
def test_the_loss_is_that_of_the_embeddings_and_the_sum_of_its_parts(
    options: BarlowTwins, experiment: Build, views: Tensor
) -> None:
    losses = build_method(experiment(options))(views, step_key=(0, 1))
    expected = barlow_twins_loss(losses.embeddings, redundancy=options.redundancy, scale=options.scale)
    assert losses.total.item() == expected.item()
    parts = {name: part.item() for name, part in losses.parts.items()}
    assert list(parts) == ["disagreement", "repetition"]
    weighted = options.scale * (parts["disagreement"] + options.redundancy * parts["repetition"])
    assert losses.total.item() == pytest.approx(weighted, rel=1e-6)
    assert not any(part.requires_grad for part in losses.parts.values())


def test_a_batch_that_is_one_view_twice_agrees_with_itself(experiment: Build, views: Tensor) -> None:
    losses = build_method(experiment(BarlowTwins()))(views[[0, 0]], step_key=(0, 1))
    assert losses.parts["disagreement"].item() < 1e-3
    assert losses.parts["repetition"].item() > 0.1


def test_the_projector_sees_one_view_at_a_time(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(BarlowTwins()))
    method(views, step_key=(0, 1))
    assert method.get_buffer("projector.1.num_batches_tracked").item() == len(views)
