"""What every loss requires of its embeddings: (views, batch, dim), floating-point, two views or more."""

from __future__ import annotations

import torch
from torch import Tensor


def check_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise ValueError or TypeError unless `embeddings` are (views, batch, dim) floats, two views or more."""
    if embeddings.ndim != 3 or 0 in embeddings.shape:
        raise ValueError(f"{name} must be (views, batch, dim), not {tuple(embeddings.shape)}")
    if len(embeddings) < 2:
        raise ValueError(f"{name} hold one view of each image; a loss that compares views needs two or more")
    if not embeddings.is_floating_point():
        raise TypeError(f"{name} must be floating-point numbers, not {embeddings.dtype}")


def ordered_pairs(views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The indices (first, second) of all views * (views - 1) ordered pairs of different views.

    Made on the device that will use them: nothing is copied to it, and it is not synchronised with.
    """
    number = torch.arange(views * (views - 1), device=device)
    first, other = number // (views - 1), number % (views - 1)
    return first, other + (other >= first)


def unordered_pairs(views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The indices (first, second) of all pairs of different views, the first before the second; likewise."""
    first, second = torch.triu_indices(views, views, offset=1, device=device)
    return first, second


def off_diagonal(matrices: Tensor) -> Tensor:
    """Square `matrices` (..., n, n) with zeros on their diagonals."""
    return matrices - matrices.diagonal(dim1=-2, dim2=-1).diag_embed()
