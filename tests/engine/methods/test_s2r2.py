"""The method S2R2-style ranking: options reach the loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from wmse_tui.config.methods import S2r2
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.losses import ranking_loss
from wmse_tui.engine.methods import build_method

Build = Callable[..., Experiment]


@pytest.mark.parametrize(
    "options",
    [S2r2(), S2r2(bins=7), S2r2(relaxation="smooth"), S2r2(relaxation="smooth", rank_temperature=0.3)],
    ids=str,
)
def test_the_loss_is_that_of_the_embeddings(options: S2r2, experiment: Build, views: Tensor) -> None:
    losses = build_method(experiment(options))(views, step_key=(0, 1))
    expected = ranking_loss(
        losses.embeddings,
        relaxation=options.relaxation,
        bins=options.bins,
        temperature=options.rank_temperature,
    )
    assert losses.total.item() == expected.item()


def test_the_projector_sees_all_views_together(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(S2r2()))
    method(views, step_key=(0, 1))
    assert method.get_buffer("projector.1.num_batches_tracked").item() == 1
