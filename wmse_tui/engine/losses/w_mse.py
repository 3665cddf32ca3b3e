"""The W-MSE loss: the distance between whitened views (Ermolov et al., ICML 2021, arXiv 2007.06346)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from wmse_tui.engine.losses.distance import ViewDistance
from wmse_tui.engine.losses.shapes import check_embeddings
from wmse_tui.engine.whitening import Operator, sliced, whiten


def w_mse_loss(
    embeddings: Tensor,
    *,
    whitening_size: int,
    iterations: int = 1,
    operator: Operator = "cholesky",
    steps: int = 5,
    eps: float = 0.0,
    relative_eps: bool = False,
    normalize: bool = True,
    permutations: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Whiten each slice of each view by itself, then average the squared distance over all pairs of views.

    The images are put in random order and cut into slices of `whitening_size`. All views are cut alike, but
    each has its own mean and covariance. The distance is averaged over images, pairs and `iterations` orders.
    Gradients reach every view, through mean, covariance and factor.

    Args:
        embeddings: (views, batch, dim), two views or more.
        whitening_size: images whitened together; divides the batch and exceeds `dim` (the authors: 2 dim).
        iterations: so many random orders of the batch are whitened and averaged.
        operator, steps, relative_eps: how they are whitened, see `whiten`; the paper's is "cholesky".
        eps: shrinkage of the covariances, see `whiten`; 0 in the paper.
        normalize: True: the distance of unit vectors, 2 - 2 cos, in [0, 4]. False: the squared difference,
            averaged over dimensions too. Either way views that have nothing in common cost about 2.
        permutations: (iterations, batch) integers in place of random orders, each row a permutation of the
            batch; its length then replaces `iterations`.
        generator: a CPU generator to draw random orders from; None: torch's default one.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        WhiteningFailed: a slice cannot be whitened (see `whiten`; on a GPU the loss may be NaN instead).
        ValueError, TypeError: shapes, sizes or dtypes do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> loss = w_mse_loss(views, whitening_size=16, generator=torch.Generator().manual_seed(0))
        >>> round(loss.item(), 2)  # unrelated views: about 2
        2.17
    """
    check_embeddings(embeddings)
    orders = slice_orders(permutations, iterations, embeddings.shape[1], generator)
    slices = sliced(embeddings, whitening_size=whitening_size, permutations=orders)
    z = whiten(slices, operator=operator, steps=steps, eps=eps, relative_eps=relative_eps)
    with torch.autocast(z.device.type, enabled=False):
        return cast("Tensor", ViewDistance.apply(z, normalize))


def slice_orders(
    permutations: Tensor | None, iterations: int, batch: int, generator: torch.Generator | None
) -> Tensor:
    """(iterations, batch): the `permutations`, or random orders of a batch, on the CPU."""
    if permutations is not None:
        if iterations not in (1, len(permutations)):
            raise ValueError(f"{len(permutations)} permutations were passed for {iterations} iterations")
        return permutations
    if iterations < 1:
        raise ValueError(f"iterations must be 1 or more, not {iterations}")
    return torch.stack([torch.randperm(batch, generator=generator) for _ in range(iterations)])
