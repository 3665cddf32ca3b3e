"""The VICReg loss: variance, invariance, covariance (Bardes, Ponce, LeCun: ICLR 2022, arXiv 2105.04906)."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from wmse_tui.engine.losses.distance import ViewDistance
from wmse_tui.engine.losses.shapes import check_embeddings, off_diagonal
from wmse_tui.engine.precision import at_least_float32, full_precision


def vicreg_loss(
    embeddings: Tensor,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
    eps: float = 1e-4,
) -> Tensor:
    """Pull views together, the spread of each dimension up to 1, and dimensions apart.

    Of a pair of views

        invariance · s(Z, Z') + variance · [v(Z) + v(Z')] + covariance · [c(Z) + c(Z')],

    s the squared difference, averaged over images and dimensions; v the mean over dimensions of
    max(0, 1 - √(var + eps)); c the squared covariances of different dimensions, summed and divided by dim.
    Variances are over batch - 1. Averaged over pairs.

    Args:
        embeddings: (views, batch, dim), two views and two images or more.
        invariance, variance, covariance: the weights of the terms.
        eps: makes the root differentiable.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast. It is 0 only for equal views
        with variances of 1 or more and no covariances.

    Raises:
        ValueError, TypeError: shapes, weights or dtype do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(vicreg_loss(views).item(), 1)  # unrelated views of variance 1: about 2 invariance
        58.7
    """
    if not min(invariance, variance, covariance) >= 0:
        raise ValueError(f"weights must be 0 or more, not {invariance}, {variance}, {covariance}")
    distance, lack, shared = vicreg_terms(embeddings, eps=eps)
    return invariance * distance + variance * lack + covariance * shared


def vicreg_terms(embeddings: Tensor, *, eps: float = 1e-4) -> tuple[Tensor, Tensor, Tensor]:
    """(s, v + v', c + c') of `vicreg_loss`, each a scalar without its weight, averaged over pairs."""
    check_embeddings(embeddings)
    check_batch(embeddings)
    with full_precision(embeddings.device.type):
        z = at_least_float32(embeddings)
        centred = z - z.mean(1, keepdim=True)
        covariances = centred.mT @ centred / (z.shape[1] - 1)  # (views, dim, dim)
        shared = off_diagonal(covariances).square().sum((1, 2)) / z.shape[2]
        return cast("Tensor", ViewDistance.apply(z, False)), missing_spread(z, eps), 2 * shared.mean()


def missing_spread(z: Tensor, eps: float) -> Tensor:
    """v(Z) + v(Z') averaged over pairs of views: what standard deviations lack of 1."""
    deviation = (z.var(1) + eps).sqrt()  # (views, dim)
    return 2 * (1 - deviation).relu().mean()


def check_batch(embeddings: Tensor) -> None:
    """Raise ValueError unless there are two images or more."""
    if embeddings.shape[1] < 2:
        raise ValueError("one image has no variance; this loss needs a batch of two or more")
