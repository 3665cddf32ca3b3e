"""How many directions a set of embeddings uses: the spectrum of its covariance, and numbers made of it.

Everything is float64 on the CPU, whatever the embeddings are: the smallest eigenvalues are what matters here.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDINGS = 8
"""Deviations below this number of roundings of the mean count as zero."""

RANKME_EPS = 1e-7
"""Added to the shares of RankMe (Garrido et al. 2023)."""
FIT_FROM, FIT_TO = 11, 100
"""Ranks over which α is fitted, where there are so many."""


def covariance_spectrum(x: Tensor, *, centred: bool = True) -> Tensor | None:
    """Eigenvalues of the covariance (over samples - 1) of each set of `x` (..., samples, dim), falling.

    Not `centred`: squares of the singular values of `x` as it is, over samples.

    Where there are fewer samples than dimensions they come from the samples' inner products instead, which
    have the same eigenvalues but for zeros. What rounding in the dtype of `x` adds to constant
    embeddings counts as zero: the noise of a collapsed network has full rank otherwise.

    Returns:
        float64 (..., min(samples - 1, dim)), not centred min(samples, dim), not negative; None where a value
        is not finite, where the squares overflow, or for fewer than two samples.
    """
    samples, dim = x.shape[-2:]
    if samples < 2 or dim < 1 or not bool(x.isfinite().all()):
        return None
    rounding = ROUNDINGS * torch.finfo(x.dtype).eps
    exact = x.detach().to("cpu", torch.float64)
    mean = exact.mean(-2, keepdim=True)
    rows = exact - mean if centred else exact
    freedom = samples - 1 if centred else samples
    products = rows.mT @ rows if dim < samples else rows @ rows.mT
    if not bool(products.isfinite().all()):
        return None
    try:
        rising = torch.linalg.eigvalsh(products / freedom)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # rare: it did not converge
        return None
    falling = rising.flip(-1)[..., : min(freedom, dim)]
    scale = mean if centred else exact
    floor = (rounding * scale.abs().amax((-2, -1))).square().unsqueeze(-1)
    return torch.where(falling > floor, falling, 0.0)


def effective_rank(spectrum: Tensor) -> Tensor:
    """exp(-Σ q log q) with q = λ / Σλ, for each `spectrum` (..., ranks) of eigenvalues λ.

    The effective rank of the covariance by Roy and Vetterli (2007), for its singular values are its
    eigenvalues: the dimension if the embeddings spread alike in all directions, 1 on a line. (RankMe, Garrido
    et al. 2023, uses the singular values of the embeddings, about √λ, without centring, and so comes out
    higher.) 0 where the spectrum is zero: the embeddings are all the same.
    """
    total = spectrum.sum(-1, keepdim=True)
    shares = spectrum / total.clamp(min=torch.finfo(spectrum.dtype).tiny)
    return torch.where(total.squeeze(-1) > 0, torch.special.entr(shares).sum(-1).exp(), 0.0)


def rankme(spectrum: Tensor) -> Tensor:
    """exp(-Σ p log p), p = σ / Σσ + 1e-7, σ² the `spectrum` (..., ranks) that is not centred.

    RankMe of Garrido et al. (ICML 2023): near the dimension if the embeddings use all directions, 1 on a line
    through the origin. NaN where the spectrum is zero.
    """
    singular = spectrum.sqrt()
    total = singular.sum(-1, keepdim=True)
    shares = torch.where(total > 0, singular / total, torch.nan) + RANKME_EPS
    entropy: Tensor = torch.special.entr(shares).sum(-1)
    return entropy.exp()


def participation_ratio(spectrum: Tensor) -> Tensor:
    """(Σλ)² / Σλ² of each `spectrum` (..., ranks): from 1, on a line, to the dimension; NaN of zeros."""
    ratio: Tensor = spectrum.sum(-1).square() / spectrum.square().sum(-1)
    return ratio


def stable_rank(spectrum: Tensor) -> Tensor:
    """Σλ / λ_1 of each `spectrum` (..., ranks): what the largest direction leaves; NaN of zeros.

    Of a spectrum that is not centred its inverse is the anisotropy of Kalapos and Gyires-Tóth (2024).
    """
    return spectrum.sum(-1) / spectrum[..., 0]


def fit_ranks(ranks: int) -> tuple[int, int]:
    """First and last rank (from 1) over which α is fitted: 11 to 100, or less where there are fewer."""
    return min(FIT_FROM, 1 + ranks // 4), min(FIT_TO, ranks)


def power_law(spectrum: Tensor) -> Tensor:
    """α of λ_i ∝ i^(-α), for each `spectrum` (..., ranks): least squares of log λ over log i, on `fit_ranks`.

    α-ReQ (Agrawal et al., NeurIPS 2022): near 1 is good, far above it few directions are used. NaN where an
    eigenvalue of the range is zero, or with fewer than three.
    """
    first, last = fit_ranks(spectrum.shape[-1])
    if last - first < 2:
        return spectrum.new_full(spectrum.shape[:-1], torch.nan)
    x = torch.arange(first, last + 1, dtype=spectrum.dtype).log()
    y = spectrum[..., first - 1 : last].log()
    x = x - x.mean()
    slope = (y * x).sum(-1) / x.square().sum()
    return torch.where(slope.isfinite(), -slope, torch.nan)


def condition_number(spectrum: Tensor) -> Tensor:
    """Largest to smallest eigenvalue of each `spectrum` (..., ranks).

    At most 1 / the rounding of float64 (4.5e15), which represents all that is singular; NaN where the
    spectrum is zero.
    """
    largest, smallest = spectrum[..., 0], spectrum[..., -1]
    return largest / smallest.maximum(largest * torch.finfo(spectrum.dtype).eps)
