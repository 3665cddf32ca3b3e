"""The symmetric root without eigenvectors: its stated error, its gradient, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.whitening.polar import PolarZca, bound_of_eigenvalues, cubics
from wmse_tui.engine.whitening.rooted import RootWhitening, root_of
from wmse_tui.engine.whitening.roots import Iterative, Pca, Zca, eigen, rounding_share

SPECTRA = ("geometric", "one small", "one large", "two clusters")


def covariances(dim: int, condition: float, spectrum: str, *, seed: int = 0) -> Tensor:
    """Three of largest eigenvalue 1, in float64, along random axes."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(3, dim, dim, dtype=torch.float64, generator=generator)).Q
    position = torch.linspace(0, 1, dim, dtype=torch.float64)
    small = {
        "geometric": position,
        "one small": (position == 1).double(),
        "one large": (position > 0).double(),
        "two clusters": (position > 0.5).double(),
    }[spectrum]
    matrices: Tensor = (axes * condition**-small) @ axes.mT
    return (matrices + matrices.mT) / 2


def by_eigenvectors(covariance: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse root in float64, and the gradient of the covariance by divided differences."""
    values, vectors = torch.linalg.eigh(covariance.double())
    s = values.sqrt()
    differences = -1 / (s[..., :, None] * s[..., None, :] * (s[..., :, None] + s[..., None, :]))
    inner = vectors.mT @ (along + along.mT).double() @ vectors / 2
    return (vectors / s[..., None, :]) @ vectors.mT, vectors @ (inner * differences) @ vectors.mT


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest relative distance of three matrices."""
    difference = torch.linalg.matrix_norm(found.double() - expected) / torch.linalg.matrix_norm(expected)
    return float(difference.max())


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e3, 1e5, 2e5])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dim", [2, 16, 64, 200])
def test_the_error_in_float32_is_within_its_bound(dim: int, spectrum: str, condition: float) -> None:
    covariance = covariances(dim, condition, spectrum, seed=dim).float()
    along = torch.randn(3, dim, dim, generator=torch.Generator().manual_seed(1))
    matrix, usable, saved = PolarZca().matrix(covariance)
    gradient = PolarZca().gradient(along, matrix, saved)
    root, expected = by_eigenvectors(covariance, along)
    bound = 2 * math.sqrt(dim) * condition * torch.finfo(torch.float32).eps
    white = matrix.double() @ covariance.double() @ matrix.double().mT
    identity = torch.eye(dim, dtype=torch.float64)
    assert usable.all()
    assert torch.linalg.matrix_norm(white - identity, 2).max() < bound
    assert distance(matrix, root) < bound
    assert distance(gradient, expected) < bound


