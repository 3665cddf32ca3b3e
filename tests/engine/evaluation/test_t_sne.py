"""t-SNE against slow references of its parts, and on clusters that must stay together."""

from __future__ import annotations

import math
from itertools import count

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.evaluation.embedding_map import principal_plane
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.engine.evaluation.t_sne import affinities, gradient, t_sne


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def clusters(each: int, number: int, *, apart: float = 8.0, dim: int = 20) -> tuple[Tensor, Tensor]:
    labels = torch.arange(number).repeat_interleave(each)
    centres = apart * noise(number, dim, seed=1) / dim**0.5
    return centres[labels] + noise(len(labels), dim) / dim**0.5, labels


def same_class_neighbours(points: Tensor, labels: Tensor, k: int = 5) -> float:
    distances = torch.cdist(points, points).fill_diagonal_(math.inf)
    nearest = distances.topk(k, largest=False).indices
    return (labels[nearest] == labels[:, None]).float().mean().item()


def map_of(x: Tensor) -> Tensor:
    return t_sne(x, start=principal_plane(x.double()).to(x.dtype))


def test_the_affinities_have_the_requested_perplexity() -> None:
    """By the definition: each row's Gaussian is found anew here, one width at a time."""
    x, perplexity = noise(24, 3), 7.0
    distances = torch.cdist(x, x).square()
    conditional = torch.zeros(24, 24, dtype=torch.float64)
    for i in range(24):
        low, high = 1e-6, 1e6
        for _ in range(200):
            precision = math.sqrt(low * high)
            row = torch.exp(-distances[i] * precision)
            row[i] = 0
            row = row / row.sum()
            entropy = -sum(p * math.log(p) for p in row.tolist() if p > 0)
            low, high = (precision, high) if entropy > math.log(perplexity) else (low, precision)
        conditional[i] = row
    p = affinities(x, perplexity)
    torch.testing.assert_close(p, (conditional + conditional.T) / 48, rtol=1e-6, atol=1e-12)
    assert p.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_affinities_do_not_depend_on_the_scale(scale: float) -> None:
    x = noise(30, 4)
    torch.testing.assert_close(affinities(scale * x, 5), affinities(x, 5), rtol=1e-6, atol=1e-12)


def test_the_gradient_is_that_of_the_divergence() -> None:
    """A quarter of the automatic derivative of KL(P || Q), Q written pair by pair."""
    y, p = noise(12, 2, seed=3).requires_grad_(), affinities(noise(12, 5), 3)
    w = {(i, j): 1 / (1 + (y[i] - y[j]).square().sum()) for i in range(12) for j in range(12) if i != j}
    total = torch.stack(list(w.values())).sum()
    divergence = torch.stack([p[pair] * (p[pair] / (each / total)).log() for pair, each in w.items()]).sum()
    (slope,) = torch.autograd.grad(divergence, y)
    torch.testing.assert_close(gradient(y.detach(), p), slope / 4, rtol=1e-8, atol=1e-12)


def test_clusters_stay_together_where_a_plane_cannot_hold_them() -> None:
    x, labels = clusters(25, 10, apart=3.5)
    points = map_of(x.float())
    assert points.shape == (250, 2)
    assert points.dtype == torch.float32
    assert same_class_neighbours(principal_plane(x), labels) < 0.8
    assert same_class_neighbours(points, labels) > 0.98


def test_neighbours_on_a_ring_stay_neighbours() -> None:
    angle = torch.arange(120) * (2 * math.pi / 120)
    ring = torch.stack([angle.cos(), angle.sin()], dim=1).double() @ noise(2, 30, seed=5)
    points = map_of(ring)
    nearest = torch.cdist(points, points).fill_diagonal_(math.inf).topk(2, largest=False).indices
    away = (nearest - torch.arange(120)[:, None]).abs()
    assert (torch.minimum(away, 120 - away) <= 2).float().mean() > 0.95


def test_it_is_the_same_each_time_and_draws_nothing() -> None:
    x, _ = clusters(10, 4)
    state = torch.get_rng_state()
    assert torch.equal(map_of(x), map_of(x))
    assert torch.equal(torch.get_rng_state(), state)


def test_equal_rows_have_one_position() -> None:
    x, _ = clusters(6, 3)
    x[1] = x[0]
    points = map_of(x)
    assert points.isfinite().all()
    torch.testing.assert_close(points[0], points[1], rtol=0, atol=1e-6)
    assert map_of(torch.ones(12, 3)).abs().max() == 0


def test_it_stops_on_request() -> None:
    calls = count()
    x, _ = clusters(6, 3)
    with pytest.raises(EvaluationInterrupted):
        t_sne(x, start=x[:, :2], should_stop=lambda: next(calls) == 3)
    assert next(calls) == 4
