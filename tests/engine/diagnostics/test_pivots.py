"""The smallest pivot of a slice: by hand, against a factorisation of its own, and where there is none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.pivots import smallest_pivot


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_of_independent_dimensions_it_is_the_ratio_of_their_variances() -> None:
    x, _ = torch.linalg.qr(noise(40, 3) - noise(40, 3).mean(0))
    x = (x - x.mean(0)) * torch.tensor([1.0, 4.0, 2.0])
    assert smallest_pivot(x, eps=0) == pytest.approx(1 / 16, rel=0.2)


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_the_worst_slice_decides_and_shrinkage_counts(eps: float) -> None:
    slices = noise(2, 3, 16, 5) * torch.tensor([1.0, 3.0, 1.0, 0.1, 1.0], dtype=torch.float64)
    ratios = []
    for x in slices.flatten(0, 1):
        covariance = (1 - eps) * torch.cov(x.T) + eps * torch.eye(5, dtype=torch.float64)
        pivots = torch.linalg.cholesky(covariance).diagonal().square()
        ratios.append((pivots.min() / pivots.max()).item())
    assert smallest_pivot(slices, eps=eps) == pytest.approx(min(ratios))


def test_it_falls_as_a_dimension_comes_to_repeat_another() -> None:
    x = noise(64, 4)
    values = [
        smallest_pivot(torch.cat([x, x[:, :1] + apart * noise(64, 1)], dim=1), eps=0)
        for apart in (1, 0.1, 0.01)
    ]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    assert values[2] == pytest.approx(1e-4, rel=1)


def test_a_slice_without_a_factor_has_pivot_0() -> None:
    x = noise(16, 3).float()
    assert smallest_pivot(torch.cat([x, x[:, :1]], dim=1), eps=0) == 0
    assert smallest_pivot(torch.ones(2, 16, 3), eps=0) == 0


def test_what_is_not_finite_has_no_pivot() -> None:
    assert smallest_pivot(torch.full((16, 3), math.nan), eps=0) is None
