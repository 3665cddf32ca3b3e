"""The method VIbCReg: options reach the loss, and a failure is explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import VibcReg
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import vibcreg_loss
from wmse_tui.engine.methods import build_method

Build = Callable[..., Experiment]


@pytest.mark.parametrize(
    "options",
    [
        VibcReg(),
        VibcReg(steps=0),
        VibcReg(steps=2, groups=2),
        VibcReg(invariance=1, variance=2, correlation=3),
    ],
    ids=str,
)
def test_the_loss_is_that_of_the_embeddings_and_the_sum_of_its_parts(
    options: VibcReg, experiment: Build, views: Tensor
) -> None:
    losses = build_method(experiment(options))(views, step_key=(0, 1))
    given = options.model_dump(exclude={"name"})
    assert losses.total.item() == vibcreg_loss(losses.embeddings, **given).item()
    weighted = sum(given[name] * part.item() for name, part in losses.parts.items())
    assert losses.total.item() == pytest.approx(weighted, rel=1e-6)
    assert list(losses.parts) == ["invariance", "variance", "correlation"]


def test_a_failure_is_explained(experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(VibcReg()))
    embeddings = method(views, step_key=(0, 1)).embeddings.clone()
    assert method.diagnose(embeddings, step_key=(0, 1)) is None
    embeddings[1, 2, 3] = torch.nan
    assert isinstance(method.diagnose(embeddings, step_key=(0, 1)), WhiteningFailed)
    plain = build_method(experiment(VibcReg(steps=0)))
    assert plain.diagnose(embeddings, step_key=(0, 1)) is None
    with torch.no_grad():
        method.get_parameter("projector.3.weight").zero_()
    with pytest.raises(WhiteningFailed, match="no dimension of a slice varies"):
        method(views, step_key=(0, 1))
