"""The Zero-CL losses: align whitened features or instances (Zhang et al., ICLR 2022)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from wmse_tui.engine.losses.shapes import check_embeddings, unordered_pairs
from wmse_tui.engine.whitening import whiten
from wmse_tui.engine.whitening.slices import Axis


def zero_cl_loss(
    embeddings: Tensor, *, variant: Literal["feature", "instance"] = "feature", ridge: float = 0.01
) -> Tensor:
    """One minus the correlation of each whitened feature (or image) of two views, squared and summed.

    Zero-FCL: each feature is standardised over the batch, and the features of each view are multiplied by the
    symmetric inverse root of their correlation matrix plus `ridge`. That matrix counts as a constant: no
    gradient flows through it. With c_j the correlation over the batch of feature j in two views, the loss is
    Σ_j (1 - c_j)², averaged over pairs of views. Zero-ICL: the same of images over features. Covariances and
    correlations are over one less than the samples, as everywhere here; the authors' code divides by them.

    Args:
        embeddings: (views, batch, dim), two views or more.
        variant: "feature" (Zero-FCL) or "instance" (Zero-ICL).
        ridge: added to the eigenvalues; 0.01 in the authors' code. 0 requires full rank.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast. Unrelated views cost about
        the number of features (of images).

    Raises:
        WhiteningFailed: a feature (image) does not vary, or there is no rank and no ridge (see `whiten`; on a
            GPU the loss may be NaN instead).
        ValueError, TypeError: shapes, variant, ridge or dtypes do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(zero_cl_loss(views).item(), 1)  # unrelated views: about the number of features
        8.7
    """
    check_embeddings(embeddings)
    if variant not in ("feature", "instance"):
        raise ValueError(f"variant must be 'feature' or 'instance', not {variant!r}")
    if not ridge >= 0:
        raise ValueError(f"ridge must be 0 or more, not {ridge}")
    axis: Axis = "batch" if variant == "feature" else "channel"
    standard = whiten(embeddings, operator="standardise", axis=axis)
    eps = shrinkage(ridge)
    z = whiten(standard, operator="zca", eps=eps, axis=axis, constant=True) * (1 - eps) ** 0.5
    with torch.autocast(z.device.type, enabled=False):
        over = -2 if variant == "feature" else -1
        first, second = unordered_pairs(len(z), z.device)
        correlation = (z[first] * z[second]).sum(over) / (z.shape[over] - 1)
        loss: Tensor = (1 - correlation).square().sum(-1).mean()
        return loss


def shrinkage(ridge: float) -> float:
    """The `eps` of `whiten` that is as a ridge: (1 - eps) (S + ridge) = (1 - eps) S + eps."""
    return ridge / (1 + ridge)
