"""The matrices by themselves: those that `whiten` uses, and inverse roots with their gradient."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.whitening import Operator, apply_matrix, inverse_root, whiten, whitening_matrix


def mixed(samples: int, dim: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, dim, generator=random, dtype=torch.float64)
    return x @ torch.randn(dim, dim, generator=random, dtype=torch.float64) + 3


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("operator", get_args(Operator))
def test_the_matrix_makes_what_whiten_makes(operator: Operator, groups: int) -> None:
    x = mixed(40, 6)
    mean, matrix = whitening_matrix(x, operator=operator, eps=0.01, groups=groups, steps=4)
    assert matrix.shape == (groups, 6 // groups, 6 // groups)
    expected = whiten(x, operator=operator, eps=0.01, groups=groups, steps=4)
    torch.testing.assert_close(apply_matrix(x, mean, matrix), expected, rtol=1e-9, atol=1e-9)


def test_it_whitens_other_samples_of_the_same_distribution() -> None:
    x = mixed(4000, 5)
    z = apply_matrix(x[2000:], *whitening_matrix(x[:2000], operator="zca"))
    assert (torch.cov(z.T) - torch.eye(5, dtype=z.dtype)).abs().max() < 0.15


def test_half_precision_is_promoted_under_autocast() -> None:
    x = mixed(64, 4).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean, matrix = whitening_matrix(x)
        z = apply_matrix(x, mean, matrix)
    assert {mean.dtype, matrix.dtype, z.dtype} == {torch.float32}
    torch.testing.assert_close(z, apply_matrix(x.float(), *whitening_matrix(x.float())), rtol=0, atol=0)


@pytest.mark.parametrize(("x", "words"), [(mixed(4, 3)[None], "samples must be"), (mixed(4, 5), "2 groups")])
def test_what_does_not_fit_is_refused(x: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        whitening_matrix(x, groups=2)


def test_the_inverse_root_is_the_published_recurrence() -> None:
    covariances = torch.stack([torch.cov(mixed(30, 4, seed).T) for seed in range(3)])
    trace = covariances.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    root = torch.eye(4, dtype=torch.float64).expand(3, 4, 4)
    for _ in range(5):  # Huang et al. 2019, as published
        root = 1.5 * root - 0.5 * root @ root @ root @ (covariances / trace)
    torch.testing.assert_close(inverse_root(covariances, steps=5), root / trace.sqrt(), rtol=1e-8, atol=1e-8)


def test_many_steps_lead_to_the_inverse_root_of_the_eigenvalues() -> None:
    covariance = torch.cov(mixed(50, 4).T)
    values, vectors = torch.linalg.eigh(covariance)
    expected = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    torch.testing.assert_close(inverse_root(covariance, steps=40), expected, rtol=1e-6, atol=1e-8)


def test_its_gradient_is_that_of_differences() -> None:
    covariances = torch.stack([torch.cov(mixed(30, 3, seed).T) for seed in range(2)]).requires_grad_()

    def symmetric(matrix: Tensor) -> Tensor:
        return inverse_root((matrix + matrix.mT) / 2, steps=3)

    assert torch.autograd.gradcheck(symmetric, (covariances,))


@pytest.mark.parametrize("values", [(1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (1e-5, 1e-5, 1e-5), (1e8, 1.0, 1e-5)])
def test_value_and_gradient_are_finite_on_degenerate_spectra(values: tuple[float, ...]) -> None:
    covariance = torch.diag(torch.tensor(values)).requires_grad_()
    root = inverse_root(covariance)
    root.square().sum().backward()
    assert root.isfinite().all()
    assert covariance.grad is not None
    assert covariance.grad.isfinite().all()
