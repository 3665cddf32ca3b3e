"""Whitening matrices by themselves: for layers that store one, and for covariances made elsewhere."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wmse_tui.engine.precision import at_least_float32, full_precision
from wmse_tui.engine.whitening.cholesky import covariances, factorise
from wmse_tui.engine.whitening.operator import STEPS, Operator
from wmse_tui.engine.whitening.rooted import root_of
from wmse_tui.engine.whitening.roots import Iterative
from wmse_tui.engine.whitening.slices import Layout


@torch.no_grad()
def whitening_matrix(
    x: Tensor, *, operator: Operator = "iterative", eps: float = 0.0, groups: int = 1, steps: int = STEPS
) -> tuple[Tensor, Tensor]:
    """The mean and the matrices of `whiten` for the samples `x` (samples, dim), batch axis, without gradient.

    The arguments are those of `whiten`, which computes `apply_matrix(x, *whitening_matrix(x))`.

    Returns:
        The mean (dim,) and, for each group, the matrix (groups, width, width) that multiplies its centred
        samples from the left. Not finite where `whiten` fails.

    Raises:
        ValueError: `x` has another shape, or dimensions that cannot be divided into `groups`.

    Example:
        >>> import torch
        >>> from wmse_tui.engine.whitening import apply_matrix, whiten
        >>> x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
        >>> mean, matrix = whitening_matrix(x, operator="zca", groups=2)
        >>> mean.shape, matrix.shape
        (torch.Size([4]), torch.Size([2, 2, 2]))
        >>> torch.allclose(apply_matrix(x, mean, matrix), whiten(x, operator="zca", groups=2), atol=1e-5)
        True
    """
    if x.ndim != 2:
        raise ValueError(f"samples must be (samples, dim), not {tuple(x.shape)}")
    layout = Layout("batch", groups)
    layout.check(x)
    with full_precision(x.device.type):
        x = at_least_float32(x)
        y = x.unflatten(-1, (groups, -1)).transpose(0, 1)  # (groups, samples, width)
        identity = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
        if operator == "none":
            return torch.zeros_like(x[0]), identity.repeat(groups, 1, 1)
        if operator == "cholesky":
            lower = factorise(y, eps)[1]
            return x.mean(0), torch.linalg.solve_triangular(lower, identity, upper=False)
        covariance = covariances(y, eps)[2]
        if operator == "standardise":
            return x.mean(0), covariance.diagonal(dim1=-2, dim2=-1).rsqrt().diag_embed()
        return x.mean(0), root_of(operator, steps=steps, device=x.device).matrix(covariance)[0]


def apply_matrix(x: Tensor, mean: Tensor, matrix: Tensor) -> Tensor:
    """`x` (samples, dim) less `mean` (dim,), each group multiplied by its `matrix` (groups, width, width).

    In float32, or float64 for float64 `x`, regardless of autocast.

    Example:
        >>> import torch
        >>> x, mean, matrix = torch.ones(3, 2), torch.zeros(2), 2 * torch.eye(2)[None]
        >>> apply_matrix(x, mean, matrix)
        tensor([[2., 2.],
                [2., 2.],
                [2., 2.]])
    """
    with full_precision(x.device.type):
        centred = at_least_float32(x) - mean
        grouped = centred.unflatten(-1, (len(matrix), -1)).transpose(0, 1)
        whitened: Tensor = (grouped @ matrix.mT).transpose(0, 1).flatten(1)
        return whitened


def inverse_root(covariance: Tensor, *, steps: int = STEPS) -> Tensor:
    """Approach the inverse root of each `covariance` (..., dim, dim) by Newton's iteration, with gradient.

    The operator "iterative" for covariances that are not those of one slice of samples, such as a mixture of
    several. They must be symmetric, with a trace above 0. Float32 or float64, outside autocast.

    Example:
        >>> import torch
        >>> covariance = torch.diag(torch.tensor([1.0, 4.0]))
        >>> inverse_root(covariance, steps=12).diagonal().round(decimals=3)
        tensor([1.0000, 0.5000])
    """
    return cast("Tensor", _InverseRoot.apply(covariance, Iterative(steps)))


class _InverseRoot(torch.autograd.Function):
    """(covariances (..., dim, dim), iteration) -> their inverse roots; the gradient is symmetric."""

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, root: Iterative) -> Tensor:
        with full_precision(covariance.device.type):
            matrix, saved = root.approach(covariance)
        ctx.save_for_backward(matrix, *saved)
        ctx.root = root
        return matrix

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        matrix, *saved = ctx.saved_tensors
        with full_precision(matrix.device.type):
            return ctx.root.gradient(gradients[0], matrix, tuple(saved)), None
