"""The contrastive loss of SimCLR, NT-Xent (Chen et al., ICML 2020, arXiv 2002.05709, eq. 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize as unit

from wmse_tui.engine.losses.shapes import check_embeddings, ordered_pairs
from wmse_tui.engine.precision import at_least_float32


def contrastive_loss(embeddings: Tensor, *, temperature: float, normalize: bool = True) -> Tensor:
    """Distinguish the other view of an image from the views of the other images.

    In a pair of views, each of the 2 batch embeddings classifies which of the 2 batch - 1 others shows the
    same image: the cross-entropy of the softmax over similarity / temperature. It is averaged over images and
    both directions, then over all pairs of views. Each pair has its own negatives, however many views there
    are, as in the baseline of the W-MSE paper's code.

    Args:
        embeddings: (views, batch, dim), two views and two images or more.
        temperature: positive; 0.5 in the W-MSE paper's baseline.
        normalize: similarity is the cosine; False: the inner product.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        ValueError, TypeError: shapes, dtype or temperature do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(contrastive_loss(views, temperature=0.5).item(), 1)
        5.2
    """
    check_embeddings(embeddings)
    views, batch, _ = embeddings.shape
    if batch < 2:
        raise ValueError("one image has no negatives; the contrastive loss needs a batch of two or more")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, not {temperature}")
    with torch.autocast(embeddings.device.type, enabled=False):
        z = at_least_float32(embeddings)
        z = (unit(z, dim=-1) if normalize else z).flatten(0, 1)
        logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)  # no embedding is its own negative
        logits = logits.view(views, batch, views, batch)
        mass = logits.logsumexp(-1)  # (view, image, view of the others): log Σ over that view's images
        i, j = ordered_pairs(views, z.device)
        positive = logits.diagonal(dim1=1, dim2=3)[i, j]  # (pairs, batch)
        return (torch.logaddexp(mass[i, :, j], mass[i, :, i]) - positive).mean()
