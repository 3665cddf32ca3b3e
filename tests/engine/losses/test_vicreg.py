"""The VICReg loss against its definition term by term, and its own properties."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.losses import vicreg_loss
from wmse_tui.engine.losses.vicreg import vicreg_terms

Embeddings = Callable[[int, int, int], Tensor]


def slow(x: Tensor, weights: tuple[float, float, float], eps: float) -> Tensor:
    """Pair by pair, with torch's own covariance matrix."""
    dim = x.shape[2]

    def spread(z: Tensor) -> Tensor:
        return torch.stack([(1 - (z[:, j].var() + eps).sqrt()).clamp_min(0) for j in range(dim)]).mean()

    def shared(z: Tensor) -> Tensor:
        s = torch.cov(z.T)
        return torch.stack([s[i, j] ** 2 for i in range(dim) for j in range(dim) if i != j]).sum() / dim

    costs = [
        weights[0] * (a - b).square().mean()
        + weights[1] * (spread(a) + spread(b))
        + weights[2] * (shared(a) + shared(b))
        for a, b in itertools.combinations(x, 2)
    ]
    return torch.stack(costs).mean()


@pytest.mark.parametrize(
    ("views", "weights", "eps", "size"),
    [(2, (25.0, 25.0, 1.0), 1e-4, 1.0), (3, (1.0, 2.0, 3.0), 0.1, 3.0), (4, (1.0, 0.0, 0.5), 1e-4, 0.1)],
)
def test_value_and_gradient_equal_the_definition(
    views: int,
    weights: tuple[float, float, float],
    eps: float,
    size: float,
    golden_embeddings: Embeddings,
) -> None:
    x = (size * golden_embeddings(views, 12, 5)).requires_grad_()
    names = ("invariance", "variance", "covariance")
    fast = vicreg_loss(x, **dict(zip(names, weights, strict=True)), eps=eps)
    reference = slow(x, weights, eps)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-11)


def test_gradient_is_the_derivative(golden_embeddings: Embeddings) -> None:
    assert torch.autograd.gradcheck(vicreg_loss, (golden_embeddings(3, 7, 4).requires_grad_(),))


def test_equal_white_views_cost_nothing() -> None:
    noise = torch.randn(64, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    white, _ = torch.linalg.qr(noise - noise.mean(0))
    white = 64**0.5 * white  # variances 64 / 63
    assert vicreg_loss(torch.stack([white, white])).item() == pytest.approx(0, abs=1e-20)


def test_a_collapse_to_a_point_costs_what_the_spread_lacks() -> None:
    lack = 2 * (1 - 1e-4**0.5)
    assert vicreg_loss(torch.ones(2, 8, 4, dtype=torch.float64)).item() == pytest.approx(25 * lack)


def test_dimensions_that_repeat_each_other_cost_and_a_larger_spread_does_not(
    golden_embeddings: Embeddings,
) -> None:
    x = golden_embeddings(2, 64, 4)
    x = x / x.std(1, keepdim=True)
    _, lack, shared = vicreg_terms(x)
    twice = x.clone()
    twice[..., 1] = x[..., 0]
    assert vicreg_terms(twice)[2].item() > shared.item() + 0.9  # 2 entries of 1, over 4 dimensions, twice
    assert vicreg_terms(3 * x)[1].item() == 0 == pytest.approx(lack.item(), abs=1e-3)


def test_means_images_views_and_the_order_of_dimensions_are_free(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 16, 6)
    shift = torch.arange(6, dtype=x.dtype)
    for other in (x + shift, x.flip(0), x.flip(1), x.flip(2)):
        assert vicreg_loss(other).item() == pytest.approx(vicreg_loss(x).item(), abs=1e-11)
    apart = x + torch.tensor([0.0, 1.0, 2.0], dtype=x.dtype)[:, None, None]
    assert vicreg_loss(apart).item() > vicreg_loss(x).item() + 25


def test_half_precision_is_promoted_before_anything_is_computed(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 8).bfloat16()
    expected = vicreg_loss(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = vicreg_loss(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="hold one view of each image"):
        vicreg_loss(torch.ones(1, 8, 4))
    with pytest.raises(ValueError, match="a batch of two or more"):
        vicreg_loss(torch.ones(2, 1, 4))
    with pytest.raises(ValueError, match=r"weights must be 0 or more, not 25\.0, -1, 1\.0"):
        vicreg_loss(torch.ones(2, 8, 4), variance=-1)
