"""How the views of an image lie to each other: alignment, uniformity, and whether they find each other."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import normalize

IMAGES = 512
"""Images that are compared, at most: time and memory grow with the square of their number."""


def alignment(views: Tensor) -> Tensor | None:
    """The mean squared distance of the directions of two views of an image, in `views` (views, images, dim).

    Wang and Isola (ICML 2020) with α = 2, over all pairs of views: 2 - 2 cos, so 0 where they coincide and 2
    where they have nothing in common. None for one view.
    """
    if len(views) < 2:
        return None
    unit = _directions(views)
    pairs = [(unit[i] - unit[j]).square().sum(-1).mean() for i, j in combinations(range(len(unit)), 2)]
    return torch.stack(pairs).mean()


def uniformity(views: Tensor) -> Tensor | None:
    """log of the mean of exp(-2 |x - y|²) over pairs of images, directions of one view; mean over the views.

    Wang and Isola (ICML 2020) with t = 2: 0 where all coincide, least where they spread over the sphere.
    None for fewer than two images.
    """
    if views.shape[1] < 2:
        return None
    unit = _directions(views)
    images = unit.shape[1]
    kernels = (
        (4 * (unit @ unit.mT) - 4).clamp_(max=0).float().exp()
    )  # of all pairs twice, and of none with itself
    sums = kernels.sum((1, 2), dtype=torch.float64) - kernels.diagonal(dim1=1, dim2=2).sum(-1)
    return (sums / (images * (images - 1))).log().mean()


def contrastive_accuracy(views: Tensor) -> Tensor | None:
    """The share of views whose nearest neighbour (by cosine) in another view is their own image.

    Over all ordered pairs of views (Kalapos and Gyires-Tóth 2024). By chance 1 / images; a tie is a miss, so
    that embeddings which are all alike find nothing. None for one view.
    """
    if len(views) < 2:
        return None
    unit = _directions(views)
    hits = []
    for i, j in combinations(range(len(unit)), 2):
        cosines = unit[i] @ unit[j].T
        own = cosines.diagonal()
        others = cosines.clone().fill_diagonal_(-torch.inf)
        hits += [own > others.amax(1), own > others.amax(0)]
    return torch.stack(hits).double().mean()


def compared(images: int) -> int:
    """How many of so many images are compared."""
    return min(images, IMAGES)


def _directions(views: Tensor) -> Tensor:
    return normalize(views[:, : compared(views.shape[1])].detach().to("cpu", torch.float64), dim=-1)
