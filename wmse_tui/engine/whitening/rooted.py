"""Whitening by a root of the covariance: Z = C Wᵀ for the centred slice C, and its gradient.

With G the gradient of Z, that of W is Gᵀ C; let H be the (symmetric) gradient of S that the root makes of
it. S = (1 - eps) Cᵀ C / (samples - 1) + eps 1, so C gets G W + 2 (1 - eps) / (samples - 1) C H, less its mean
over the samples where they are centred here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wmse_tui.engine.precision import full_precision
from wmse_tui.engine.whitening.cholesky import ROUNDINGS, covariances
from wmse_tui.engine.whitening.polar import PolarZca
from wmse_tui.engine.whitening.roots import Iterative, Pca, Root, Zca


def root_of(operator: str, *, steps: int, device: torch.device) -> Root:
    """The root that divides the covariances of "zca", "pca" or "iterative" out, on a device.

    A GPU computes the symmetric root without eigenvectors: they would wait for it, and for one another.

    Args:
        steps: of "iterative".
    """
    if operator == "iterative":
        return Iterative(steps)
    if operator == "pca":
        return Pca()
    return Zca() if device.type == "cpu" else PolarZca()


class RootWhitening(torch.autograd.Function):
    """(slices (..., samples, dim), root, eps, mean, constant) -> (whitened slices, failed); failed: all NaN.

    `mean` is that of `covariances`: None lets the slices be centred here. `constant`: the gradient of the
    root is left out.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, root: Root, eps: float, mean: Tensor | None, constant: bool
    ) -> tuple[Tensor, Tensor]:
        with full_precision(x.device.type):
            centred, centre, covariance = covariances(x, eps, mean)
            matrix, usable, saved = root.matrix(covariance)
            failed = ~usable
            if not eps:
                failed |= ~varies(covariance, centre)
            matrix = matrix.masked_fill(failed[..., None, None], torch.nan)
            whitened = centred @ matrix.mT
        ctx.save_for_backward(centred, matrix, *(() if constant else saved))
        ctx.mark_non_differentiable(failed)
        ctx.root, ctx.scale, ctx.centres = root, 2 * (1 - eps) / (x.shape[-2] - 1), mean is None
        ctx.constant = constant
        return whitened, failed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        centred, matrix, *saved = ctx.saved_tensors
        gradient = gradients[0]
        with full_precision(gradient.device.type):  # again: this runs later, in a thread of autograd
            of_x = gradient @ matrix
            if not ctx.constant:
                of_covariance = ctx.root.gradient(gradient.mT @ centred, matrix, tuple(saved))
                of_x += centred @ of_covariance * ctx.scale
            if ctx.centres:
                of_x -= of_x.mean(-2, keepdim=True)
            return of_x, None, None, None, None


def varies(covariance: Tensor, mean: Tensor) -> Tensor:
    """Whether (...) any dimension of a slice varies by more than the rounding of its mean."""
    variances = covariance.diagonal(dim1=-2, dim2=-1)
    rounding = ROUNDINGS * torch.finfo(variances.dtype).eps
    return (variances > (rounding * mean.squeeze(-2)).square()).any(-1)
