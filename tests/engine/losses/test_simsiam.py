"""The SimSiam loss against its definition and the gradient written out by hand, and its own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.losses import byol_loss, simsiam_loss

Embeddings = Callable[[int, int, int], Tensor]


def by_hand(p: Tensor, z: Tensor) -> tuple[float, Tensor]:
    """Value, and gradient with respect to p: d cos(p, z) / dp = (ẑ - cos p̂) / |p|."""
    views, batch, _ = p.shape
    value, gradient = 0.0, torch.zeros_like(p)
    share = 1 / (batch * views * (views - 1))
    for i, j in itertools.permutations(range(views), 2):
        for n in range(batch):
            a, b = p[i, n], z[j, n] / z[j, n].norm()
            cosine = (a @ b / a.norm()).item()
            value -= share * cosine
            gradient[i, n] -= share * (b - cosine * a / a.norm()) / a.norm()
    return value, gradient


@pytest.mark.parametrize("views", [2, 3, 4])
def test_value_and_gradient_are_those_by_hand(views: int, golden_embeddings: Embeddings) -> None:
    z = golden_embeddings(views, 6, 5).requires_grad_()
    p = (golden_embeddings(views, 6, 5).flip(2) + 0.1).requires_grad_()
    loss = simsiam_loss(p, z)
    value, expected = by_hand(p.detach(), z.detach())
    assert loss.item() == pytest.approx(value, abs=1e-12)
    gradient, stopped = torch.autograd.grad(loss, (p, z), allow_unused=True)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)
    assert stopped is None


def test_through_a_predictor_only_the_prediction_moves_the_embeddings(golden_embeddings: Embeddings) -> None:
    """With predictions 2 z + 1 the gradient of z is twice the prediction's: none comes by the target."""
    z = golden_embeddings(2, 6, 5).requires_grad_()
    predictions = 2 * z + 1
    (gradient,) = torch.autograd.grad(simsiam_loss(predictions, z), z)
    _, expected = by_hand(predictions.detach(), z.detach())
    torch.testing.assert_close(gradient, 2 * expected, rtol=0, atol=1e-12)


def test_gradient_of_predictions_is_the_derivative(golden_embeddings: Embeddings) -> None:
    z = golden_embeddings(3, 4, 5)
    assert torch.autograd.gradcheck(lambda p: simsiam_loss(p, z), (z.flip(1).requires_grad_(),))


def test_it_is_the_byol_loss_in_another_scale(golden_embeddings: Embeddings) -> None:
    """2 (2 - 2 cos) = 4 + 4 (- cos)."""
    p, z = golden_embeddings(3, 6, 5).flip(2), golden_embeddings(3, 6, 5)
    assert byol_loss(p, z).item() == pytest.approx(4 + 4 * simsiam_loss(p, z).item(), abs=1e-12)


def test_it_is_between_minus_one_and_one_and_independent_of_scale(golden_embeddings: Embeddings) -> None:
    z = golden_embeddings(2, 8, 5)
    same = z[[0, 0]]
    assert simsiam_loss(3 * same, 0.1 * same).item() == pytest.approx(-1, abs=1e-12)
    assert simsiam_loss(-same, same).item() == pytest.approx(1, abs=1e-12)


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 8).bfloat16()
    expected = simsiam_loss(x.float(), x.flip(1).float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = simsiam_loss(x, x.flip(1))
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="predictions hold one view of each image"):
        simsiam_loss(torch.ones(1, 8, 4), torch.ones(1, 8, 4))
    with pytest.raises(ValueError, match=r"predictions are \(2, 8, 4\), but embeddings \(2, 8, 5\)"):
        simsiam_loss(torch.ones(2, 8, 4), torch.ones(2, 8, 5))
