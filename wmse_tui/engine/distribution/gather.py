"""The one thing that ranks share inside a step: a gather whose backward sums over the ranks.

Rank r has the rows E_r of the global batch E, and every rank computes the same loss L = f(E). The backward of
`gather` gives rank r the sum of what all ranks return for E_r, which is `world` times ∂L/∂E_r, and the mean
of the parameters' gradients over the ranks is ∂L/∂θ of one process. The same holds for statistics in the
middle of a network. So no loss and no layer knows how many ranks there are.

Outside `shared_step` a process is alone, whatever group it belongs to: evaluations and diagnostics are those
of one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wmse_tui.engine.distribution.collectives import (
    all_gather,
    all_reduce,
    own_rank,
    simulated_world,
    world_of_ranks,
)

_shared = False


@contextmanager
def shared_step() -> Iterator[None]:
    """Within this block, which all ranks of the default process group enter, the batch is the global one."""
    global _shared
    _shared = True
    try:
        yield
    finally:
        _shared = False


def world_size() -> int:
    """The ranks among which the batch is divided; 1 outside a shared step."""
    return world_of_ranks() if _is_shared() else 1


def _is_shared() -> bool:
    return _shared or simulated_world() > 0


def gather(x: Tensor, dim: int) -> Tensor:
    """`x` of all ranks, concatenated along `dim` in the order of the ranks; `x` itself where there is one."""
    return cast("Tensor", Gather.apply(x, dim)) if _is_shared() else x


def own_rows(x: Tensor) -> Tensor:
    """Of rows of the global batch those of this rank."""
    return x.chunk(world_of_ranks())[own_rank()] if _is_shared() else x


class Gather(torch.autograd.Function):
    """See `gather`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        ctx.dim, ctx.size = dim, x.shape[dim]
        return torch.cat(all_gather(x), dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        all_reduce(total)
        return total.narrow(ctx.dim, own_rank() * ctx.size, ctx.size), None
