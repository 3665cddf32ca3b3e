"""Slicing: which images of a batch are whitened together."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def sliced(embeddings: Tensor, *, whitening_size: int, permutations: Tensor | None = None) -> Tensor:
    """Cut `embeddings` (..., batch, dim) into slices: (..., iterations, slices, whitening_size, dim).

    Args:
        whitening_size: images in a slice; divides the batch.
        permutations: (iterations, batch) integers, each row a permutation of the batch whose consecutive runs
            of `whitening_size` images are the slices, the same for all that stands in front of the batch axis
            (so the views of an image stay together). None: one iteration, in the batch's own order.

    Raises:
        ValueError: the sizes do not fit.
    """
    batch, dim = embeddings.shape[-2:]
    if whitening_size < 1 or batch % whitening_size:
        raise ValueError(f"a batch of {batch} images cannot be cut into slices of {whitening_size}")
    if permutations is None:
        return embeddings.reshape(*embeddings.shape[:-2], 1, -1, whitening_size, dim)
    if permutations.ndim != 2 or permutations.shape[1] != batch:
        raise ValueError(f"permutations must be (iterations, {batch}), not {tuple(permutations.shape)}")
    orders = permutations.to(embeddings.device, torch.int64)
    reordered = cast("Tensor", _Reordered.apply(embeddings, orders))
    return reordered.view(*embeddings.shape[:-2], len(orders), -1, whitening_size, dim)


class _Reordered(torch.autograd.Function):
    """(embeddings (..., batch, dim), orders (n, batch)) -> (..., n * batch, dim), the batch in each order.

    The gradient of a permutation is the opposite one. Automatic differentiation does not know that these are
    permutations: it would add up value by value, in the order of the images.
    """

    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, orders: Tensor) -> Tensor:
        ctx.save_for_backward(orders)
        return embeddings.index_select(-2, orders.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (orders,) = ctx.saved_tensors
        n, batch = orders.shape
        places = torch.arange(n * batch, device=orders.device).view(n, batch)
        back = torch.empty_like(orders).scatter_(1, orders, places).flatten()
        gradient = gradients[0].index_select(-2, back)
        if n == 1:
            return gradient, None
        return gradient.unflatten(-2, (n, batch)).sum(-3), None
