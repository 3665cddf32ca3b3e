"""The VIbCReg loss: VICReg of whitened embeddings, with correlations in place of covariances.

Lee, Aune: "VIbCReg: variance-invariance-better-covariance regularization for self-supervised learning on time
series", 2021, arXiv 2109.00783.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from wmse_tui.engine.losses.distance import ViewDistance
from wmse_tui.engine.losses.shapes import check_embeddings, off_diagonal
from wmse_tui.engine.losses.vicreg import check_batch, missing_spread
from wmse_tui.engine.precision import full_precision
from wmse_tui.engine.whitening import whiten

WIDTH = 32
"""Channels of a group where their number is not configured: 64 groups of 2048, as published."""


def vibcreg_loss(
    embeddings: Tensor,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    correlation: float = 200.0,
    steps: int = 5,
    groups: int | None = None,
    eps: float = 1e-4,
) -> Tensor:
    """Whiten groups of channels by a few Newton steps, then as VICReg, with a scale-free covariance term.

    The first two terms are those of `vicreg_loss`. In the third, each dimension is centred over the batch and
    divided by its length, so that correlations replace covariances; their squares are divided by
    dim², the number of all entries. Each view is whitened by itself; gradients reach every view.

    Args:
        embeddings: (views, batch, dim), two views and two images or more.
        invariance, variance, correlation: the weights of the terms.
        steps: of Newton's iteration (the "iterative" operator of `whiten`); 0: no whitening.
        groups: how many groups the channels form, each whitened by itself; None: `groups_for_width` dim.
        eps: makes the root of the variances differentiable.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        WhiteningFailed: on the CPU, embeddings without variance or not finite (see `whiten`).
        ValueError, TypeError: shapes, weights, steps, groups or dtype do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(vibcreg_loss(views).item(), 1)
        50.8
    """
    if not min(invariance, variance, correlation) >= 0:
        raise ValueError(f"weights must be 0 or more, not {invariance}, {variance}, {correlation}")
    distance, lack, shared = vibcreg_terms(embeddings, steps=steps, groups=groups, eps=eps)
    return invariance * distance + variance * lack + correlation * shared


def vibcreg_terms(
    embeddings: Tensor, *, steps: int = 5, groups: int | None = None, eps: float = 1e-4
) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms of `vibcreg_loss`, each a scalar without its weight, averaged over pairs."""
    check_embeddings(embeddings)
    check_batch(embeddings)
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, not {steps}")
    dim = embeddings.shape[2]
    groups = groups_for_width(dim) if groups is None else groups
    z = whiten(
        embeddings,
        operator="iterative" if steps else "none",
        steps=max(1, steps),
        groups=groups if steps else 1,
    )
    with full_precision(z.device.type):
        centred = torch.nn.functional.normalize(z - z.mean(1, keepdim=True), dim=1)
        correlations = off_diagonal(centred.mT @ centred)  # (views, dim, dim)
        shared = correlations.square().sum((1, 2)) / dim**2
        return cast("Tensor", ViewDistance.apply(z, False)), missing_spread(z, eps), 2 * shared.mean()


def groups_for_width(dim: int) -> int:
    """As many groups as leave `WIDTH` channels in each, or the next fewer that divide `dim`."""
    return dim // next(width for width in range(min(WIDTH, dim), 0, -1) if dim % width == 0)
