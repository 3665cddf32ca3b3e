"""The symmetric inverse root without eigenvectors: one factorisation, then products of matrices alone.

Eigenvectors synchronise with the device, and torch before 2.12 computes them on a GPU one matrix at a time.
Here instead (Higham, Functions of Matrices, 2008, algorithm 6.21), of A = S / ν² with ν² ≥ λ_max,

    A = L Lᵀ (Cholesky),   L = R Q (polar: R = A^(1/2), Q orthogonal),   S^(-1/2) = Q L⁻¹ / ν.

**Q** is reached from X = L by X ← (a + b X Xᵀ) X, which maps each singular value x to p(x) = a x + b x³. The
coefficients are those of the cubic nearest to 1 on the interval in which the singular values are known to be
(Chen, Chow: A stable scaling of Newton-Schulz, 2014); as that interval shrinks to 1 they become those of
Newton and Schulz, 3/2 and -1/2. The first interval is [√δ, 1], where δ is the least share of the largest
eigenvalue that is more than rounding: so the number of iterations is known beforehand, 12 in float32 and 26
in float64, and a covariance that needs more has no inverse root in this precision anyway.

**Gradient.** With C = -W sym(G) W for the gradient G of W, that of S solves R H + H R = C / ν (Lyapunov). The
same polynomials solve it: applied to the block matrix [[R, C], [0, -R]], they lead to [[1, 2 H], [0, -1]],
each element of H, in the eigenbasis, with the relative error by which p differs from 1 (Roberts 1980).

**Error.** κ is the condition number of S, ε the spacing of floating-point numbers at 1, n the dimension. The
polynomials differ from 1 by ε at most, so all that is left is rounding, of a matrix L whose condition is √κ:
W S Wᵀ differs from 1 by 2 √n κ ε at most (2-norm), W and its gradient by 2 √n κ ε of themselves (Frobenius
norm). The rounding of S alone makes errors of this size. The worst that was seen, in float32 for n ≤ 256 and
κ from 10 to 3e5, is 2.1, 0.4 and 0.8 κ ε: a fifth to a twentieth of what eigenvectors in float32 give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from wmse_tui.engine.whitening.roots import rounding_share

WIDEST = 0.3
"""Lower over upper end of the interval for which a cubic is chosen, at least: from a wider one it would map
the largest singular values next to 0, and their rounding with them, to save one iteration."""

MARGIN = 1 + 2**-8
"""So much more than the largest eigenvalue is divided out, as its bound is rounded too."""


@cache
def cubics(lowest: float, error: float) -> tuple[tuple[float, float], ...]:
    """The a, b of x ← a x + b x³ that in this order take all x in [`lowest`, 1] to 1 within `error`.

    Of all cubics without even terms that of an iteration is nearest to 1 on its interval [l, h]: it is 1 - e
    at l and h, 1 + e where it is largest.
    """
    found: list[tuple[float, float]] = []
    low, high = lowest, 1.0
    while 1 - low > error:
        start = max(low, WIDEST * high)
        summed = start**2 + start * high + high**2
        top, ends = 2 * (summed / 3) ** 1.5, start * high * (start + high)
        a, b = 2 * summed / (top + ends), -2 / (top + ends)
        found.append((a, b))
        off = (top - ends) / (top + ends)
        low, high = min(a * low + b * low**3, 1 - off), 1 + off
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PolarZca:
    """The symmetric root by the polar factor of the Cholesky factor; a `Root` that never synchronises.

    It can be used where λ_min exceeds δ λ_max, by bounds of both that are at most n^(1/8) off: of what
    `eigen` accepts it refuses spectra near the limit, and accepts nothing that `eigen` refuses.
    """

    def matrix(self, covariance: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        dim = covariance.shape[-1]
        stack = covariance.reshape(-1, dim, dim)
        identity = torch.eye(dim, dtype=stack.dtype, device=stack.device)
        squared = MARGIN * bound_of_eigenvalues(stack)
        lower, order = torch.linalg.cholesky_ex(stack / squared)
        inverse = torch.linalg.solve_triangular(lower, identity, upper=False)

        coefficients, scales = _iterations(dim, stack.dtype)
        factors = identity.expand(len(stack), len(coefficients), dim, dim).contiguous()
        iterates = stack.new_empty(len(stack), len(coefficients) + 1, dim, dim)
        iterates[:, 0] = lower
        for i, ((a, b), scale) in enumerate(zip(coefficients, scales, strict=False)):
            x, factor = iterates[:, i], factors[:, i]  # x is to be multiplied by scale, factor by a
            factor.baddbmm_(x, x.mT, alpha=b / a * scale**2)
            torch.bmm(factor, x, out=iterates[:, i + 1])
        last, scale = iterates[:, -1], scales[-1]
        norm = squared.sqrt()
        root = torch.bmm(last, inverse) * (scale / norm)

        share = rounding_share(dim, stack.dtype)
        smallest = bound_of_eigenvalues(torch.bmm(inverse.mT, inverse)) * share  # NaN is not below 1 either
        astray = torch.linalg.matrix_norm(
            torch.baddbmm(identity, last, last.mT, beta=-1, alpha=scale**2), keepdim=True
        )
        usable = (smallest < 1) & (astray < math.sqrt(share)) & (order == 0)[:, None, None]
        shape = covariance.shape
        return root.view(shape), usable.view(shape[:-2]), (iterates, factors, norm)

    def gradient(self, along: Tensor, matrix: Tensor, saved: tuple[Tensor, ...]) -> Tensor:
        iterates, factors, norm = saved
        dim = matrix.shape[-1]
        coefficients, scales = _iterations(dim, matrix.dtype)
        root = matrix.reshape(-1, dim, dim)
        along = along.reshape(-1, dim, dim)
        change = torch.bmm(torch.bmm(root, along + along.mT), root.mT)  # -2 C; all that follows is linear
        roots = torch.bmm(iterates[:, :-1].flatten(1, 2), iterates[:, -1].mT).unflatten(1, (-1, dim))
        for i, ((a, b), scale) in enumerate(zip(coefficients, scales, strict=False)):
            r = roots[:, i]
            turned = torch.bmm(r, change)
            turned = turned - turned.mT
            change = torch.bmm(change, factors[:, i])
            change.baddbmm_(r, turned, alpha=b / a * (scale * scales[-1]) ** 2)
        return (change * (-scales[-1] / 4 / norm)).view(matrix.shape)


def bound_of_eigenvalues(matrices: Tensor) -> Tensor:
    """(..., 1, 1): λ_max of positive semidefinite `matrices` (..., n, n), at most n^(1/8) times too large.

    The fourth root of the Frobenius norm of the fourth power. NaN where a value is not finite, or all are 0.
    """
    diagonal = matrices.diagonal(dim1=-2, dim2=-1)
    largest = torch.linalg.vector_norm(diagonal, math.inf, -1)[..., None, None]  # and of all elements
    power = matrices / largest
    power = power @ power
    bound: Tensor = largest * torch.linalg.matrix_norm(power @ power, keepdim=True) ** 0.25
    return bound


@cache
def _iterations(dim: int, dtype: torch.dtype) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """The coefficients of the iterations, and the products of all a before each of them and after the last.

    They divide by a, as a product is then added to the identity: one launch less in each.
    """
    found = cubics(math.sqrt(rounding_share(dim, dtype)), torch.finfo(dtype).eps)
    scales = [1.0]
    for a, _ in found:
        scales.append(scales[-1] * a)
    return found, tuple(scales)
