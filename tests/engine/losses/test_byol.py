"""The BYOL loss against loops, and its gradient against one derived by hand (it holds a stop-gradient)."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.losses import byol_loss

Embeddings = Callable[[int, int, int], Tensor]


def networks(views: int, golden_embeddings: Embeddings) -> tuple[Tensor, Tensor]:
    """Predictions and targets (views, 6, 5) that differ."""
    x = golden_embeddings(2 * views, 6, 5)
    return x[:views].clone().requires_grad_(), x[views:].clone().requires_grad_()


def slow(p: Tensor, t: Tensor, unit: bool) -> Tensor:
    """Both directions of each pair summed, image by image; mean over images and pairs."""

    def distance(first: Tensor, second: Tensor) -> Tensor:
        if unit:
            cosine: Tensor = (first @ second) / (first.norm() * second.norm())
            return 2 - 2 * cosine
        return ((first - second) ** 2).mean()

    pairs = list(itertools.combinations(range(len(p)), 2))
    total = sum(
        distance(p[i, n], t[j, n]) + distance(p[j, n], t[i, n]) for i, j in pairs for n in range(p.shape[1])
    )
    return torch.as_tensor(total) / (len(pairs) * p.shape[1])


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("views", [2, 3, 4])
def test_value_and_gradient_equal_loops(views: int, unit: bool, golden_embeddings: Embeddings) -> None:
    p, t = networks(views, golden_embeddings)
    fast, reference = byol_loss(p, t, normalize=unit), slow(p, t.detach(), unit)
    (gradient,) = torch.autograd.grad(fast, p)
    (expected,) = torch.autograd.grad(reference, p)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)


def test_gradient_by_hand(golden_embeddings: Embeddings) -> None:
    """d(2 - 2 cos)/dp = -2 (t̂ - cos · p̂) / |p|, summed over the other views, over images and pairs."""
    p, t = networks(3, golden_embeddings)
    (gradient,) = torch.autograd.grad(byol_loss(p, t), p)
    length = p.detach().norm(dim=-1, keepdim=True)
    p_unit = p.detach() / length
    t_unit = t.detach() / t.detach().norm(dim=-1, keepdim=True)
    expected = torch.zeros_like(gradient)
    for i, j in itertools.permutations(range(3), 2):
        cosine = (p_unit[i] * t_unit[j]).sum(-1, keepdim=True)
        expected[i] -= 2 * (t_unit[j] - cosine * p_unit[i]) / length[i]
    torch.testing.assert_close(gradient, expected / (6 * 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("unit", [True, False])
def test_gradient_is_the_derivative_with_respect_to_predictions(
    unit: bool, golden_embeddings: Embeddings
) -> None:
    p, t = networks(2, golden_embeddings)
    targets = t.detach()
    assert torch.autograd.gradcheck(lambda p: byol_loss(p, targets, normalize=unit), (p,))


def test_no_gradient_reaches_the_targets(golden_embeddings: Embeddings) -> None:
    p, t = networks(2, golden_embeddings)
    gradients = torch.autograd.grad(byol_loss(p, t), (p, t), allow_unused=True)
    assert gradients[0].norm() > 0.01
    assert gradients[1] is None


def test_both_directions_are_summed_not_halved(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 6, 5)
    opposite = torch.stack([x[0], -x[0]])
    assert byol_loss(opposite, opposite).item() == pytest.approx(8, abs=1e-12)
    orthogonal = torch.eye(2, dtype=torch.float64)[:, None]
    assert byol_loss(orthogonal, orthogonal).item() == pytest.approx(4, abs=1e-12)


def test_a_view_is_compared_with_the_other_views_only() -> None:
    p = torch.eye(2, dtype=torch.float64)[:, None]  # (views, 1 image, dim)
    assert byol_loss(p, p.flip(0)).item() == pytest.approx(0, abs=1e-12)


def test_autocast_is_left(golden_embeddings: Embeddings) -> None:
    p, t = (x.detach().float() for x in networks(2, golden_embeddings))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = byol_loss(p, t)
        half = byol_loss(p.bfloat16(), t.bfloat16())
    assert torch.equal(loss, byol_loss(p, t))
    assert torch.equal(half, byol_loss(p.bfloat16().float(), t.bfloat16().float()))


@pytest.mark.parametrize(
    ("predictions", "targets", "text"),
    [
        ((2, 4, 3), (2, 5, 3), r"predictions are \(2, 4, 3\), but targets \(2, 5, 3\)"),
        ((4, 3), (2, 4, 3), r"predictions must be \(views, batch, dim\)"),
        ((2, 4, 3), (2, 0, 3), r"targets must be \(views, batch, dim\), not \(2, 0, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    predictions: tuple[int, ...], targets: tuple[int, ...], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        byol_loss(torch.ones(predictions), torch.ones(targets))
