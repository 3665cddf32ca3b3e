"""Quantities of embeddings beside their spectrum: variation, relation of views, whiteness, pivots, LiDAR."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wmse_tui.engine.precision import at_least_float32
from wmse_tui.engine.whitening.cholesky import factorise

CORRELATED_DIMENSIONS = 1024
"""Dimensions whose correlations are computed, at most, evenly sampled: their number grows with the square."""

COMPARED_IMAGES = 512
"""Images that are compared, at most: time and memory grow with the square of their number."""

LIDAR_RIDGE, LIDAR_SHARE = 1e-4, 1e-8
"""Added to the covariance within images, and to the shares of the eigenvalues (Thilak et al. 2023)."""


def feature_std(x: Tensor) -> Tensor:
    """The spread of the directions of `x` (..., samples, dim): 1 if isotropic, 0 where all are the same.

    Each embedding is brought to length 1; then the mean over dimensions of the standard deviation over
    samples, times √dim (SimSiam, Chen and He 2021, without the factor, has 1 / √dim for isotropic ones).
    """
    directions = normalize(x.detach().to("cpu", torch.float64), dim=-1)
    return directions.std(-2).mean(-1) * math.sqrt(x.shape[-1])


def standard_deviation(x: Tensor) -> Tensor:
    """The mean over dimensions of the standard deviation over the samples of `x` (..., samples, dim).

    As in Kalapos and Gyires-Tóth (2024): of the embeddings as they are, so it depends on their scale.
    """
    return x.detach().to("cpu", torch.float64).std(-2).mean(-1)


def mean_correlation(x: Tensor) -> Tensor:
    """The mean absolute correlation of two different dimensions of `x` (..., samples, dim).

    √(2 / (π samples)) for independent dimensions, 1 on a line. Dimensions that are constant have no
    correlation and are left out; NaN where fewer than two are left.
    """
    dim = x.shape[-1]
    if dim > CORRELATED_DIMENSIONS:
        x = x[..., torch.linspace(0, dim - 1, CORRELATED_DIMENSIONS).round().long().to(x.device)]
    exact = x.detach().to("cpu", torch.float64)
    centred = exact - exact.mean(-2, keepdim=True)
    length = centred.square().sum(-2, keepdim=True).sqrt()
    varying = length > 0
    columns = (centred / length.where(varying, 1.0)).float()
    count = varying.squeeze(-2).sum(-1)
    total = (columns.mT @ columns).abs().sum((-2, -1)) - count  # less the diagonal of ones
    return total / (count * (count - 1)).where(count > 1, torch.nan)


def whiteness_error(z: Tensor) -> Tensor:
    """|ZᵀZ / (samples - 1) - 1| / √dim, Frobenius, of each of `z` (..., samples, dim), centred here.

    0 for what an exact root has whitened; 1 where nothing is left; above 0 for Newton's iteration and with
    shrinkage.
    """
    exact = z.detach().to("cpu", torch.float64)
    centred = exact - exact.mean(-2, keepdim=True)
    samples, dim = z.shape[-2:]
    covariance = centred.mT @ centred / (samples - 1)
    identity = torch.eye(dim, dtype=exact.dtype)
    error: Tensor = torch.linalg.matrix_norm(covariance - identity) / dim**0.5
    return error


def smallest_pivot(slices: Tensor, *, eps: float) -> float | None:
    """The smallest pivot over the largest of the same factor, in the worst of `slices` (..., samples, dim).

    A pivot is the square of a diagonal element of the Cholesky factor: the variance of a dimension
    that the dimensions before it do not explain. As in the loss, shrinkage by `eps` and the
    precision of `slices` included.

    Returns:
        In [0, 1]; 0 where a slice has no usable factor; None where a value is not finite.
    """
    if not bool(slices.isfinite().all()):
        return None
    _, lower, failed = factorise(at_least_float32(slices.detach()), eps)
    if bool(failed.any()):
        return 0.0
    pivots = lower.diagonal(dim1=-2, dim2=-1).square()
    return float((pivots.amin(-1) / pivots.amax(-1)).min())


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
    """How many images of a set of this size are compared."""
    return min(images, COMPARED_IMAGES)


def _directions(views: Tensor) -> Tensor:
    return normalize(views[:, : compared(views.shape[1])].detach().to("cpu", torch.float64), dim=-1)


def lidar(features: Tensor) -> float | None:
    """The effective rank of linear discriminant analysis whose classes are images, their members views.

    With S_b the covariance of the images' means and S_w the mean covariance within an image, plus 1e-4 of the
    identity: λ the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2), p = λ / Σλ + 1e-8, LiDAR = exp(-Σ p log p)
    (Thilak et al. 2023, arXiv 2312.04000). Covariances are over n - 1.

    Args:
        features: (images, views, dim), two of each or more.

    Returns:
        From 1 to min(images - 1, dim), higher is better; None where a value is not finite, and where the
        images' means coincide.

    Raises:
        ValueError: too few images or views.
    """
    images, views, dim = features.shape
    if images < 2 or views < 2:
        raise ValueError(f"LiDAR needs two images and two views or more, not {images} and {views}")
    exact = features.detach().to("cpu", torch.float64)
    if not bool(exact.isfinite().all()):
        return None
    means = exact.mean(1)
    between = means - means.mean(0)
    within = (exact - means[:, None]).flatten(0, 1)
    covariance = within.mT @ within / (images * (views - 1)) + LIDAR_RIDGE * torch.eye(dim, dtype=exact.dtype)
    lower = torch.linalg.cholesky(covariance)
    scaled = torch.linalg.solve_triangular(lower, between.mT, upper=False)  # (dim, images)
    products = scaled @ scaled.mT if dim < images else scaled.mT @ scaled
    values = torch.linalg.eigvalsh(products).clamp(min=0)
    total = values.sum()
    if not float(total) > 0:
        return None
    return float(torch.special.entr(values / total + LIDAR_SHARE).sum().exp())
