"""Quantities of embeddings: against slow references, on known arrangements, and for noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.noise import noise_lidar, noise_uniformity, noise_whiteness_error
from wmse_tui.engine.diagnostics.quantities import (
    COMPARED_IMAGES,
    CORRELATED_DIMENSIONS,
    alignment,
    contrastive_accuracy,
    feature_std,
    lidar,
    mean_correlation,
    smallest_pivot,
    standard_deviation,
    uniformity,
    whiteness_error,
)
from wmse_tui.engine.whitening import whiten


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise32(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Deviation and correlation


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e15])
@pytest.mark.parametrize("dim", [8, 128])
def test_the_spread_of_isotropic_directions_is_1(dim: int, scale: float) -> None:
    assert feature_std(scale * noise32(2000, dim)).item() == pytest.approx(1, rel=0.02)


def test_the_spread_of_a_cone_follows_from_its_opening() -> None:
    """Around a mean of length m the spread of d unit-variance dimensions is about √(d / (d + m²))."""
    x = noise32(4000, 64)
    x[:, 0] += 24
    assert feature_std(x).item() == pytest.approx(math.sqrt(64 / (64 + 24**2)), rel=0.02)


def test_a_single_point_has_no_spread() -> None:
    assert feature_std(torch.full((2, 10, 4), 0.3)).tolist() == pytest.approx([0, 0], abs=1e-7)
    assert feature_std(torch.zeros(10, 4)).item() == 0


def test_the_correlation_is_that_of_a_slow_reference() -> None:
    x = noise32(50, 6) @ noise32(6, 6, seed=1)
    correlation = torch.corrcoef(x.double().T).abs()
    expected = (correlation.sum() - 6) / 30
    assert mean_correlation(x).item() == pytest.approx(expected.item(), rel=1e-5)


def test_independent_dimensions_correlate_by_chance_only() -> None:
    assert mean_correlation(noise32(1000, 64)).item() == pytest.approx(
        math.sqrt(2 / (math.pi * 1000)), rel=0.05
    )


def test_on_a_line_everything_correlates() -> None:
    assert mean_correlation(noise32(30, 1) * torch.tensor([1.0, -2.0, 5.0]) + 7).item() == pytest.approx(1)


def test_constant_dimensions_are_left_out() -> None:
    x = noise32(40, 3)
    with_constants = torch.cat([x, torch.full((40, 2), 2.5)], dim=1)
    assert mean_correlation(with_constants).item() == pytest.approx(mean_correlation(x).item())
    assert mean_correlation(torch.cat([x[:, :1], torch.ones(40, 3)], dim=1)).isnan()
    assert mean_correlation(torch.ones(40, 3)).isnan()


def test_of_very_many_dimensions_some_are_used() -> None:
    wide = noise32(20, 1).expand(20, 3 * CORRELATED_DIMENSIONS)
    assert mean_correlation(wide).item() == pytest.approx(1, rel=1e-4)


def test_the_deviation_is_that_of_the_embeddings_as_they_are() -> None:
    x = 1e4 + noise32(4000, 2) * torch.tensor([1.0, 3.0])
    assert standard_deviation(x).item() == pytest.approx(2, rel=0.03)
    assert standard_deviation(10 * noise32(50, 4)).item() == pytest.approx(
        10 * standard_deviation(noise32(50, 4))
    )


# Whiteness


def test_an_exact_root_leaves_no_whiteness_error_and_newton_some() -> None:
    x = noise(3, 50, 6) @ noise(6, 6)
    assert whiteness_error(whiten(x, operator="zca")).tolist() == pytest.approx([0] * 3, abs=1e-9)
    few, many = (whiteness_error(whiten(x, operator="iterative", steps=steps)) for steps in (3, 8))
    assert (few > many).all()
    assert (many > 1e-6).all()


def test_the_whiteness_error_is_the_frobenius_distance_by_hand() -> None:
    z = noise(40, 5) * torch.tensor([1.0, 2, 1, 1, 1])
    covariance = torch.cov(z.T)
    expected = sum(
        float(covariance[i, j] - (1.0 if i == j else 0.0)) ** 2 for i in range(5) for j in range(5)
    )
    assert whiteness_error(z).item() == pytest.approx((expected / 5) ** 0.5)
    assert whiteness_error(torch.ones(10, 4)).item() == pytest.approx(1)


@pytest.mark.parametrize(("samples", "dim"), [(200, 16), (64, 64)])
def test_noise_has_the_whiteness_error_of_its_samples(samples: int, dim: int) -> None:
    drawn = whiteness_error(noise(200, samples, dim)).square().mean().sqrt().item()
    assert drawn == pytest.approx(noise_whiteness_error(samples, dim), rel=0.02)


# The smallest pivot of a slice


def test_the_pivot_of_independent_dimensions_is_the_ratio_of_their_variances() -> None:
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


def test_the_pivot_falls_as_a_dimension_comes_to_repeat_another() -> None:
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


# Views of an image


def unit(x: Tensor) -> list[list[Tensor]]:
    return [[image / image.norm() for image in view] for view in x]


def test_quantities_of_views_are_those_of_loops_over_images() -> None:
    x = noise(3, 7, 4)
    u = unit(x)
    pairs = [(i, j) for i in range(3) for j in range(3) if i < j]
    aligned = [float((u[i][n] - u[j][n]).norm() ** 2) for i, j in pairs for n in range(7)]
    assert float(alignment(x) or 0) == pytest.approx(sum(aligned) / len(aligned))

    per_view = []
    for view in u:
        kernels = [
            math.exp(-2 * float((view[m] - view[n]).norm() ** 2)) for m in range(7) for n in range(m + 1, 7)
        ]
        per_view.append(math.log(sum(kernels) / len(kernels)))
    assert float(uniformity(x) or 0) == pytest.approx(sum(per_view) / 3)

    hits = []
    for i in range(3):
        for j in range(3):
            if i != j:
                for n in range(7):
                    near = max(range(7), key=lambda m, i=i, j=j, n=n: float(u[i][n] @ u[j][m]))  # type: ignore[misc]
                    hits.append(near == n)
    accuracy = contrastive_accuracy(x)
    assert accuracy is not None
    assert float(accuracy) == pytest.approx(sum(hits) / len(hits))


def test_equal_views_are_aligned_and_find_each_other_at_any_scale() -> None:
    x = noise(1, 50, 8)
    views = torch.cat([x, 3 * x])
    assert float(alignment(views) or 0) == pytest.approx(0, abs=1e-12)
    assert contrastive_accuracy(views) == 1


def test_unrelated_views_are_at_distance_2_and_find_each_other_by_chance() -> None:
    views = noise(2, 500, 64)
    assert float(alignment(views) or 0) == pytest.approx(2, rel=0.02)
    assert 0 <= float(contrastive_accuracy(views) or 0) < 5 / 500


@pytest.mark.parametrize("dim", [2, 3, 16, 64])
def test_the_uniformity_of_noise_is_that_of_the_sphere(dim: int) -> None:
    drawn = uniformity(noise(8, 500, dim))
    assert drawn is not None
    assert float(drawn) == pytest.approx(noise_uniformity(dim), abs=0.02)


def test_the_uniformity_of_the_sphere_in_closed_form() -> None:
    """In three dimensions cos is uniform: E exp(4 cos) = sinh(4) / 4. Far up it is -4 + 8 / dim."""
    assert noise_uniformity(3) == pytest.approx(math.log(math.sinh(4) / 4) - 4)
    assert noise_uniformity(4096) == pytest.approx(-4 + 8 / 4096, abs=1e-6)


def test_embeddings_that_are_all_alike_are_aligned_and_find_nothing() -> None:
    x = torch.full((2, 30, 4), 0.5)
    assert float(alignment(x) or 0) == pytest.approx(0, abs=1e-12)
    assert float(uniformity(x) or 0) == pytest.approx(0, abs=1e-12)
    assert contrastive_accuracy(x) == 0


def test_one_view_has_no_pairs_and_one_image_no_neighbours() -> None:
    assert alignment(noise(1, 5, 3)) is None
    assert contrastive_accuracy(noise(1, 5, 3)) is None
    assert uniformity(noise(2, 1, 3)) is None


def test_of_many_images_the_first_are_compared() -> None:
    x = noise(2, COMPARED_IMAGES + 10, 4)
    assert alignment(x) == alignment(x[:, :COMPARED_IMAGES])


# LiDAR


@pytest.mark.parametrize(("images", "dim"), [(30, 5), (6, 9)])
def test_lidar_is_the_entropy_of_the_generalised_eigenvalues(images: int, dim: int) -> None:
    x = noise(images, 4, dim) + 2 * noise(images, 1, dim, seed=1) * torch.arange(1, dim + 1)
    array = x.numpy()
    between = np.cov(array.mean(1), rowvar=False)
    within = np.mean([np.cov(image, rowvar=False) for image in array], 0) + 1e-4 * np.eye(dim)
    values = np.linalg.eigvals(np.linalg.solve(within, between)).real.clip(min=0)
    shares = values / values.sum() + 1e-8
    expected = math.exp(-(shares * np.log(shares)).sum())
    assert lidar(x) == pytest.approx(expected, rel=1e-5)


def test_lidar_counts_the_directions_that_distinguish_images() -> None:
    x = 0.1 * noise(300, 8, 12)
    x[..., :3] += 5 * noise(300, 1, 3, seed=2)
    found = lidar(x)
    assert found is not None
    assert found == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(("images", "views", "dim"), [(200, 10, 32), (100, 5, 64), (60, 10, 100)])
def test_the_lidar_of_noise_follows_from_its_sizes(images: int, views: int, dim: int) -> None:
    drawn = lidar(noise(images, views, dim))
    assert noise_lidar(images, views, dim) == pytest.approx(drawn, rel=0.05)


def test_lidar_without_a_value_is_none_or_refused() -> None:
    assert lidar(torch.full((5, 3, 4), math.nan)) is None
    assert lidar(torch.ones(5, 3, 4)) is None
    with pytest.raises(ValueError, match="two images and two views"):
        lidar(torch.ones(5, 1, 4))
