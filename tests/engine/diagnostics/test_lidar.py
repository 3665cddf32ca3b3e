"""LiDAR: against generalised eigenvalues, on planted directions, and for noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.lidar import lidar
from wmse_tui.engine.diagnostics.noise import noise_lidar


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("images", "dim"), [(30, 5), (6, 9)])
def test_it_is_the_entropy_of_the_generalised_eigenvalues(images: int, dim: int) -> None:
    x = noise(images, 4, dim) + 2 * noise(images, 1, dim, seed=1) * torch.arange(1, dim + 1)
    array = x.numpy()
    between = np.cov(array.mean(1), rowvar=False)
    within = np.mean([np.cov(image, rowvar=False) for image in array], 0) + 1e-4 * np.eye(dim)
    values = np.linalg.eigvals(np.linalg.solve(within, between)).real.clip(min=0)
    shares = values / values.sum() + 1e-8
    expected = math.exp(-(shares * np.log(shares)).sum())
    assert lidar(x) == pytest.approx(expected, rel=1e-5)


def test_it_counts_the_directions_that_tell_images_apart() -> None:
    x = 0.1 * noise(300, 8, 12)
    x[..., :3] += 5 * noise(300, 1, 3, seed=2)
    found = lidar(x)
    assert found is not None
    assert found == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("images", "views", "dim"), [(200, 10, 32), (100, 5, 64), (60, 10, 100)])
def test_noise_shows_what_its_sizes_allow(images: int, views: int, dim: int) -> None:
    drawn = lidar(noise(images, views, dim))
    assert noise_lidar(images, views, dim) == pytest.approx(drawn, rel=0.05)


def test_what_cannot_be_told_is_none_or_refused() -> None:
    assert lidar(torch.full((5, 3, 4), math.nan)) is None
    assert lidar(torch.ones(5, 3, 4)) is None
    with pytest.raises(ValueError, match="two images and two views"):
        lidar(torch.ones(5, 1, 4))
