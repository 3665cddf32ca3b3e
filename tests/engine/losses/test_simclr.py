"""The contrastive loss against cross-entropies written out, a gradient derived by hand, and its limits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from wmse_tui.engine.losses import contrastive_loss

Embeddings = Callable[[int, int, int], Tensor]


def slow(x: Tensor, temperature: float, unit: bool = True) -> Tensor:
    """For each pair of views, each embedding: a cross-entropy over the others, the positive put first."""
    losses = []
    for first, second in itertools.combinations(range(len(x)), 2):
        both = torch.cat([x[first], x[second]])
        both = normalize(both, dim=1) if unit else both
        n, batch = len(both), x.shape[1]
        for query in range(n):
            positive = (query + batch) % n
            others = [positive, *(k for k in range(n) if k not in (query, positive))]
            logits = torch.stack([both[query] @ both[k] / temperature for k in others])
            losses.append(cross_entropy(logits[None], torch.tensor([0])))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
@pytest.mark.parametrize("views", [2, 3, 4])
def test_value_and_gradient_equal_cross_entropies_written_out(
    views: int, temperature: float, unit: bool, golden_embeddings: Embeddings
) -> None:
    x = golden_embeddings(views, 6, 5).requires_grad_()
    fast = contrastive_loss(x, temperature=temperature, normalize=unit)
    reference = slow(x, temperature, unit)
    (gradient,) = torch.autograd.grad(fast, x)
    (expected,) = torch.autograd.grad(reference, x)
    assert fast.item() == pytest.approx(reference.item(), abs=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)


def test_two_images_by_hand() -> None:
    """Two orthogonal images, twice: similarity 1 with the positive, 0 with the two negatives."""
    x = torch.eye(2, dtype=torch.float64).repeat(2, 1, 1)
    expected = math.log(math.exp(1 / 0.5) + 2) - 1 / 0.5
    assert contrastive_loss(x, temperature=0.5).item() == pytest.approx(expected, abs=1e-12)


def test_gradient_is_the_derivative(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: contrastive_loss(x, temperature=0.5), (x,))


def test_gradient_by_hand_pulls_the_positive_and_pushes_by_softmax(golden_embeddings: Embeddings) -> None:
    """For inner products: dL/dX = ((P - Y) + (P - Y)ᵀ) X / (2 batch τ), P the softmax, Y the positives."""
    x, tau = golden_embeddings(2, 5, 4).requires_grad_(), 0.5
    (gradient,) = torch.autograd.grad(contrastive_loss(x, temperature=tau, normalize=False), x)
    flat = x.detach().flatten(0, 1)
    logits = flat @ flat.T / tau
    softmax = logits.fill_diagonal_(-math.inf).softmax(1)
    positives = torch.eye(10, dtype=x.dtype).roll(5, 1)
    error = softmax - positives
    torch.testing.assert_close(
        gradient.flatten(0, 1), (error + error.T) @ flat / (tau * 10), rtol=0, atol=1e-12
    )


def test_the_order_of_views_and_of_images_does_not_matter(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 8, 4)
    loss = contrastive_loss(x, temperature=0.5).item()
    assert contrastive_loss(x[[1, 2, 0]], temperature=0.5).item() == pytest.approx(loss, abs=1e-12)
    assert contrastive_loss(x.flip(1), temperature=0.5).item() == pytest.approx(loss, abs=1e-12)


def test_pairs_of_views_do_not_see_a_third(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(3, 8, 4)
    pairs = [contrastive_loss(x[list(p)], temperature=0.5).item() for p in ((0, 1), (0, 2), (1, 2))]
    assert contrastive_loss(x, temperature=0.5).item() == pytest.approx(sum(pairs) / 3, abs=1e-12)


def test_the_length_of_embeddings_counts_only_without_normalisation(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 8, 4)
    loss = contrastive_loss(x, temperature=0.5).item()
    assert contrastive_loss(7 * x, temperature=0.5).item() == pytest.approx(loss, abs=1e-12)
    plain = contrastive_loss(x, temperature=0.5, normalize=False).item()
    assert abs(contrastive_loss(7 * x, temperature=0.5, normalize=False).item() - plain) > 0.1


def test_a_collapsed_batch_costs_the_logarithm_of_the_choices() -> None:
    x = torch.ones(2, 16, 4, dtype=torch.float64)
    assert contrastive_loss(x, temperature=0.5).item() == pytest.approx(math.log(31), abs=1e-12)


def test_autocast_is_left(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 32, 8).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = contrastive_loss(x, temperature=0.5)
        half = contrastive_loss(x.bfloat16(), temperature=0.5)
    assert torch.equal(loss, contrastive_loss(x, temperature=0.5))
    assert torch.equal(half, contrastive_loss(x.bfloat16().float(), temperature=0.5))


def test_small_temperatures_do_not_overflow(golden_embeddings: Embeddings) -> None:
    x = golden_embeddings(2, 16, 8).float().requires_grad_()
    loss = contrastive_loss(x, temperature=1e-3)
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "temperature", "text"),
    [
        ((2, 1, 4), 0.5, "one image has no negatives"),
        ((2, 4, 4), 0.0, "temperature must be positive, not 0"),
        ((2, 4, 4), math.nan, "temperature must be positive, not nan"),
        ((1, 4, 4), 0.5, "hold one view of each image"),
    ],
)
def test_what_does_not_fit_is_named(shape: tuple[int, ...], temperature: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        contrastive_loss(torch.ones(shape), temperature=temperature)
