"""A diagnostics sample: the numbers that distinguish a healthy embedding space from a collapsing one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from wmse_tui.config.figures import expected_condition_number
from wmse_tui.engine.precision import full_precision
from wmse_tui.runs.log.events import Diagnostics

from .noise import (
    noise_correlation,
    noise_effective_rank,
    noise_participation_ratio,
    noise_power_law,
    noise_rankme,
    noise_stable_rank,
    noise_uniformity,
    noise_whiteness_error,
)
from .quantities import (
    alignment,
    compared,
    contrastive_accuracy,
    feature_std,
    mean_correlation,
    smallest_pivot,
    standard_deviation,
    uniformity,
    whiteness_error,
)
from .spectrum import (
    condition_number,
    covariance_spectrum,
    effective_rank,
    fit_ranks,
    participation_ratio,
    power_law,
    rankme,
    stable_rank,
)

RANKS = 128
"""Eigenvalues in the event, at most."""
SAMPLES = 1024
"""Images that are used at most where there are more dimensions than that too: time grows with the cube of
the smaller number."""
SLICES = 32
"""Slices whose condition number is computed, at most, evenly picked; every slice's pivots are."""
DIGITS = 4
"""Significant digits of an eigenvalue in the log."""


def sample_diagnostics(
    embeddings: Tensor,
    *,
    space: str,
    step: int,
    epoch: int,
    slices: Tensor | None = None,
    eps: float = 0.0,
    whitened: Tensor | None = None,
    lidar: tuple[float | None, float | None] = (None, None),
    running: bool = False,
) -> Diagnostics:
    """Measure the `embeddings` (views, samples, dim) of one step, or of one evaluation (one view).

    Each view is measured by itself; numbers are the mean over the views, except for the condition number,
    which is the median, and the smallest pivot, which is the worst. Computed on the CPU.

    Args:
        slices: (..., samples, dim), what the loss whitens together; then condition number and pivots are
            theirs. None: the loss factorises nothing, and the condition number is of the whole views.
        eps: the loss' shrinkage of their covariances, which the pivots include and the condition number not.
        whitened: (..., samples, dim), the output of a whitening, whose whiteness is measured; None: there is
            none.
        running: `whitened` was whitened by statistics of other samples, not by its own; then noise has an
            error.
        lidar: its value and that of noise, where the caller computed them.

    Returns:
        The event. What cannot be measured is None, above all where an embedding is not finite. There is no
        condition number where there are too few samples for the dimensions. An effective rank of 0 means
        that the embeddings are all the same.
    """
    started = time.perf_counter()
    views = embeddings.detach().cpu()
    if slices is not None:
        slices = slices.detach().cpu().flatten(0, -3)
    if min(views.shape[-2:]) > SAMPLES:
        views = views[:, :SAMPLES]
    samples, dim = views.shape[-2:]
    with full_precision("cpu"):
        spectrum, raw = covariance_spectrum(views), covariance_spectrum(views, centred=False)
        known = spectrum is not None
        whole_slice = samples if slices is None else slices.shape[-2]
        return Diagnostics(
            step=step,
            epoch=epoch,
            space=space,
            samples=samples,
            dim=dim,
            spectrum=() if spectrum is None else _thinned(spectrum.mean(0)),
            effective_rank=_mean(effective_rank, spectrum),
            effective_rank_null=noise_effective_rank(samples, dim),
            condition_number=_condition_number(spectrum, samples, dim, slices),
            smallest_pivot=None if slices is None else smallest_pivot(slices, eps=eps),
            feature_std=_finite(feature_std(views).mean()) if known else None,
            mean_correlation=_finite(mean_correlation(views).mean()) if known else None,
            rankme=_mean(rankme, raw),
            stable_rank=_mean(stable_rank, spectrum),
            participation_ratio=_mean(participation_ratio, spectrum),
            anisotropy=None if raw is None else _finite((1 / stable_rank(raw)).mean()),
            standard_deviation=_finite(standard_deviation(views).mean()) if known else None,
            alpha=_mean(power_law, spectrum),
            alpha_ranks=() if spectrum is None else fit_ranks(spectrum.shape[-1]),
            whiteness_error=None if whitened is None else _whiteness(whitened),
            alignment=_finite(alignment(views)) if known else None,
            uniformity=_finite(uniformity(views)) if known else None,
            contrastive_accuracy=_finite(contrastive_accuracy(views)) if known else None,
            lidar=lidar[0],
            nulls=(
                *_nulls(len(views), samples, dim, whole_slice),
                *(() if lidar[1] is None else (("lidar", lidar[1]),)),
                *(() if whitened is None else (("whiteness_error", _whiteness_null(whitened, running)),)),
            ),
            seconds=time.perf_counter() - started,
        )


def _whiteness_null(whitened: Tensor, running: bool) -> float:
    """0 for samples that are whitened by themselves and exceed the dimensions; else what the rank leaves."""
    samples, dim = whitened.shape[-2:]
    if running:
        return noise_whiteness_error(samples, dim)
    return math.sqrt(max(0, dim - (samples - 1)) / dim)


def _nulls(views: int, samples: int, dim: int, slice_samples: int) -> Iterator[tuple[str, float]]:
    """What isotropic noise would show, by the name of the field."""
    if samples < 3:
        return
    yield "rankme", noise_rankme(samples, dim)
    yield "stable_rank", noise_stable_rank(samples, dim)
    yield "participation_ratio", noise_participation_ratio(samples, dim)
    yield "anisotropy", 1 / noise_stable_rank(samples, dim, centred=False)
    alpha = noise_power_law(samples, dim)
    if alpha is not None:
        yield "alpha", alpha
    condition = expected_condition_number(dim, slice_samples) if slice_samples > 1 else math.inf
    if math.isfinite(condition):
        yield "condition_number", condition
    yield "feature_std", 1.0
    yield "mean_correlation", noise_correlation(samples)
    yield "uniformity", noise_uniformity(dim)
    if views > 1:
        yield "alignment", 2.0
        yield "contrastive_accuracy", 1 / compared(samples)


def _whiteness(whitened: Tensor) -> float | None:
    slices = whitened.detach().cpu().flatten(0, -3)
    if slices.shape[-2] < 2:
        return None
    return _finite(whiteness_error(slices[_evenly(len(slices), SLICES)]).mean())


def _mean(quantity: Callable[[Tensor], Tensor], spectrum: Tensor | None) -> float | None:
    return None if spectrum is None else _finite(quantity(spectrum).mean())


def _condition_number(spectrum: Tensor | None, samples: int, dim: int, slices: Tensor | None) -> float | None:
    if slices is not None:
        samples = slices.shape[-2]
        spectrum = covariance_spectrum(slices[_evenly(len(slices), SLICES)])
    if spectrum is None or samples <= dim:
        return None
    return _finite(condition_number(spectrum).median())


def _thinned(spectrum: Tensor) -> tuple[float, ...]:
    picked: list[float] = spectrum[_evenly(len(spectrum), RANKS)].tolist()
    return tuple(float(f"{value:.{DIGITS}g}") for value in picked)


def _evenly(count: int, most: int) -> Tensor:
    """Indices of at most `most` of `count` things, the first and the last among them."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long()


def _finite(value: Tensor | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
