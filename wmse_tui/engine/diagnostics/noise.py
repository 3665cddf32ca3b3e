"""What isotropic noise would show: the value that a finite number of samples allows at best."""

from __future__ import annotations

from functools import lru_cache
from math import exp, lgamma, log, pi, sqrt

import torch
from torch import Tensor

from .spectrum import power_law, rankme

TRACY_WIDOM_MEAN = -1.2065
"""Of the law of the largest eigenvalue of real samples (Johnstone 2001)."""
_GRID = 8192


def noise_effective_rank(samples: int, dim: int) -> float | None:
    """The effective rank to expect of `samples` draws of isotropic Gaussian noise in `dim` dimensions.

    A sample covariance is never flat, so an effective rank is to be compared with this, not with the
    dimension. Of its r = min(samples - 1, dim) eigenvalues λ, with s = max(samples - 1, dim) and g = r / s:

    - Σ λ log λ, in units of their mean, is r g / 2 to first order (the Marchenko-Pastur law; Page 1993), and
      c(g) = ((1 - √g)² log(1 - √g) + (1 + √g)² log(1 + √g)) / 2 - g more for real samples (Bai and
      Silverstein 2004);
    - the shares λ / Σλ do not depend on Σλ, a chi-square variable of r s degrees of freedom, for which
      E[t log t] / E[t] - log E[t] = ψ(r s / 2 + 1) - log(r s / 2), about 1 / (r s).

    Within 0.1 % of 400 draws from 32 samples and dimensions on, 3 % below.

    Returns:
        A number from 1 to min(samples - 1, dim); None for fewer than two samples.
    """
    if samples < 2 or dim < 1:
        return None
    ranks, other = sorted((samples - 1, dim))
    g = ranks / other
    root = sqrt(g)
    entropy = log(ranks) - g / 2 - _correction(root) / ranks + 1 / (ranks * other)
    return min(max(exp(entropy), 1.0), float(ranks))


def noise_rankme(samples: int, dim: int) -> float:
    """RankMe to expect of noise, of two samples or more; within 1 % from 64 of each on."""
    return float(rankme(_quantiles(samples, dim)))


def noise_participation_ratio(samples: int, dim: int) -> float:
    """(Σλ)² / Σλ² of noise: the quotient of the exact means of both sums for m = samples - 1 Gaussians.

    E tr² = d² + 2 d / m and E tr(S²) = d (m + d + 1) / m for d dimensions of variance 1.
    """
    freedom = samples - 1
    return (freedom * dim + 2) / (freedom + dim + 1)


def noise_stable_rank(samples: int, dim: int, *, centred: bool = True) -> float:
    """Σλ / λ_1 of noise, λ_1 by its Tracy-Widom mean (Johnstone 2001, with the centring of Ma 2012)."""
    freedom = samples - 1 if centred else samples
    a, b = sqrt(freedom - 0.5), sqrt(dim - 0.5)
    largest = (a + b) ** 2 + TRACY_WIDOM_MEAN * (a + b) * (1 / a + 1 / b) ** (1 / 3)
    return max(1.0, freedom * dim / largest) if largest > 0 else 1.0


def noise_power_law(samples: int, dim: int) -> float | None:
    """α of noise, over the ranks of `fit_ranks`; not 0, for sampling spreads equal eigenvalues."""
    slope = float(power_law(_quantiles(samples - 1, dim)))
    return None if slope != slope else slope


def noise_correlation(samples: int) -> float:
    """The mean absolute correlation of independent Gaussians, near √(2 / (π samples)); of 2 samples, 1."""
    return exp(lgamma((samples - 1) / 2) - lgamma(samples / 2)) / sqrt(pi)


def noise_uniformity(dim: int) -> float:
    """log E exp(-2 |x - y|²) of independent directions: log of e^-4 times the series 0F1(; dim / 2; 4).

    E exp(4 cos) over the sphere is that hypergeometric function; tends to -4 + 8 / dim.
    """
    term = total = 1.0
    for k in range(1, 60):
        term *= 4 / (k * (dim / 2 + k - 1))
        total += term
    return log(total) - 4


def noise_whiteness_error(samples: int, dim: int) -> float:
    """Root of E |S - 1|² / dim, Frobenius, for the covariance S of noise that is white in truth."""
    return sqrt((dim + 1) / (samples - 1))


def noise_lidar(images: int, views: int, dim: int) -> float | None:
    """LiDAR of noise: the effective rank of the images' means, less what the within covariance blurs.

    To first order each of the two covariances lowers the entropy by half its ratio of dimensions to samples.
    """
    rank = noise_effective_rank(images, dim)
    return None if rank is None else max(1.0, rank * exp(-dim / (2 * images * (views - 1))))


@lru_cache(maxsize=64)
def _quantiles(freedom: int, dim: int) -> Tensor:
    """(min(freedom, dim),): the falling eigenvalues to expect, up to a factor, by the Marchenko-Pastur law.

    Eigenvalue i of r is at the quantile 1 - (i - 1/2) / r. With x = 1 + g - 2 √g cos θ the density of the
    law is proportional to sin² θ / x dθ.
    """
    ranks, other = sorted((freedom, dim))
    g = ranks / other
    theta = (torch.arange(_GRID, dtype=torch.float64) + 0.5) * (pi / _GRID)
    x = 1 + g - 2 * sqrt(g) * theta.cos()
    mass = (theta.sin().square() / x).cumsum(0)
    targets = (torch.arange(ranks, dtype=torch.float64) + 0.5) / ranks * mass[-1]
    index = torch.searchsorted(mass, targets).clamp(max=_GRID - 1)
    return x[index].flip(0)


def _correction(root: float) -> float:
    return (_x_log(1 - root) + _x_log(1 + root)) / 2 - root**2


def _x_log(x: float) -> float:
    return x * x * log(x) if x > 0 else 0.0
