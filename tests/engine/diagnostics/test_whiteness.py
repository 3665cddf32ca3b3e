"""How white: exactly, halfway, and as noise is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.noise import noise_whiteness_error
from wmse_tui.engine.diagnostics.whiteness import whiteness_error
from wmse_tui.engine.whitening import whiten


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_an_exact_root_leaves_none_and_newton_some() -> None:
    x = noise(3, 50, 6) @ noise(6, 6)
    assert whiteness_error(whiten(x, operator="zca")).tolist() == pytest.approx([0] * 3, abs=1e-9)
    few, many = (whiteness_error(whiten(x, operator="iterative", steps=steps)) for steps in (3, 8))
    assert (few > many).all()
    assert (many > 1e-6).all()


def test_it_is_the_frobenius_distance_by_hand() -> None:
    z = noise(40, 5) * torch.tensor([1.0, 2, 1, 1, 1])
    covariance = torch.cov(z.T)
    expected = sum(
        float(covariance[i, j] - (1.0 if i == j else 0.0)) ** 2 for i in range(5) for j in range(5)
    )
    assert whiteness_error(z).item() == pytest.approx((expected / 5) ** 0.5)
    assert whiteness_error(torch.ones(10, 4)).item() == pytest.approx(1)


@pytest.mark.parametrize(("samples", "dim"), [(200, 16), (64, 64)])
def test_noise_has_the_error_of_its_samples(samples: int, dim: int) -> None:
    drawn = whiteness_error(noise(200, samples, dim)).square().mean().sqrt().item()
    assert drawn == pytest.approx(noise_whiteness_error(samples, dim), rel=0.02)
