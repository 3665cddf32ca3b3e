"""How many directions a set of embeddings uses: the spectrum of its covariance, and numbers made of it.

Everything is float64 on the CPU, whatever the embeddings are: the smallest eigenvalues are what matters here.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDINGS = 8
"""Deviations below so many roundings of the mean are taken for none."""


def covariance_spectrum(x: Tensor) -> Tensor | None:
    """Eigenvalues of the covariance (over samples - 1) of each set of `x` (..., samples, dim), falling.

    Where there are fewer samples than dimensions they come from the samples' inner products instead, which
    have the same eigenvalues but for zeros. What rounding in the dtype of `x` would give to constant
    embeddings counts as zero: the noise of a collapsed network has full rank otherwise.

    Returns:
        float64 (..., min(samples - 1, dim)), not negative; None where a value is not finite, where the
        squares overflow, or for fewer than two samples.
    """
    samples, dim = x.shape[-2:]
    if samples < 2 or dim < 1 or not bool(x.isfinite().all()):
        return None
    rounding = ROUNDINGS * torch.finfo(x.dtype).eps
    exact = x.detach().to("cpu", torch.float64)
    mean = exact.mean(-2, keepdim=True)
    centred = exact - mean
    products = centred.mT @ centred if dim < samples else centred @ centred.mT
    if not bool(products.isfinite().all()):
        return None
    try:
        rising = torch.linalg.eigvalsh(products / (samples - 1))
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # rare: it did not converge
        return None
    falling = rising.flip(-1)[..., : min(samples - 1, dim)]
    floor = (rounding * mean.abs().amax((-2, -1))).square().unsqueeze(-1)
    return torch.where(falling > floor, falling, 0.0)


def effective_rank(spectrum: Tensor) -> Tensor:
    """exp(-Σ q log q) with q = λ / Σλ, for each `spectrum` (..., ranks) of eigenvalues λ.

    The effective rank of the covariance by Roy and Vetterli (2007), for its singular values are its
    eigenvalues: the dimension if the embeddings spread alike in all directions, 1 on a line. (RankMe, Garrido
    et al. 2023, takes the singular values of the embeddings, about √λ, without centring, and so comes out
    higher.) 0 where the spectrum is zero: the embeddings are all the same.
    """
    total = spectrum.sum(-1, keepdim=True)
    shares = spectrum / total.clamp(min=torch.finfo(spectrum.dtype).tiny)
    return torch.where(total.squeeze(-1) > 0, torch.special.entr(shares).sum(-1).exp(), 0.0)


def condition_number(spectrum: Tensor) -> Tensor:
    """Largest to smallest eigenvalue of each `spectrum` (..., ranks).

    At most 1 / the rounding of float64 (4.5e15), which stands for all that is singular; NaN where the
    spectrum is zero.
    """
    largest, smallest = spectrum[..., 0], spectrum[..., -1]
    return largest / smallest.maximum(largest * torch.finfo(spectrum.dtype).eps)
