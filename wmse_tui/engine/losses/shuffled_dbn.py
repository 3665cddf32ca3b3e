"""The Shuffled-DBN loss: the distance of views whose channels are whitened in shuffled groups.

Hua, Wang, Xue, Ren, Wang, Zhao: "On feature decorrelation in self-supervised learning", ICCV 2021, arXiv
2105.00470.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from wmse_tui.config.methods.slices import groups_for_batch
from wmse_tui.engine.losses.distance import ViewDistance
from wmse_tui.engine.losses.shapes import check_embeddings
from wmse_tui.engine.whitening import random_partition, whiten


def shuffled_dbn_loss(
    embeddings: Tensor,
    *,
    groups: int | None = None,
    eps: float = 0.0,
    partitions: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Whiten each group of channels of each view over the batch, then sum the squared differences.

    Each group is multiplied by the symmetric inverse root (ZCA) of its covariance over `batch` (not `batch` -
    1, as published). Views do not share their partition into groups. The squared difference is summed over
    dimensions and averaged over images and pairs of views. Gradients reach every view.

    Args:
        embeddings: (views, batch, dim), two views or more.
        groups: how many groups the channels form; divides `dim`. None: `groups_for_batch` batch and dim.
        eps: shrinkage of the covariances (over `batch` - 1), see `whiten`; 0 as published.
        partitions: (views, dim) integers in place of random partitions, or (dim,) for all views; each row a
            permutation of the channels whose consecutive runs are the groups.
        generator: a CPU generator to draw partitions from; None: torch's default one.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast. Unrelated views cost about
        2 dim.

    Raises:
        WhiteningFailed: a group cannot be whitened (see `whiten`; on a GPU the loss may be NaN instead).
        ValueError, TypeError: shapes, sizes or dtypes do not fit.

    Example:
        >>> import torch
        >>> views = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
        >>> loss = shuffled_dbn_loss(views, groups=2, generator=torch.Generator().manual_seed(0))
        >>> round(loss.item(), 1)  # unrelated views: about 2 dim
        16.7
    """
    check_embeddings(embeddings)
    views, batch, dim = embeddings.shape
    groups = groups_for_batch(dim, batch) if groups is None else groups
    if partitions is None and groups > 1:
        partitions = random_partition(views, dim, generator=generator)
    z = whiten(embeddings, operator="zca", eps=eps, groups=groups, partition=partitions)
    with torch.autocast(z.device.type, enabled=False):
        return cast("Tensor", ViewDistance.apply(z, False)) * (dim * batch / (batch - 1))
