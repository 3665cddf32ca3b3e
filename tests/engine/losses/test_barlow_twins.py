"""The Barlow Twins loss against its definition entry by entry, and its own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.losses import barlow_twins_loss
from wmse_tui.engine.losses.barlow_twins import barlow_twins_terms

Embeddings = Callable[[int, int, int], Tensor]


def slow(x: Tensor, *, redundancy: float, scale: float, eps: float) -> Tensor:
    """Every correlation by itself, as a sum over images divided by two roots."""
    batch, dim = x.shape[1:]
    costs = []
    for a, b in itertools.combinations(x, 2):
        cost = x.new_zeros(())
        for i, j in itertools.product(range(dim), repeat=2):
            p, q = a[:, i] - a[:, i].mean(), b[:, j] - b[:, j].mean()
            length = torch.sqrt((p @ p + batch * eps) * (q @ q + batch * eps))
            c = p @ q / length
            cost = cost + ((1 - c) ** 2 if i == j else redundancy * c**2)
        costs.append(scale * cost)
    return torch.stack(costs).mean()


@pytest.mark.parametrize(
    ("views", "redundancy", "scale", "eps"), [(2, 0.0051, 1.0, 1e-5), (3, 0.5, 0.1, 0.0), (4, 0.0, 2.0, 0.3)]
)
def test_value_and_gradient_equal_the_definition(
    views: int, redundancy: float, scale: float, eps: float, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 12, 5).requires_grad_()
    fast = barlow_twins_loss(x, redundancy=redundancy, scale=scale, eps=eps)
    reference = slow(x, redundancy=redundancy, scale=scale, eps=eps)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-11)


def test_gradient_is_the_derivative(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 7, 4).requires_grad_()
    assert torch.autograd.gradcheck(partial(barlow_twins_loss, redundancy=0.3), (x,))


def test_correlations_are_those_of_numpy(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 40, 6)
    c = torch.corrcoef(torch.cat([x[0].T, x[1].T]))[:6, 6:]
    disagreement, repetition = barlow_twins_terms(x, eps=0)
    assert disagreement.item() == pytest.approx((1 - c.diagonal()).square().sum().item(), abs=1e-12)
    assert repetition.item() == pytest.approx((c - c.diagonal().diag()).square().sum().item(), abs=1e-12)


def test_equal_views_of_uncorrelated_dimensions_cost_nothing_and_unrelated_views_the_dimension() -> None:
    noise = torch.randn(2, 512, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    white, _ = torch.linalg.qr(noise[0] - noise[0].mean(0))
    assert barlow_twins_loss(torch.stack([white, white]), eps=0).item() == pytest.approx(0, abs=1e-20)
    assert barlow_twins_loss(noise, redundancy=1).item() == pytest.approx(16 * (1 + 16 / 512), rel=0.06)


def test_scale_and_mean_of_each_dimension_are_free(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 6)
    moved = x * torch.logspace(-2, 2, 6, dtype=x.dtype) + torch.arange(6)
    assert barlow_twins_loss(moved, eps=0).item() == pytest.approx(
        barlow_twins_loss(x, eps=0).item(), abs=1e-9
    )
    flipped = x * torch.tensor([1.0, -1.0], dtype=x.dtype)[:, None, None]
    assert barlow_twins_loss(flipped).item() > barlow_twins_loss(x).item() + 1


def test_it_is_invariant_to_the_order_of_views_images_and_dimensions(
    golden_embeddings: Embeddings,
) -> None:
    x = golden_embeddings(3, 16, 6)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    for other in (x.flip(0), x[:, order], x.flip(2)):
        assert barlow_twins_loss(other).item() == pytest.approx(barlow_twins_loss(x).item(), abs=1e-12)


def test_a_dimension_that_is_the_same_everywhere_has_a_finite_gradient() -> None:
    x = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    x[:, :, 1] = 3.0
    x.requires_grad_()
    loss = barlow_twins_loss(x)
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.item() > 1  # its correlation with itself is 0
    assert gradient.isfinite().all()


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 8).bfloat16()
    expected = barlow_twins_loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = barlow_twins_loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="hold one view of each image"):
        barlow_twins_loss(torch.ones(1, 8, 4))
    with pytest.raises(ValueError, match="a batch of two or more"):
        barlow_twins_loss(torch.ones(2, 1, 4))
    with pytest.raises(ValueError, match="redundancy must be 0 or more and scale positive, not -1 and 1"):
        barlow_twins_loss(torch.ones(2, 8, 4), redundancy=-1)
