"""Deviation after normalisation and correlation: their values for noise, for lines, for a single point."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.spread import DIMENSIONS, feature_std, mean_correlation, standard_deviation


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e15])
@pytest.mark.parametrize("dim", [8, 128])
def test_isotropic_directions_spread_by_1(dim: int, scale: float) -> None:
    assert feature_std(scale * noise(2000, dim)).item() == pytest.approx(1, rel=0.02)


def test_the_spread_of_a_cone_follows_from_its_opening() -> None:
    """Around a mean of length m the spread of d unit-variance dimensions is about √(d / (d + m²))."""
    x = noise(4000, 64)
    x[:, 0] += 24
    assert feature_std(x).item() == pytest.approx(math.sqrt(64 / (64 + 24**2)), rel=0.02)


def test_a_single_point_has_no_spread() -> None:
    assert feature_std(torch.full((2, 10, 4), 0.3)).tolist() == pytest.approx([0, 0], abs=1e-7)
    assert feature_std(torch.zeros(10, 4)).item() == 0


def test_the_correlation_is_that_of_a_slow_reference() -> None:
    x = noise(50, 6) @ noise(6, 6, seed=1)
    correlation = torch.corrcoef(x.double().T).abs()
    expected = (correlation.sum() - 6) / 30
    assert mean_correlation(x).item() == pytest.approx(expected.item(), rel=1e-5)


def test_independent_dimensions_correlate_by_chance_only() -> None:
    assert mean_correlation(noise(1000, 64)).item() == pytest.approx(
        math.sqrt(2 / (math.pi * 1000)), rel=0.05
    )


def test_on_a_line_everything_correlates() -> None:
    assert mean_correlation(noise(30, 1) * torch.tensor([1.0, -2.0, 5.0]) + 7).item() == pytest.approx(1)


def test_constant_dimensions_are_left_out() -> None:
    x = noise(40, 3)
    with_constants = torch.cat([x, torch.full((40, 2), 2.5)], dim=1)
    assert mean_correlation(with_constants).item() == pytest.approx(mean_correlation(x).item())
    assert mean_correlation(torch.cat([x[:, :1], torch.ones(40, 3)], dim=1)).isnan()
    assert mean_correlation(torch.ones(40, 3)).isnan()


def test_of_very_many_dimensions_some_are_looked_at() -> None:
    wide = noise(20, 1).expand(20, 3 * DIMENSIONS)
    assert mean_correlation(wide).item() == pytest.approx(1, rel=1e-4)


def test_the_deviation_is_that_of_the_embeddings_as_they_are() -> None:
    x = 1e4 + noise(4000, 2) * torch.tensor([1.0, 3.0])
    assert standard_deviation(x).item() == pytest.approx(2, rel=0.03)
    assert standard_deviation(10 * noise(50, 4)).item() == pytest.approx(
        10 * standard_deviation(noise(50, 4))
    )
