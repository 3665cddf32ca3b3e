"""The method W-MSE: options reach the loss, slices depend on seed and step, failures are explained."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import WMse
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.diagnostics.quantities import whiteness_error
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import w_mse_loss
from wmse_tui.engine.methods import build_method, w_mse
from wmse_tui.engine.random import permutation
from wmse_tui.engine.whitening import Operator, whiten

Build = Callable[..., Experiment]


def build(options: WMse, experiment: Build) -> w_mse.WMse:
    method = build_method(experiment(options))
    assert isinstance(method, w_mse.WMse)
    return method


@pytest.mark.parametrize(
    "options",
    [
        WMse(whitening_size=8),
        WMse(whitening_size=8, iterations=3),
        WMse(whitening_size=8, eps=0.1),
        WMse(whitening_size=16, normalize=False),
        WMse(whitening_size=8, operator="zca"),
        WMse(whitening_size=8, operator="pca"),
        WMse(whitening_size=8, operator="iterative", steps=3),
        WMse(whitening_size=8, operator="standardise", eps=0.1, relative_eps=True),
        WMse(whitening_size=8, operator="none"),
    ],
    ids=str,
)
def test_the_loss_slices_the_embeddings_in_the_order_of_the_step(
    options: WMse, experiment: Build, views: Tensor
) -> None:
    losses = build(options, experiment)(views, step_key=(5, 40))
    orders = torch.stack([permutation(16, seed=5, step=40, purpose=i) for i in range(options.iterations)])
    expected = w_mse_loss(
        losses.embeddings,
        whitening_size=options.whitening_size,
        operator=options.operator,
        steps=options.steps,
        eps=options.eps,
        relative_eps=options.relative_eps,
        normalize=options.normalize,
        permutations=orders,
    )
    assert losses.total.item() == expected.item()


def test_slices_depend_on_seed_step_and_iteration_alone(experiment: Build) -> None:
    method = build(WMse(whitening_size=8, iterations=2), experiment)
    orders = [method.permutations(16, key) for key in ((0, 1), (0, 2), (1, 1))]
    rows = {tuple(row.tolist()) for order in orders for row in order}
    assert len(rows) == 6
    assert all(sorted(row) == list(range(16)) for row in rows)
    assert torch.equal(method.permutations(16, (0, 1)), orders[0])


def test_a_failure_of_the_slices_of_a_step_is_explained(experiment: Build, views: Tensor) -> None:
    method = build(WMse(whitening_size=8), experiment)
    embeddings = method(views, step_key=(0, 1)).embeddings.clone()
    assert method.diagnose(embeddings, step_key=(0, 1)) is None
    embeddings[0, method.permutations(16, (0, 1))[0, 8:], 2] = 0.5  # constant in the second slice of step 1
    failure = method.diagnose(embeddings, step_key=(0, 1))
    assert isinstance(failure, WhiteningFailed)
    assert "leading minor of order 3" in failure.detail
    assert failure.detail.endswith("1 of them constant; 1 of 6 slices failed")
    assert method.diagnose(embeddings, step_key=(0, 2)) is None


def test_a_collapsed_network_stops_at_its_own_step(experiment: Build, views: Tensor) -> None:
    method = build(WMse(whitening_size=8), experiment)
    with torch.no_grad():
        method.get_parameter("projector.3.weight")[1] = 0
    with pytest.raises(WhiteningFailed, match="the leading minor of order 2 is not positive"):
        method(views, step_key=(0, 1))


def test_a_broken_network_is_distinguished_from_a_collapsed_one(experiment: Build, views: Tensor) -> None:
    method = build(WMse(whitening_size=8), experiment)
    with torch.no_grad():
        method.get_parameter("projector.3.bias")[1] = math.nan
    with pytest.raises(WhiteningFailed, match="48 NaN and 0 infinite values of 192"):
        method(views, step_key=(0, 1))


def test_the_whitening_input_of_a_step_can_be_computed_again(experiment: Build, views: Tensor) -> None:
    method = build(WMse(whitening_size=8, iterations=2, eps=0.25), experiment)
    losses = method(views, step_key=(0, 5))
    found = method.whitening_input(losses.embeddings, step_key=(0, 5))
    assert found is not None
    slices, eps = found
    assert (slices.shape, eps) == ((3, 2, 2, 8, 4), 0.25)
    z = torch.nn.functional.normalize(whiten(slices, eps=eps), dim=-1)
    distances = torch.stack([(z[i] - z[j]).square().sum(-1).mean() for i, j in ((0, 1), (0, 2), (1, 2))])
    torch.testing.assert_close(distances.mean(), losses.total.detach())


def test_only_what_the_operator_inverts_is_a_whitening_input(experiment: Build, views: Tensor) -> None:
    for operator in ("iterative", "standardise", "none"):
        method = build(WMse(whitening_size=8, operator=operator), experiment)
        embeddings = method(views, step_key=(0, 5)).embeddings
        assert method.whitening_input(embeddings, step_key=(0, 5)) is None
        assert method.diagnose(embeddings, step_key=(0, 5)) is None
    method = build(WMse(whitening_size=8, operator="zca", eps=0.25, relative_eps=True), experiment)
    found = method.whitening_input(method(views, step_key=(0, 5)).embeddings, step_key=(0, 5))
    assert found is not None
    torch.testing.assert_close(found[0].var(-2).mean(-1), torch.ones(3, 1, 2))


def test_a_failure_is_explained_for_its_operator(experiment: Build, views: Tensor) -> None:
    method = build(WMse(whitening_size=8, operator="zca"), experiment)
    with torch.no_grad():
        method.get_parameter("projector.3.weight")[1] = 0
    with pytest.raises(WhiteningFailed, match="its 1 smallest eigenvalues are 0 or rounding"):
        method(views, step_key=(0, 1))


@pytest.mark.parametrize("operator", ["cholesky", "zca", "pca", "iterative", "standardise"])
def test_the_whitening_output_is_that_of_the_loss(
    operator: Operator, experiment: Build, views: Tensor
) -> None:
    method = build(WMse(whitening_size=8, operator=operator), experiment)
    losses = method(views, step_key=(0, 5))
    z = method.whitening_output(losses.embeddings, step_key=(0, 5))
    assert z is not None
    unit = torch.nn.functional.normalize(z, dim=-1)
    distances = torch.stack(
        [(unit[i] - unit[j]).square().sum(-1).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    )
    torch.testing.assert_close(distances.mean(), losses.total.detach())
    error = whiteness_error(z).max().item()
    assert (error < 1e-4) == (operator in ("cholesky", "zca", "pca"))


def test_without_whitening_there_is_no_whitening_output(experiment: Build, views: Tensor) -> None:
    method = build(WMse(whitening_size=8, operator="none"), experiment)
    assert method.whitening_output(method(views, step_key=(0, 5)).embeddings, step_key=(0, 5)) is None
