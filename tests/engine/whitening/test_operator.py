"""The whitening operator: the result is white, in full precision, with the right gradient, or an error."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.whitening import whiten
from wmse_tui.engine.whitening.cholesky import CholeskyWhitening


def correlated(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Random embeddings whose dimensions differ in scale, depend on each other, and are not centred."""
    generator = torch.Generator().manual_seed(seed)
    dim = shape[-1]
    mixing = torch.randn(dim, dim, dtype=torch.float64, generator=generator) / dim + torch.eye(dim)
    x = torch.randn(shape, dtype=torch.float64, generator=generator) @ mixing + torch.arange(dim)
    return x.to(dtype)


def plain(x: Tensor, eps: float = 0.0) -> Tensor:
    """One slice by the formula, differentiated by torch."""
    covariance = (1 - eps) * torch.cov(x.T) + eps * torch.eye(x.shape[1], dtype=x.dtype)
    z: Tensor = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(covariance)).T
    return z


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_whitened_slices_have_mean_zero_and_covariance_one(dtype: torch.dtype, tolerance: float) -> None:
    z = whiten(correlated(3, 2, 64, 16, dtype=dtype))
    assert z.shape == (3, 2, 64, 16)
    assert z.dtype == dtype
    assert z.mean(-2).abs().max() < tolerance
    covariance = z.mT @ z / 63
    assert (covariance - torch.eye(16)).abs().max() < tolerance


@pytest.mark.parametrize("eps", [0.0, 1e-3, 0.7, 1.0])
def test_all_slices_at_once_equal_each_slice_by_the_formula(eps: float) -> None:
    x = correlated(3, 2, 24, 5)
    z = whiten(x, eps=eps)
    for i in range(3):
        for j in range(2):
            torch.testing.assert_close(z[i, j], plain(x[i, j], eps), rtol=0, atol=1e-11)


def test_full_shrinkage_only_centres() -> None:
    x = correlated(24, 5)
    torch.testing.assert_close(whiten(x, eps=1.0), x - x.mean(0))


def test_each_dimension_is_freed_of_those_before_it() -> None:
    x = correlated(24, 5)
    z = whiten(x)
    torch.testing.assert_close(z[:, 0], (x[:, 0] - x[:, 0].mean()) / x[:, 0].std())
    torch.testing.assert_close(whiten(x[:, :3]), z[:, :3])


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_gradient_is_the_derivative(eps: float) -> None:
    x = correlated(2, 7, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: whiten(x, eps=eps), (x,))


@pytest.mark.parametrize("eps", [0.0, 0.2])
def test_gradient_equals_automatic_differentiation(eps: float) -> None:
    x = correlated(40, 8).requires_grad_()
    weights = correlated(40, 8, seed=1)
    (gradient,) = torch.autograd.grad((whiten(x, eps=eps) * weights).sum(), x)
    (expected,) = torch.autograd.grad((plain(x, eps) * weights).sum(), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)


