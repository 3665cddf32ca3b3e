"""Whitening by the Cholesky factor of the covariance, with its gradient in closed form.

Forward (Ermolov et al., ICML 2021, §3; samples in rows): with the centred slice C, the covariance S = CᵀC /
(samples - 1) and the factor (1 - eps) S + eps I = L Lᵀ, the whitened slice is Z = C L⁻ᵀ. Its covariance is
the identity when eps is 0.

Backward: let G be the gradient of Z. The differential is dZ = dC L⁻ᵀ - Z (L⁻¹ dL)ᵀ, and L⁻¹ dL is the lower
triangle, diagonal halved, of (1 - eps) L⁻¹ dS L⁻ᵀ. Collecting the terms of dC gives

    (G - (1 - eps) / (samples - 1) · Z M) L⁻¹,   M symmetric with the lower triangle of GᵀZ,

less its mean over the samples, because C is centred. Three products, no derivative of a factorisation, and
as exact as automatic differentiation (`wmse-tui bench` measures it, with the loss around it).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wmse_tui.engine.precision import full_precision

ROUNDINGS = 8
"""A variance of at most so many roundings of what it was computed from is none."""


def covariances(x: Tensor, eps: float, mean: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """(centred slices (..., samples, dim), means (..., 1, dim), shrunk covariances (..., dim, dim)) of `x`.

    Args:
        mean: what `x` has been freed of already (it broadcasts); then `x` is used as it is.
    """
    samples, dim = x.shape[-2:]
    if mean is None:
        mean = x.mean(-2, keepdim=True)
        centred = x - mean
    else:
        centred = x
    covariance = centred.mT @ centred / (samples - 1)
    if eps:
        covariance = torch.lerp(covariance, torch.eye(dim, dtype=x.dtype, device=x.device), eps)
    return centred, mean, covariance


def factorise(x: Tensor, eps: float, mean: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Centre the slices `x` (..., samples, dim) and factorise their shrunk covariances, all at once.

    Returns the centred slices, the lower factors (..., dim, dim), and (...) integers: 0 for a factor that can
    be used, else the order of the first leading minor that is not positive, or is so by rounding only. Why:
    in float32 a repeated dimension passes a factorisation every other time and would be "whitened" to
    amplified noise. In 400 random slices its pivot came to 3 roundings of its variance at most; the pivots of
    independent dimensions stayed above a million.
    """
    centred, mean, covariance = covariances(x, eps, mean)
    lower, order = torch.linalg.cholesky_ex(covariance)

    rounding = ROUNDINGS * torch.finfo(x.dtype).eps
    pivots = lower.diagonal(dim1=-2, dim2=-1).square()
    variances = covariance.diagonal(dim1=-2, dim2=-1)
    centre = mean.squeeze(-2)
    spread = torch.addcmul(variances, centre, centre, value=-(rounding**2))
    usable = torch.minimum(pivots.sub(variances, alpha=rounding), spread) > 0  # NaN: no
    first_unusable = (usable.view(torch.uint8).argmin(-1) + 1).masked_fill_(usable.all(-1), 0)
    return centred, lower, torch.where(order > 0, order, first_unusable)


class CholeskyWhitening(torch.autograd.Function):
    """(slices (..., samples, dim), eps, mean) -> (whitened slices, failed orders); a failed slice is all NaN.

    `mean` is that of `covariances`: None lets the slices be centred here.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, mean: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with full_precision(x.device.type):
            centred, lower, failed_order = factorise(x, eps, mean)
            identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
            inverse = torch.linalg.solve_triangular(
                lower, identity, upper=False
            )  # small; its products are fast
            inverse.masked_fill_((failed_order > 0)[..., None, None], torch.nan)
            whitened = centred @ inverse.mT
        ctx.save_for_backward(whitened, inverse)
        ctx.mark_non_differentiable(failed_order)
        ctx.scale = (1 - eps) / (x.shape[-2] - 1)
        ctx.centres = mean is None
        return whitened, failed_order

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whitened, inverse = ctx.saved_tensors
        gradient = gradients[0]
        with full_precision(gradient.device.type):  # again: this runs later, in a thread of autograd
            lower = (gradient.mT @ whitened).tril_()
            symmetric = lower + lower.mT
            symmetric.diagonal(dim1=-2, dim2=-1).mul_(0.5)
            samples, dim = gradient.shape[-2:]
            inner = torch.baddbmm(
                gradient.reshape(-1, samples, dim),
                whitened.reshape(-1, samples, dim),
                symmetric.view(-1, dim, dim),
                alpha=-ctx.scale,
            )
            centred = torch.bmm(inner, inverse.reshape(-1, dim, dim))
            if ctx.centres:
                centred -= centred.mean(-2, keepdim=True)
            return centred.view(gradient.shape), None, None
