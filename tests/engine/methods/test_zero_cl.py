"""The method Zero-CL: options reach the loss, and a failure is explained by the step that failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import ZeroCl
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import zero_cl_loss
from wmse_tui.engine.methods import build_method, zero_cl

Build = Callable[..., Experiment]


def build(options: ZeroCl, experiment: Build) -> zero_cl.ZeroCl:
    method = build_method(experiment(options))
    assert isinstance(method, zero_cl.ZeroCl)
    return method


@pytest.mark.parametrize("options", [ZeroCl(), ZeroCl(variant="instance"), ZeroCl(ridge=0)], ids=str)
def test_the_loss_is_that_of_the_embeddings(options: ZeroCl, experiment: Build, views: Tensor) -> None:
    losses = build(options, experiment)(views, step_key=(0, 1))
    expected = zero_cl_loss(losses.embeddings, variant=options.variant, ridge=options.ridge)
    assert losses.total.item() == expected.item()


def test_a_failure_is_explained_by_the_step_that_failed(experiment: Build, views: Tensor) -> None:
    method = build(ZeroCl(ridge=0), experiment)
    embeddings = method(views, step_key=(0, 1)).embeddings.clone()
    assert method.diagnose(embeddings, step_key=(0, 1)) is None
    repeated, constant = embeddings.clone(), embeddings.clone()
    repeated[..., 1] = repeated[..., 0]
    constant[..., 1] = 0.5
    texts = [method.diagnose(broken, step_key=(0, 1)) for broken in (repeated, constant)]
    assert all(isinstance(text, WhiteningFailed) for text in texts)
    assert "its 1 smallest eigenvalues are 0 or rounding" in str(texts[0])
    assert "the variance of dimension 2 is 0 or rounding" in str(texts[1])
    with torch.no_grad():
        method.get_parameter("projector.3.weight").zero_()
    with pytest.raises(WhiteningFailed, match="a dimension does not vary"):
        method(views, step_key=(0, 1))
