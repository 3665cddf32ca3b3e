"""The CW-RGP loss: the distance between channel-whitened views (Weng et al., NeurIPS 2022, 2210.03586)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from wmse_tui.engine.losses.distance import ViewDistance
from wmse_tui.engine.losses.shapes import check_embeddings
from wmse_tui.engine.losses.w_mse import slice_orders
from wmse_tui.engine.whitening import random_partition, sliced, whiten
from wmse_tui.engine.whitening.slices import Axis


def cw_rgp_loss(
    embeddings: Tensor,
    *,
    whitening_size: int,
    groups: int,
    axis: Axis = "channel",
    iterations: int = 1,
    eps: float = 0.0,
    normalize: bool = True,
    permutations: Tensor | None = None,
    partitions: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Whiten the images of each slice of each view over groups of channels, then average as W-MSE does.

    Slices are those of `w_mse_loss`. Each image is freed of its mean over all channels; each group of
    channels gives a covariance of the slice's images and is multiplied by its symmetric inverse root (ZCA).
    Views and slices do not share their partition into groups. Gradients reach every view, through mean and
    covariance.

    Args:
        embeddings: (views, batch, dim), two views or more.
        whitening_size: images whitened together; divides the batch. Less than `dim / groups` over the channel
            axis, more over the batch axis.
        groups: how many groups the channels form; divides `dim`.
        axis: "batch" whitens the channels of each group over the images instead (BW-RGP).
        iterations: so many random orders of the batch are whitened and averaged.
        eps: shrinkage of the covariances, see `whiten`; 0 as published.
        normalize: True: the distance of unit vectors, 2 - 2 cos. False: the squared difference, averaged over
            dimensions too.
        permutations: (iterations, batch) integers in place of random orders, each row a permutation of the
            batch; its length then replaces `iterations`.
        partitions: (views, iterations, slices, dim) integers in place of random partitions, or what
            broadcasts to it; each row a permutation of the channels.
        generator: a CPU generator to draw orders and partitions from; None: torch's default one.

    Returns:
        A scalar, float32 or float64 for float64 embeddings, also under autocast.

    Raises:
        WhiteningFailed: a slice cannot be whitened (see `whiten`; on a GPU the loss may be NaN instead).
        ValueError, TypeError: shapes, sizes or dtypes do not fit.

    Example:
        >>> import torch
        >>> random = torch.Generator().manual_seed(0)
        >>> views = torch.randn(2, 32, 64, generator=random)
        >>> loss = cw_rgp_loss(views, whitening_size=16, groups=2, generator=random)
        >>> round(loss.item(), 2)  # unrelated views: about 2
        1.96
    """
    check_embeddings(embeddings)
    orders = slice_orders(permutations, iterations, embeddings.shape[1], generator)
    slices = sliced(embeddings, whitening_size=whitening_size, permutations=orders)
    if partitions is None and groups > 1:
        partitions = random_partition(*slices.shape[:-2], slices.shape[-1], generator=generator)
    z = whiten(slices, operator="zca", eps=eps, axis=axis, groups=groups, partition=partitions)
    with torch.autocast(z.device.type, enabled=False):
        return cast("Tensor", ViewDistance.apply(z, normalize))
