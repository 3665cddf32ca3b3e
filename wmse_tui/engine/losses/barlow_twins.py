"""The Barlow Twins loss (Zbontar, Jing, Misra, LeCun, Deny: ICML 2021, arXiv 2103.03230, eq. 1)."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.engine.losses.shapes import check_embeddings, off_diagonal, unordered_pairs
from wmse_tui.engine.precision import at_least_float32, full_precision


def barlow_twins_loss(
    embeddings: Tensor, *, redundancy: float = 0.0051, scale: float = 1.0, eps: float = 1e-5
) -> Tensor:
    """Correlate each dimension of a view with the same one of another view, and with no other one.

    With C the correlations over the batch between the dimensions of two views:

        scale · [Σ_j (1 - C_jj)² + redundancy · Σ_{j≠k} C_jk²],

    averaged over pairs of views. Gradients reach every view, through means and variances too.

    Args:
        embeddings: (views, batch, dim), two views and two images or more.
        redundancy: the weight of the second sum, the paper's lambda.
        scale: 1 in the paper.
        eps: added to the variances, as the BatchNorm of the authors' code does.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast. Unrelated views cost about
        scale · dim (1 + redundancy · dim / batch).

    Raises:
        ValueError, TypeError: shapes, weights or dtype do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> round(barlow_twins_loss(views).item(), 1)  # unrelated views: about dim
        9.1
    """
    if not (redundancy >= 0 and scale > 0):
        raise ValueError(f"redundancy must be 0 or more and scale positive, not {redundancy} and {scale}")
    disagreement, repetition = barlow_twins_terms(embeddings, eps=eps)
    return scale * (disagreement + redundancy * repetition)


def barlow_twins_terms(embeddings: Tensor, *, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """(Σ_j (1 - C_jj)², Σ_{j≠k} C_jk²), each a scalar without its weight; see `barlow_twins_loss`."""
    check_embeddings(embeddings)
    views, batch, _ = embeddings.shape
    if batch < 2:
        raise ValueError("one image has no correlations; Barlow Twins needs a batch of two or more")
    with full_precision(embeddings.device.type):
        z = at_least_float32(embeddings)
        centred = z - z.mean(1, keepdim=True)
        standard = centred * (centred.square().mean(1, keepdim=True) + eps).rsqrt()
        first, second = unordered_pairs(views, z.device)
        correlation = standard[first].mT @ standard[second] / batch  # (pairs, dim, dim)
        same = correlation.diagonal(dim1=1, dim2=2)
        disagreement = (1 - same).square().sum(-1).mean()
        return disagreement, off_diagonal(correlation).square().sum((1, 2)).mean()