def test_second_derivatives_are_refused() -> None:
    x = correlated(7, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(whiten(x).pow(3).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        torch.autograd.backward(gradient.sum())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_promoted_before_centring_and_stays_float32(dtype: torch.dtype) -> None:
    x = correlated(64, 16, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = whiten(x)
    assert z.dtype == torch.float32
    assert torch.equal(z, whiten(x.float()))


def test_autocast_changes_neither_value_nor_gradient() -> None:
    x = correlated(64, 16, dtype=torch.float32).requires_grad_()
    weights = correlated(64, 16, dtype=torch.float32, seed=1)
    expected, (expected_gradient,) = whiten(x), torch.autograd.grad((whiten(x) * weights).sum(), x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = whiten(x)
        (gradient,) = torch.autograd.grad((z * weights).sum(), x)
    assert torch.equal(z, expected)
    assert torch.equal(gradient, expected_gradient)


@pytest.mark.parametrize("samples", [3, 15, 16])
def test_too_few_samples_always_fail_whatever_the_rounding(samples: int) -> None:
    for seed in range(10):
        with pytest.raises(WhiteningFailed, match=f"a slice of {samples} images cannot whiten 16 dimensions"):
            whiten(correlated(samples, 16, dtype=torch.float32, seed=seed))


def test_requested_shrinkage_whitens_too_few_samples() -> None:
    z = whiten(correlated(8, 16, dtype=torch.float32), eps=1e-3)
    assert z.isfinite().all()
    with pytest.raises(WhiteningFailed, match="a slice of 1 images"):
        whiten(torch.ones(1, 16), eps=1e-3)


@pytest.mark.parametrize("seed", range(10))
def test_a_repeated_dimension_never_passes_as_rounding_noise(seed: int) -> None:
    x = correlated(128, 64, dtype=torch.float32, seed=seed)
    x[:, 40] = x[:, 3]
    with pytest.raises(WhiteningFailed, match="the leading minor of order 41 is not positive"):
        whiten(x)


@pytest.mark.parametrize("value", [0.0, 0.7318, 1000.1, -3e-5])
def test_a_constant_dimension_never_passes_as_rounding_noise(value: float) -> None:
    x = correlated(96, 8, dtype=torch.float32)
    x[:, 5] = value
    with pytest.raises(WhiteningFailed, match="the leading minor of order 6 is not positive"):
        whiten(x)


def test_dimensions_of_very_different_scale_are_no_collapse() -> None:
    x = correlated(128, 8, dtype=torch.float32) * torch.logspace(-6, 6, 8)
    assert (whiten(x).var(0) - 1).abs().max() < 1e-3


def test_without_a_check_a_failed_slice_is_nan_and_the_others_are_correct() -> None:
    x = correlated(3, 32, 4, dtype=torch.float32)
    good = x.clone()
    x[1, :, 2] = x[1, :, 0]
    x.requires_grad_()
    z, failed_order = CholeskyWhitening.apply(x, 0.0)
    (gradient,) = torch.autograd.grad(z.square().sum(), x)
    assert failed_order.tolist() == [0, 3, 0]
    assert z[1].isnan().all()
    assert gradient[1].isnan().all()
    assert torch.equal(z[[0, 2]], whiten(good)[[0, 2]])
    assert gradient[[0, 2]].isfinite().all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_fails_its_slice(bad: float) -> None:
    x = correlated(2, 32, 4, dtype=torch.float32)
    x[1, 7, 2] = bad
    _, failed_order = CholeskyWhitening.apply(x, 0.0)
    assert failed_order.tolist() == [0, 3]
    with pytest.raises(WhiteningFailed, match="are not all finite"):
        whiten(x)


@pytest.mark.parametrize(
    ("x", "kwargs", "error", "text"),
    [
        (torch.ones(8), {}, ValueError, r"must be \(\.\.\., samples, dim\), not \(8,\)"),
        (torch.ones(8, 4, dtype=torch.int64), {}, TypeError, r"floating-point numbers, not torch\.int64"),
        (torch.ones(8, 4), {"eps": -0.1}, ValueError, r"eps must be in \[0, 1\], not -0\.1"),
        (torch.ones(8, 4), {"eps": math.nan}, ValueError, "not nan"),
        (
            torch.ones(8, 4),
            {"operator": "qr"},
            ValueError,
            "'cholesky', 'zca', 'pca', 'iterative', 'standardise' or 'none', not 'qr'",
        ),
        (torch.ones(8, 4), {"steps": 0}, ValueError, "steps must be 1 or more, not 0"),
        (torch.ones(8, 4), {"axis": "rows"}, ValueError, "axis must be 'batch' or 'channel', not 'rows'"),
        (torch.ones(8, 4), {"groups": 3}, ValueError, "4 dimensions cannot be divided into 3 groups"),
        (
            torch.ones(2, 8, 4),
            {"groups": 2, "partition": torch.arange(4).expand(3, 4)},
            ValueError,
            r"partition must be \(2, 4\) or broadcast to it, not \(3, 4\)",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_named(
    x: Tensor, kwargs: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        whiten(x, **kwargs)  # type: ignore[arg-type]
