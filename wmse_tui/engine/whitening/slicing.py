"""Slicing: which images of a batch are whitened together."""

from __future__ import annotations

import torch
from torch import Tensor


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
    rows = permutations.to(embeddings.device, torch.int64).view(len(permutations), -1, whitening_size)
    return embeddings[..., rows, :]
