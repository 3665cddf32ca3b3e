"""The method INTL: options reach the loss, views are embedded one at a time, collapse is diagnosed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import Intl
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.diagnostics.quantities import whiteness_error
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import intl_loss
from wmse_tui.engine.methods import build_method, intl

Build = Callable[..., Experiment]


def build(options: Intl, experiment: Build) -> intl.Intl:
    method = build_method(experiment(options))
    assert isinstance(method, intl.Intl)
    return method


@pytest.mark.parametrize("options", [Intl(), Intl(steps=2, axis="batch"), Intl(trace_weight=0.7)], ids=str)
def test_the_loss_is_that_of_the_embeddings(options: Intl, experiment: Build, views: Tensor) -> None:
    losses = build(options, experiment)(views, step_key=(0, 1))
    expected = intl_loss(
        losses.embeddings, steps=options.steps, axis=options.axis, trace_weight=options.trace_weight
    )
    assert losses.total.item() == expected.item()


def test_views_are_embedded_one_at_a_time(experiment: Build, views: Tensor) -> None:
    method = build(Intl(), experiment)
    together = method(views, step_key=(0, 1)).embeddings
    alone = method(views[[1, 0]], step_key=(0, 1)).embeddings
    torch.testing.assert_close(alone[0], together[1])


def test_a_collapsed_network_is_explained(experiment: Build, views: Tensor) -> None:
    method = build(Intl(), experiment)
    embeddings = method(views, step_key=(0, 1)).embeddings
    assert method.diagnose(embeddings, step_key=(0, 1)) is None
    assert method.whitening_input(embeddings, step_key=(0, 1)) is None
    with torch.no_grad():
        method.get_parameter("projector.3.weight").zero_()
        method.get_parameter("projector.3.bias").zero_()
    with pytest.raises(WhiteningFailed, match="no dimension of a slice varies"):
        method(views, step_key=(0, 1))
    found = method.diagnose(torch.zeros_like(embeddings), step_key=(0, 1))
    assert found is not None


@pytest.mark.parametrize(("axis", "shape"), [("channel", (4, 16)), ("batch", (16, 4))])
def test_what_it_made_white_has_samples_before_dimensions(
    axis: Literal["channel", "batch"], shape: tuple[int, int], experiment: Build, views: Tensor
) -> None:
    method = build(Intl(axis=axis, steps=12), experiment)
    embeddings = method(views, step_key=(0, 1)).embeddings
    z = method.whitening_output(embeddings, step_key=(0, 1))
    assert z.shape[1:] == shape
    assert z.shape == embeddings.shape or z.mT.shape == embeddings.shape
    if axis == "batch":
        assert whiteness_error(z).max() < 1e-2