@pytest.mark.parametrize("condition", [1.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_in_float64_it_is_white_and_symmetric_within_its_bound(spectrum: str, condition: float) -> None:
    covariance = covariances(48, condition, spectrum)
    matrix, usable, _ = PolarZca().matrix(covariance)
    bound = 2 * math.sqrt(48) * condition * torch.finfo(torch.float64).eps
    white = matrix @ covariance @ matrix.mT
    assert usable.all()
    assert torch.linalg.matrix_norm(white - torch.eye(48, dtype=torch.float64), 2).max() < bound
    assert distance(matrix, matrix.mT) < bound


@pytest.mark.parametrize("condition", [1.0, 30.0, 1e5])
def test_the_gradient_solves_the_equation_of_lyapunov(condition: float) -> None:
    """With R = S^(1/2): R H + H R = -W sym(G) W, solved element by element as one linear system."""
    covariance = covariances(6, condition, "geometric")
    along = torch.randn(3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    matrix, _, saved = PolarZca().matrix(covariance)
    found = PolarZca().gradient(along, matrix, saved)
    identity = torch.eye(6, dtype=torch.float64)
    for one, g, h in zip(covariance, along, found, strict=True):
        _, values, axes = torch.linalg.svd(torch.linalg.inv(torch.linalg.cholesky(one)))
        w = axes.mT @ torch.diag(values) @ axes  # (L⁻ᵀ L⁻¹)^(1/2)
        root = torch.linalg.inv(w).contiguous()
        system = torch.kron(root, identity) + torch.kron(identity, root)
        right = -(w @ (g + g.mT) / 2 @ w).flatten()
        expected = torch.linalg.solve(system, right).view(6, 6)
        assert torch.linalg.matrix_norm(h - expected) < 1e-8 * torch.linalg.matrix_norm(expected)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_slices_are_whitened_as_with_eigenvectors(constant: bool, centred: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 24, 5, dtype=torch.float64, generator=generator) + torch.arange(5)
    weights = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    mean = None
    if centred:
        mean = x.mean(-2, keepdim=True)
        x = x - mean
    x.requires_grad_()
    outcomes = []
    for root in (PolarZca(), Zca()):
        z, failed = RootWhitening.apply(x, root, 0.1, mean, constant)
        (gradient,) = torch.autograd.grad((z * weights).sum(), x)
        outcomes.append((z, gradient, failed))
    for found, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_the_gradient_of_whitened_slices_is_the_derivative(eps: float) -> None:
    x = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    x.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: RootWhitening.apply(x, PolarZca(), eps, None, False)[0], (x,), atol=1e-6
    )


@pytest.mark.parametrize(("dtype", "iterations"), [(torch.float32, 12), (torch.float64, 26)])
def test_the_cubics_take_all_of_their_interval_to_one(dtype: torch.dtype, iterations: int) -> None:
    error, lowest = torch.finfo(dtype).eps, math.sqrt(rounding_share(64, dtype))
    x = torch.logspace(math.log10(lowest), 0, 10_001, dtype=torch.float64).clamp(lowest, 1)
    coefficients = cubics(lowest, error)
    for a, b in coefficients:
        x = a * x + b * x**3
    assert len(coefficients) == iterations
    assert (x - 1).abs().max() <= error
    assert coefficients[-1] == pytest.approx((1.5, -0.5), rel=1e-3)  # Newton and Schulz


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_bound_of_the_eigenvalues_is_one_and_near(spectrum: str) -> None:
    matrices = covariances(64, 1e4, spectrum)
    bound = bound_of_eigenvalues(matrices)
    assert bound.shape == (3, 1, 1)
    assert (bound >= 1 - 1e-12).all()
    assert (bound <= 64 ** (1 / 8)).all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_it_accepts_up_to_its_limit_and_nothing_beyond_whatever_the_scale(
    spectrum: str, scale: float
) -> None:
    """Its bounds of the two eigenvalues are n^(1/8) off at most, so the limit is n^(1/4) off at most."""
    limit = 1 / rounding_share(64, torch.float32)
    accepted = covariances(64, limit / 64 ** (1 / 4) / 1.5, spectrum).float() * scale
    assert PolarZca().matrix(accepted)[1].all()
    refused = covariances(64, limit * 1.5, spectrum).float() * scale
    assert not PolarZca().matrix(refused)[1].any()


@pytest.mark.parametrize("seed", range(20))
def test_what_rounding_alone_gave_rank_is_refused_as_with_eigenvectors(seed: int) -> None:
    """A repeated dimension, dimensions that depend on others, and too few samples."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 128, 64, generator=generator)
    x[0, :, 40] = x[0, :, 3]
    x[1] = x[1, :, :61] @ torch.randn(61, 64, generator=generator)
    x[2, 60:] = 0
    x = x - x.mean(-2, keepdim=True)
    covariance = x.mT @ x / 127
    assert not eigen(covariance)[2].any()
    assert not PolarZca().matrix(covariance)[1].any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
def test_a_matrix_without_a_root_spoils_no_other(bad: float) -> None:
    good = covariances(8, 100, "geometric").float()
    spoiled = good.clone()
    spoiled[1] = bad * (torch.eye(8) if math.isfinite(bad) else 1)
    along = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(5))
    matrix, usable, saved = PolarZca().matrix(spoiled)
    expected, _, expected_saved = PolarZca().matrix(good)
    assert usable.tolist() == [True, False, True]
    assert torch.equal(matrix[::2], expected[::2])
    gradient = PolarZca().gradient(along, matrix, saved)[::2]
    assert torch.equal(gradient, PolarZca().gradient(along, expected, expected_saved)[::2])


def test_a_slice_that_fails_is_nan_in_value_and_gradient_and_the_others_are_not() -> None:
    x = torch.randn(3, 32, 4, generator=torch.Generator().manual_seed(6))
    x[1, :, 2] = x[1, :, 0]
    x.requires_grad_()
    z, failed = RootWhitening.apply(x, PolarZca(), 0.0, None, False)
    (gradient,) = torch.autograd.grad(z.square().sum(), x)
    assert failed.tolist() == [False, True, False]
    assert z[1].isnan().all()
    assert gradient[1].isnan().all()
    assert z[::2].isfinite().all()
    assert gradient[::2].isfinite().all()


@pytest.mark.parametrize(
    ("operator", "on_cpu", "on_gpu"),
    [("zca", Zca(), PolarZca()), ("pca", Pca(), Pca()), ("iterative", Iterative(7), Iterative(7))],
)
def test_only_a_gpu_avoids_eigenvectors(operator: str, on_cpu: object, on_gpu: object) -> None:
    assert root_of(operator, steps=7, device=torch.device("cpu")) == on_cpu
    assert root_of(operator, steps=7, device=torch.device("cuda", 0)) == on_gpu
