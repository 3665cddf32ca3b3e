"""Embeddings, as numbers that tell a healthy space from a collapsing one."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from wmse_tui.engine.whitening.precision import full_precision
from wmse_tui.runs.events import Diagnostics

from .noise import noise_effective_rank
from .pivots import smallest_pivot
from .spectrum import condition_number, covariance_spectrum, effective_rank
from .spread import feature_std, mean_correlation

RANKS = 128
"""Eigenvalues in the event, at most."""
SAMPLES = 1024
"""Images that are looked at where there are more, and more dimensions than that too: time grows with the
cube of the smaller number."""
SLICES = 32
"""Slices whose condition number is computed, at most, evenly picked; every slice's pivots are."""
DIGITS = 4
"""Significant digits of an eigenvalue in the log."""


def diagnose(
    embeddings: Tensor,
    *,
    space: str,
    step: int,
    epoch: int,
    slices: Tensor | None = None,
    eps: float = 0.0,
) -> Diagnostics:
    """Look at the `embeddings` (views, samples, dim) of one step, or of one evaluation (one view).

    Each view is looked at by itself; numbers are the mean over the views, except for the condition number,
    which is the median, and the smallest pivot, which is the worst. Computed on the CPU.

    Args:
        slices: (..., samples, dim), what the loss whitens together; then condition number and pivots are
            theirs. None: the loss factorises nothing, and the condition number is of the whole views.
        eps: the loss' shrinkage of their covariances, which the pivots include and the condition number not.

    Returns:
        The event. What cannot be told is None, above all where an embedding is not finite. No condition
        number where there are too few samples for the dimensions. An effective rank of 0 says that the
        embeddings are all the same.
    """
    started = time.perf_counter()
    views = embeddings.detach().cpu()
    if slices is not None:
        slices = slices.detach().cpu().flatten(0, -3)
    if min(views.shape[-2:]) > SAMPLES:
        views = views[:, :SAMPLES]
    samples, dim = views.shape[-2:]
    with full_precision("cpu"):
        spectrum = covariance_spectrum(views)
        known = spectrum is not None
        return Diagnostics(
            step=step,
            epoch=epoch,
            space=space,
            samples=samples,
            dim=dim,
            spectrum=() if spectrum is None else _told(spectrum.mean(0)),
            effective_rank=None if spectrum is None else _finite(effective_rank(spectrum).mean()),
            effective_rank_null=noise_effective_rank(samples, dim),
            condition_number=_condition_number(spectrum, samples, dim, slices),
            smallest_pivot=None if slices is None else smallest_pivot(slices, eps=eps),
            feature_std=_finite(feature_std(views).mean()) if known else None,
            mean_correlation=_finite(mean_correlation(views).mean()) if known else None,
            seconds=time.perf_counter() - started,
        )


def _condition_number(spectrum: Tensor | None, samples: int, dim: int, slices: Tensor | None) -> float | None:
    if slices is not None:
        samples = slices.shape[-2]
        spectrum = covariance_spectrum(slices[_evenly(len(slices), SLICES)])
    if spectrum is None or samples <= dim:
        return None
    return _finite(condition_number(spectrum).median())


def _told(spectrum: Tensor) -> tuple[float, ...]:
    picked: list[float] = spectrum[_evenly(len(spectrum), RANKS)].tolist()
    return tuple(float(f"{value:.{DIGITS}g}") for value in picked)


def _evenly(count: int, most: int) -> Tensor:
    """Indices of at most `most` of `count` things, the first and the last among them."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long()


def _finite(value: Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
