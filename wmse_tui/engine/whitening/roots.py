"""Roots: matrices W with W S Wᵀ = 1 for covariances S, each with a gradient that stays finite.

The gradient of an eigendecomposition divides by the gaps between eigenvalues and is NaN where two are equal,
which is what whitening makes them. Of the roots below only PCA's depends on single eigenvectors at all.

- `Zca`: W = S^(-1/2) = U Λ^(-1/2) Uᵀ. With dM = Uᵀ dS U, dW = U (K ∘ dM) Uᵀ, where K holds the divided
  differences of λ^(-1/2): K_ij = -1 / (s_i s_j (s_i + s_j)), s = √λ. No gap is left in it.
- `Pca`: W = Λ^(-1/2) Uᵀ, the largest variance first, the largest element of each eigenvector positive. The
  eigenvectors turn by Ω with Ω_ij = dM_ij / gap, gap = λ_j - λ_i. It is truly singular at a gap of 0, so
  1 / gap is replaced by gap / (gap² + δ²): within δ² / gap² of the derivative, never above 1 / (2 δ).
- `Iterative`: `steps` steps of Newton's iteration towards S^(-1/2) (Huang et al., CVPR 2019, arXiv
  1904.03441): A = S / tr S, P ← (3 P - P³ A) / 2 from P = 1, W = P / √tr S. Few steps whiten the directions
  of large variance only; those of none are multiplied by a finite number. Products alone, both ways. As
  written that recurrence magnifies its roundings (in float64 it is lost after 20 steps where the eigenvalues
  differ tenfold); here P is coupled to Y = A P, which is the same in exact arithmetic, and stable:
  T = (3 - P Y) / 2, Y ← Y T, P ← T P (Higham, Functions of Matrices, 2008, §6.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wmse_tui.engine.whitening.cholesky import ROUNDINGS

BATCHED_EIGH = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 12)
"""Whether torch decomposes many matrices on a GPU at once."""


class Root(Protocol):
    """A root and its gradient, of covariances (..., dim, dim) all at once."""

    def matrix(self, covariance: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """W, whether (...) it can be used, and what its gradient needs."""

    def gradient(self, along: Tensor, matrix: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        """The gradient of the covariance from that of W, `along`; symmetric."""


@dataclass(frozen=True, slots=True)
class Zca:
    """The symmetric root by eigendecomposition."""

    def matrix(self, covariance: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        values, vectors, usable = eigen(covariance)
        root = values.sqrt()
        return (vectors / root[..., None, :]) @ vectors.mT, usable, (root, vectors)

    def gradient(self, along: Tensor, matrix: Tensor, saved: tuple[Tensor, ...]) -> Tensor:  # noqa: ARG002
        root, vectors = saved
        row, column = root[..., :, None], root[..., None, :]
        inner = (vectors.mT @ _symmetric(along) @ vectors) / (row * column * (row + column))
        return -(vectors @ inner @ vectors.mT)


@dataclass(frozen=True, slots=True)
class Pca:
    """The root that turns the slices onto their principal axes."""

    def matrix(self, covariance: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        values, vectors, usable = eigen(covariance)
        values, vectors = values.flip(-1), vectors.flip(-1)
        largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
        vectors = vectors * torch.where(largest < 0, -1.0, 1.0).to(vectors.dtype)
        return vectors.mT / values.sqrt()[..., :, None], usable, (values, vectors)

    def gradient(self, along: Tensor, matrix: Tensor, saved: tuple[Tensor, ...]) -> Tensor:  # noqa: ARG002
        values, vectors = saved
        turned = along @ vectors / values.sqrt()[..., :, None]
        gap = values[..., :, None] - values[..., None, :]
        width = torch.finfo(values.dtype).eps ** 0.5 * values[..., :1, None]
        inner = (turned * (gap / (gap.square() + width.square()))).mT.contiguous()
        inner.diagonal(dim1=-2, dim2=-1).copy_(turned.diagonal(dim1=-2, dim2=-1) / (-2 * values))
        return _symmetric(vectors @ inner @ vectors.mT)


@dataclass(frozen=True, slots=True)
class Iterative:
    """The symmetric root, approached by `steps` steps of Newton's iteration."""

    steps: int

    def matrix(self, covariance: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        root, saved = self.approach(covariance)
        trace = saved[1]
        usable = ((trace > 0) & (trace < math.inf)).view(covariance.shape[:-2])
        return root, usable, saved

    def approach(self, covariance: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """W, and what its gradient needs."""
        shape, dim = covariance.shape, covariance.shape[-1]
        stack = covariance.reshape(-1, dim, dim)
        trace = stack.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
        factors = stack.new_zeros(self.steps, len(stack), dim, dim)
        factors.diagonal(dim1=-2, dim2=-1).fill_(1)  # T, from the ones that are in it
        others = [stack / trace]
        roots = [factors[0].lerp_(others[0], -0.5)]  # the first P is 1
        for factor in factors[1:]:
            others.append(torch.bmm(others[-1], factors[len(others) - 1]))
            factor.baddbmm_(roots[-1], others[-1], beta=1.5, alpha=-0.5)
            roots.append(torch.bmm(factor, roots[-1]))
        size = trace.sqrt()
        root = (roots[-1] / size).view(shape)
        return root, (size, trace, *others, *roots[:-1], *factors)

    def gradient(self, along: Tensor, matrix: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        size, trace, scaled = saved[:3]
        others, roots = saved[2 : 2 + self.steps], (None, *saved[2 + self.steps : 1 + 2 * self.steps])
        factors = saved[1 + 2 * self.steps :]
        along, matrix, shape = along.reshape(scaled.shape), matrix.view(scaled.shape), along.shape
        of_root = along / size
        of_other: Tensor | None = None  # the last one is not used
        for other, root, factor in zip(reversed(others), reversed(roots), reversed(factors), strict=True):
            if root is None:  # it was 1
                of_factor = of_root if of_other is None else of_root.baddbmm_(other.mT, of_other)
                if of_other is None:
                    of_other = -0.5 * of_factor
                else:
                    of_other = torch.bmm(of_other, factor.mT).sub_(of_factor, alpha=0.5)
                break
            of_factor = torch.bmm(of_root, root.mT)
            if of_other is None:
                of_other = torch.baddbmm(of_factor, root.mT, of_factor, beta=0, alpha=-0.5)
            else:
                of_factor.baddbmm_(other.mT, of_other)
                of_other = torch.bmm(of_other, factor.mT).baddbmm_(root.mT, of_factor, alpha=-0.5)
            of_root = torch.bmm(factor.mT, of_root).baddbmm_(of_factor, other.mT, alpha=-0.5)
        assert of_other is not None
        of_trace = (of_other * scaled).addcmul_(along, matrix, value=0.5).sum((-2, -1), keepdim=True)
        gradient = _symmetric(of_other) / trace
        gradient.diagonal(dim1=-2, dim2=-1).addcdiv_(of_trace[..., 0], trace[..., 0], value=-1)
        return gradient.view(shape)


def eigen(covariance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rising eigenvalues (..., dim), eigenvectors in columns, and whether (...) there is an inverse root.

    There is none where a value is not finite (`eigh` would refuse the whole batch), or where the smallest
    eigenvalue is no more than the rounding of the largest: that of a repeated dimension came to 5 roundings
    at most, in 480 random slices of 64 to 256 dimensions.
    """
    finite = covariance.isfinite().all(-1).all(-1)
    identity = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    values, vectors = eigh(torch.where(finite[..., None, None], covariance, identity))
    return values, vectors, finite & (values[..., 0] > rounding_of_eigenvalues(values))


def eigh(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """As `torch.linalg.eigh`, in batches whatever the version of torch.

    On a GPU torch before 2.12 calls cuSOLVER once for each matrix, which takes 1.8 ms for one of 100 x 100;
    the 128 matrices of 64 x 64 of a step of CW-RGP take 230 ms there, and 12 ms on one core of a CPU. Both
    wait for the device.
    """
    if symmetric.is_cuda and not BATCHED_EIGH and symmetric.shape[:-2].numel() > 1:
        values, vectors = torch.linalg.eigh(symmetric.cpu())
        return values.to(symmetric.device), vectors.to(symmetric.device)
    values, vectors = torch.linalg.eigh(symmetric)
    return values, vectors


def rounding_of_eigenvalues(values: Tensor) -> Tensor:
    """(...): what an eigenvalue among the rising `values` (..., dim) must exceed to be one."""
    return rounding_share(values.shape[-1], values.dtype) * values[..., -1]


def rounding_share(dim: int, dtype: torch.dtype) -> float:
    """The share of the largest of `dim` eigenvalues that rounding makes of none."""
    return ROUNDINGS * max(1.0, dim / 128) * torch.finfo(dtype).eps


def _symmetric(matrix: Tensor) -> Tensor:
    return (matrix + matrix.mT) / 2
