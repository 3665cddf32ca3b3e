"""The SimSiam loss: predict the other view's embedding (Chen, He: CVPR 2021, arXiv 2011.10566, eq. 3, 4)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from wmse_tui.engine.losses.shapes import check_embeddings, ordered_pairs
from wmse_tui.engine.precision import at_least_float32, full_precision


def simsiam_loss(predictions: Tensor, embeddings: Tensor) -> Tensor:
    """The negative cosine between each view's prediction and each other view's embedding.

    Averaged over images and ordered pairs of views. The stop-gradient is part of the loss: no gradient
    reaches `embeddings`, although the predictions are computed from them.

    Args:
        predictions, embeddings: (views, batch, dim), two views or more.

    Returns:
        A scalar in [-1, 1], float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        ValueError, TypeError: shapes or dtypes do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> predictions, embeddings = views, views.flip(0)  # each view is predicted exactly
        >>> round(simsiam_loss(predictions, embeddings).item(), 2)
        -1.0
    """
    check_embeddings(predictions, "predictions")
    check_embeddings(embeddings)
    if predictions.shape != embeddings.shape:
        raise ValueError(
            f"predictions are {tuple(predictions.shape)}, but embeddings {tuple(embeddings.shape)}"
        )
    with full_precision(predictions.device.type):
        p = normalize(at_least_float32(predictions), dim=-1)
        z = normalize(at_least_float32(embeddings.detach()), dim=-1)
        i, j = ordered_pairs(len(p), p.device)
        return -(p[i] * z[j]).sum(-1).mean()
