"""The whitening operator: give each slice of embeddings zero mean and unit covariance."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.whitening.cholesky import CholeskyWhitening
from wmse_tui.engine.whitening.diagnosis import diagnose, too_few_samples
from wmse_tui.engine.whitening.precision import at_least_float32


def whiten(x: Tensor, *, operator: Literal["cholesky"] = "cholesky", eps: float = 0.0) -> Tensor:
    """Whiten each slice of `x` by its own mean and covariance, all slices in one factorisation.

    Computed in float32, or in float64 for float64 input, whatever autocast and the process's precision of
    products say: half precision is promoted before anything is centred, and the result stays float32.
    Gradients flow through mean, covariance and factor; there are no second derivatives.

    Args:
        x: (..., samples, dim) floating-point embeddings. Leading dimensions are independent slices.
        operator: "cholesky": the inverse of the covariance's Cholesky factor, the whitening of W-MSE (Ermolov
            et al., ICML 2021, §3). The order of the dimensions counts: each is freed of those before it.
        eps: shrinkage in [0, 1]: `(1 - eps) * covariance + eps * identity` takes the place of the covariance
            (over samples - 1). Absolute: the smaller the embeddings, the more it weighs. 0 in the paper.

    Returns:
        The shape of `x`. With `eps=0` every slice has mean 0 and covariance 1.

    Raises:
        WhiteningFailed: too few samples; or, on the CPU, a covariance without a factor, with the reason. To
            know that at once of a GPU would mean to wait for it: there such slices come out as NaN, in value
            and gradient, and `diagnose` tells the reason. Jitter is never added.
        ValueError, TypeError: wrong operator, shape, eps or dtype.
    """
    if operator != "cholesky":
        raise ValueError(f"operator must be 'cholesky', not {operator!r}")
    if x.ndim < 2:
        raise ValueError(f"embeddings must be (..., samples, dim), not {tuple(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"embeddings must be floating-point numbers, not {x.dtype}")
    if not 0 <= eps <= 1:
        raise ValueError(f"eps must lie in [0, 1], not {eps}")
    if (too_few := too_few_samples(x, eps)) is not None:
        raise too_few
    whitened, failed_order = cast("tuple[Tensor, Tensor]", CholeskyWhitening.apply(at_least_float32(x), eps))
    if not x.is_cuda and failed_order.any():
        raise diagnose(x, eps=eps) or WhiteningFailed("a covariance has no Cholesky factor")
    return whitened
