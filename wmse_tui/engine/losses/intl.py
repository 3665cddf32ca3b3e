"""The INTL loss: iterative normalisation with trace loss (Weng et al., ICLR 2024, arXiv 2305.16789)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wmse_tui.engine.losses.shapes import check_embeddings
from wmse_tui.engine.whitening import whiten
from wmse_tui.engine.whitening.slices import Axis


def intl_loss(
    embeddings: Tensor, *, steps: int = 4, axis: Axis = "channel", trace_weight: float | None = None
) -> Tensor:
    """The distance of each view from the first, whitened by a few Newton steps, and the variance it lacks.

    Newton's iteration leaves directions of small variance below 1; the trace loss Σ_j (1 - var_j)² over the
    whitened images (channels, over the batch axis) pulls them up. The mean over i > 0 of

        2 - 2 mean cos(z_i, z_0) + trace_weight · (TL_i + TL_0).

    The whole batch of a view is one slice. Gradients reach every view; the first is in all pairs.

    Args:
        embeddings: (views, batch, dim), two views or more.
        steps: of Newton's iteration.
        axis: what is whitened, see `whiten`; "channel" frees each image of its mean over all channels.
        trace_weight: None: `published_weight` of the images that are whitened (or channels).

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        WhiteningFailed: on the CPU, embeddings without variance or not finite (see `whiten`).
        ValueError, TypeError: shapes, sizes or dtypes do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(intl_loss(views, axis="batch").item(), 1)
        2.1
    """
    check_embeddings(embeddings)
    z = whiten(embeddings, operator="iterative", steps=steps, axis=axis)
    if trace_weight is None:
        trace_weight = published_weight(z.shape[1] if axis == "channel" else z.shape[2])
    with torch.autocast(z.device.type, enabled=False):
        unit = normalize(z, dim=-1)
        distance = (unit[1:] - unit[0]).square().sum(-1).mean()
        variances = z.var(-1 if axis == "channel" else -2)
        lacking = (1 - variances).square().sum(-1)  # (views,)
        return distance + trace_weight * (lacking[1:].mean() + lacking[0])


def published_weight(whitened: int) -> float:
    """The authors' weight of the trace loss for so many whitened images or channels: 0.05 of 256."""
    return max(0.0, 0.01 * (math.log2(whitened) - 3))
