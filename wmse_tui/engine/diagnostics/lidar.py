"""LiDAR: how many directions tell images apart, once what differs between views of one image is set aside."""

from __future__ import annotations

import torch
from torch import Tensor

WITHIN = 1e-4
SHARE = 1e-8


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
        raise ValueError(f"LiDAR wants two images and two views or more, not {images} and {views}")
    exact = features.detach().to("cpu", torch.float64)
    if not bool(exact.isfinite().all()):
        return None
    means = exact.mean(1)
    between = means - means.mean(0)
    within = (exact - means[:, None]).flatten(0, 1)
    covariance = within.mT @ within / (images * (views - 1)) + WITHIN * torch.eye(dim, dtype=exact.dtype)
    lower = torch.linalg.cholesky(covariance)
    scaled = torch.linalg.solve_triangular(lower, between.mT, upper=False)  # (dim, images)
    products = scaled @ scaled.mT if dim < images else scaled.mT @ scaled
    values = torch.linalg.eigvalsh(products).clamp(min=0)
    total = values.sum()
    if not float(total) > 0:
        return None
    return float(torch.special.entr(values / total + SHARE).sum().exp())
