"""Our losses against those of lightly, in value and gradient; where it differs, by how much and why."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.losses import (
    barlow_twins_loss,
    contrastive_loss,
    simsiam_loss,
    vicreg_loss,
    w_mse_loss,
)

Embeddings = Callable[[int, int, int], Tensor]


@pytest.fixture(scope="module")
def lightly() -> Any:
    import lightly.loss  # slow to import: not in every test process

    return lightly.loss


def gradient_of(loss: Tensor, x: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss, x)
    return gradient


def predicted(z: Tensor) -> Tensor:
    """In the place of a predictor."""
    return z.flip(2) * 1.5 + 0.1


def assert_same(ours: Tensor, theirs: Tensor, x: Tensor, tolerance: float = 1e-11) -> None:
    """Value and gradient with respect to `x` agree, and there is a gradient."""
    assert ours.item() == pytest.approx(theirs.item(), abs=tolerance)
    expected = gradient_of(theirs, x)
    torch.testing.assert_close(gradient_of(ours, x), expected, rtol=0, atol=tolerance)
    assert expected.abs().max() > 1e-4


@pytest.mark.parametrize("redundancy", [5e-3, 0.5])
def test_barlow_twins(redundancy: float, golden_embeddings: Embeddings, lightly: Any) -> None:
    x = golden_embeddings(2, 24, 6).requires_grad_()
    theirs = lightly.BarlowTwinsLoss(lambda_param=redundancy)(x[0], x[1])
    assert_same(barlow_twins_loss(x, redundancy=redundancy), theirs, x)


def test_barlow_twins_of_more_views_is_the_mean_over_pairs(
    golden_embeddings: Embeddings, lightly: Any
) -> None:
    x = golden_embeddings(4, 24, 6).requires_grad_()
    pairs = [lightly.BarlowTwinsLoss()(a, b) for a, b in itertools.combinations(x, 2)]
    assert_same(barlow_twins_loss(x, redundancy=5e-3), torch.stack(pairs).mean(), x)


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_vicreg_whose_variance_term_lightly_halves(
    size: float, golden_embeddings: Embeddings, lightly: Any
) -> None:
    """Theirs is μ (v + v') / 2, ours μ (v + v'): their μ of 50 is our 25."""
    x = (size * golden_embeddings(2, 24, 6)).requires_grad_()
    theirs = lightly.VICRegLoss(lambda_param=25.0, mu_param=50.0, nu_param=1.0)(x[0], x[1])
    assert_same(vicreg_loss(x), theirs, x)
    if size < 1:
        assert vicreg_loss(x).item() > lightly.VICRegLoss()(x[0], x[1]).item() + 1


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent(temperature: float, golden_embeddings: Embeddings, lightly: Any) -> None:
    x = golden_embeddings(2, 24, 6).requires_grad_()
    theirs = lightly.NTXentLoss(temperature=temperature)(x[0], x[1])
    assert_same(contrastive_loss(x, temperature=temperature), theirs, x)


def test_simsiam_where_the_caller_stops_the_gradient(golden_embeddings: Embeddings, lightly: Any) -> None:
    """Theirs leaves both the stop-gradient and the two directions to the caller."""
    z = golden_embeddings(2, 24, 6).requires_grad_()
    criterion = lightly.NegativeCosineSimilarity()
    ours = simsiam_loss(predicted(z), z)
    p = predicted(z)
    theirs = (criterion(p[0], z[1].detach()) + criterion(p[1], z[0].detach())) / 2
    assert_same(ours, theirs, z)


@pytest.mark.parametrize("views", [2, 4])
def test_w_mse(views: int, golden_embeddings: Embeddings, lightly: Any) -> None:
    """Theirs draws its permutations itself; the same draws give the same slices."""
    x = golden_embeddings(views, 48, 6).requires_grad_()
    criterion = lightly.WMSELoss(
        embedding_dim=6, w_size=16, w_iter=2, num_samples=views, track_running_stats=False
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5)
        permutations = torch.stack([torch.randperm(48) for _ in range(2)])
        torch.manual_seed(5)
        theirs = criterion(x.flatten(0, 1))
    assert_same(w_mse_loss(x, whitening_size=16, permutations=permutations), theirs, x)


def test_w_mse_of_lightly_in_eval_mode_whitens_by_running_statistics(
    golden_embeddings: Embeddings, lightly: Any
) -> None:
    """Ours has no modes: a loss of the same embeddings is the same loss."""
    x = golden_embeddings(2, 16, 6).float()
    criterion = lightly.WMSELoss(embedding_dim=6, w_size=16)
    trained = criterion(x.flatten(0, 1)).item()
    assert trained == pytest.approx(w_mse_loss(x, whitening_size=16).item(), abs=1e-5)
    assert criterion.eval()(x.flatten(0, 1)).item() != pytest.approx(trained, abs=1e-2)
