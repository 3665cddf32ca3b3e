"""The whitening operators: give each slice of embeddings zero mean and unit covariance."""

from __future__ import annotations

from typing import Literal, cast, get_args

import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.precision import at_least_float32
from wmse_tui.engine.whitening.cholesky import ROUNDINGS, CholeskyWhitening
from wmse_tui.engine.whitening.diagnosis import diagnose, needs_rank, too_few_samples
from wmse_tui.engine.whitening.rooted import RootWhitening, root_of
from wmse_tui.engine.whitening.slices import Axis, Layout

Operator = Literal["cholesky", "zca", "pca", "iterative", "standardise", "none"]
STEPS = 5
"""Newton steps where their number is not passed (Huang et al., CVPR 2019)."""


def whiten(
    x: Tensor,
    *,
    operator: Operator = "cholesky",
    eps: float = 0.0,
    relative_eps: bool = False,
    axis: Axis = "batch",
    groups: int = 1,
    partition: Tensor | None = None,
    steps: int = STEPS,
    constant: bool = False,
) -> Tensor:
    """Whiten each slice of `x` by its own mean and covariance, all slices in one factorisation.

    Computed in float32, or in float64 for float64 input, regardless of autocast and the process-wide matmul
    precision: half precision is promoted before anything is centred, and the result stays float32.
    Gradients flow through mean, covariance and factor; there are no second derivatives.

    Args:
        x: (..., samples, dim) floating-point embeddings. Leading dimensions are independent slices.
        operator: which root of the covariance is divided out.
            "cholesky": the inverse of its Cholesky factor, the whitening of W-MSE (Ermolov et al., ICML 2021,
            §3). The order of the dimensions counts: each is freed of those before it.
            "zca": the symmetric inverse root; of all white embeddings the nearest to `x`.
            "pca": the principal axes, largest variance first, each scaled to 1.
            "iterative": "zca" approached by `steps` steps of Newton's iteration (Huang et al., CVPR 2019):
            white only where there is variance; needs no full rank.
            "standardise": each dimension to mean 0 and variance 1; correlations stay.
            "none": `x`, in float32.
        eps: shrinkage in [0, 1]: `(1 - eps) * covariance + eps * identity` replaces the covariance (over
            samples - 1). 0 in the papers. Absolute: the smaller the embeddings, the larger its weight.
        relative_eps: `eps` is relative: its identity is scaled by the mean variance of what is whitened.
        axis: "batch": dimensions are decorrelated over the samples. "channel": samples over the dimensions,
            each freed of its mean over all dimensions first (Weng et al., NeurIPS 2022).
        groups: the dimensions are divided into groups of equal width, each whitened by itself.
        partition: which dimensions form the groups: integers (..., dim) that broadcast to the slices, each
            row a permutation (`random_partition` draws some) whose consecutive runs are the groups. None:
            their own order. The result is in the order of `x` either way.
        steps: of "iterative", 1 or more.
        constant: the matrix counts as a constant, and gradients flow through the centred embeddings alone; of
            "zca", "pca" and "iterative".

    Returns:
        The shape of `x`. With `eps=0`, "cholesky", "zca" and "pca" give every slice (or group) mean 0 and
        covariance 1; over the channel axis its transpose.

    Raises:
        WhiteningFailed: too few samples; or, on the CPU, a covariance without a root, with the reason. On a
            GPU that check would have to synchronise: there such slices are NaN, in value and gradient, and
            `diagnose` returns the reason. Jitter is never added.
        ValueError, TypeError: wrong operator, shape, eps, groups, partition, steps, constant or dtype.

    Example:
        >>> import torch
        >>> x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) @ torch.ones(3, 3).tril()
        >>> covariance = torch.cov(whiten(x).T)
        >>> torch.allclose(covariance, torch.eye(3), atol=1e-5)
        True
    """
    if operator not in get_args(Operator):
        *names, last = map(repr, get_args(Operator))
        raise ValueError(f"operator must be {', '.join(names)} or {last}, not {operator!r}")
    if x.ndim < 2:
        raise ValueError(f"embeddings must be (..., samples, dim), not {tuple(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"embeddings must be floating-point numbers, not {x.dtype}")
    if not 0 <= eps <= 1:
        raise ValueError(f"eps must be in [0, 1], not {eps}")
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, not {steps}")
    if constant and operator not in ("zca", "pca", "iterative"):
        raise ValueError(f"the matrix of operator {operator!r} cannot be held constant")
    layout = Layout(axis, groups, partition, relative_eps)
    layout.check(x)
    if operator == "none":
        return at_least_float32(x)
    with torch.autocast(x.device.type, enabled=False):
        y, mean = layout.arrange(at_least_float32(x))
        if needs_rank(operator) and (too_few := too_few_samples(y, eps, axis)) is not None:
            raise too_few
        whitened, failed = _whitened(y, mean, operator, eps, steps, constant)
        if not x.is_cuda and failed.any():
            found = diagnose(x, operator=operator, eps=eps, layout=layout)
            raise found or WhiteningFailed("a covariance has no inverse root")
        return layout.restore(whitened)


def _whitened(
    y: Tensor, mean: Tensor | None, operator: Operator, eps: float, steps: int, constant: bool
) -> tuple[Tensor, Tensor]:
    """(whitened slices, failed: true or above 0) of what `Layout.arrange` gives."""
    if operator == "cholesky":
        arguments = (y, eps) if mean is None else (y, eps, mean)
        return cast("tuple[Tensor, Tensor]", CholeskyWhitening.apply(*arguments))
    if operator == "standardise":
        return _standardised(y, mean, eps)
    root = root_of(operator, steps=steps, device=y.device)
    return cast("tuple[Tensor, Tensor]", RootWhitening.apply(y, root, eps, mean, constant))


def _standardised(y: Tensor, mean: Tensor | None, eps: float) -> tuple[Tensor, Tensor]:
    """Mean 0 and variance 1 by automatic differentiation; no product that could be shortened."""
    centre = y.mean(-2, keepdim=True) if mean is None else mean
    centred = y - centre if mean is None else y
    variance = centred.square().sum(-2, keepdim=True) / (y.shape[-2] - 1)
    rounding = ROUNDINGS * torch.finfo(y.dtype).eps
    shrunk = variance if not eps else (1 - eps) * variance + eps
    usable = (shrunk > (rounding * centre).square()).squeeze(-2).all(-1)
    shrunk = shrunk.masked_fill(~usable[..., None, None], torch.nan)
    return centred * shrunk.rsqrt(), ~usable
