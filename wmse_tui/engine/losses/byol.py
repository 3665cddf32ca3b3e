"""The BYOL loss: predict the other view's target embedding (Grill et al., 2020, arXiv 2006.07733, eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize as unit

from wmse_tui.engine.losses.shapes import check_embeddings, ordered_pairs
from wmse_tui.engine.precision import at_least_float32


def byol_loss(predictions: Tensor, targets: Tensor, *, normalize: bool = True) -> Tensor:
    """The distance from each view's prediction to each other view's target.

    Both directions of a pair of views are summed, then averaged over images and over the pairs of views. The
    stop-gradient is part of the loss: no gradient reaches `targets`, however they were made.

    Args:
        predictions, targets: (views, batch, dim), two views or more.
        normalize: True: the distance of unit vectors, 2 - 2 cos, so the loss is in [0, 8]. False: the
            squared difference, averaged over dimensions too.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        ValueError, TypeError: shapes or dtypes do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> predictions, targets = views, views.flip(0)  # each view is predicted exactly
        >>> round(byol_loss(predictions, targets).item(), 2)
        0.0
    """
    check_embeddings(predictions, "predictions")
    check_embeddings(targets, "targets")
    if predictions.shape != targets.shape:
        raise ValueError(f"predictions are {tuple(predictions.shape)}, but targets {tuple(targets.shape)}")
    with torch.autocast(predictions.device.type, enabled=False):
        p, t = at_least_float32(predictions), at_least_float32(targets.detach())
        if normalize:
            p, t = unit(p, dim=-1), unit(t, dim=-1)
        i, j = ordered_pairs(len(p), p.device)
        distance = (p[i] - t[j]).square()
        return 2 * (distance.sum(-1).mean() if normalize else distance.mean())
