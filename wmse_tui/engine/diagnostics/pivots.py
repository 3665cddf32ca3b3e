"""How near the factorisations of a whitening loss are to failing."""

from __future__ import annotations

from torch import Tensor

from wmse_tui.engine.whitening.cholesky import factorise
from wmse_tui.engine.whitening.precision import at_least_float32


def smallest_pivot(slices: Tensor, *, eps: float) -> float | None:
    """The smallest pivot over the largest of the same factor, in the worst of `slices` (..., samples, dim).

    A pivot is the square of a diagonal element of the Cholesky factor: the variance that a dimension has
    left, once what the dimensions before it tell is taken away. As in the loss, shrinkage by `eps` and the
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
