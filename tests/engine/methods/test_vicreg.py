"""The method VICReg: options reach the loss, and the log gets its three terms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from wmse_tui.config.methods import VicReg
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.losses import vicreg_loss
from wmse_tui.engine.methods import build_method

Build = Callable[..., Experiment]


@pytest.mark.parametrize("options", [VicReg(), VicReg(invariance=1, variance=2, covariance=3)], ids=str)
def test_the_loss_is_that_of_the_embeddings_and_the_sum_of_its_parts(
    options: VicReg, experiment: Build, views: Tensor
) -> None:
    losses = build_method(experiment(options))(views, step_key=(0, 1))
    weights = options.model_dump(exclude={"name"})
    assert losses.total.item() == vicreg_loss(losses.embeddings, **weights).item()
    assert list(losses.parts) == list(weights)
    weighted = sum(weights[name] * part.item() for name, part in losses.parts.items())
    assert losses.total.item() == pytest.approx(weighted, rel=1e-6)
    assert not any(part.requires_grad for part in losses.parts.values())


def test_the_projector_sees_one_view_at_a_time(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(VicReg()))
    method(views, step_key=(0, 1))
    assert method.get_buffer("projector.1.num_batches_tracked").item() == len(views)
