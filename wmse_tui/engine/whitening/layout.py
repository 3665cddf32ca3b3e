"""What is decorrelated, and over what: dimensions over images or images over channels, whole or in groups.

Over the batch axis the dimensions of a slice are whitened over its images. Over the channel axis (Weng et
al., NeurIPS 2022, arXiv 2210.03586) the images of a slice are whitened over its channels, each image freed of
its mean over *all* channels first. In groups the channels are parted into runs of equal width, and each group
is whitened by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Axis = Literal["batch", "channel"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a slice (samples, dim) is laid out for an operator that decorrelates the last axis.

    Args:
        axis: "batch" or "channel".
        groups: how many groups of equal width the channels form; divides `dim`.
        partition: (..., dim) integers that broadcast to the slices, each row a permutation of the channels
            whose consecutive runs are the groups. None: the channels' own order.
        relative: divide each group by the root of its mean variance first, so that a shrinkage by `eps` is
            relative to it: (1 - eps) S + eps tr(S) / dim. Whitening by eps 0 does not see it.
    """

    axis: Axis = "batch"
    groups: int = 1
    partition: Tensor | None = None
    relative: bool = False

    def check(self, x: Tensor) -> None:
        """Raise ValueError where this does not fit the slices `x` (..., samples, dim)."""
        dim = x.shape[-1]
        if self.axis not in ("batch", "channel"):
            raise ValueError(f"axis must be 'batch' or 'channel', not {self.axis!r}")
        if self.groups < 1 or dim % self.groups:
            raise ValueError(f"{dim} dimensions cannot be parted into {self.groups} groups of equal width")
        if self.partition is not None:
            wanted, given = (*x.shape[:-2], dim), tuple(self.partition.shape)
            pairs = zip(reversed(given), reversed(wanted), strict=False)
            fits = 0 < len(given) <= len(wanted) and given[-1] == dim
            if not fits or any(size not in (1, want) for size, want in pairs):
                raise ValueError(f"partition must be {wanted} or broadcast to it, not {given}")

    def arrange(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(..., samples, dim) -> what is decorrelated over its last axis but one, and the mean it lacks.

        Batch axis: (..., [groups,] samples, width), mean None: not centred yet. Channel axis: (..., groups,
        width, samples) and (..., 1, 1, samples).
        """
        mean = None
        if self.axis == "channel":
            centre = x.mean(-1, keepdim=True)
            x, mean = x - centre, centre.mT[..., None, :, :].detach()
        if self.groups > 1:
            x = self._ordered(x, back=False)
        if self.axis == "channel":
            y = x.unflatten(-1, (self.groups, -1)).movedim(-3, -1)
        else:
            y = x if self.groups == 1 else x.unflatten(-1, (self.groups, -1)).transpose(-3, -2)
        return _unit_variance(y, mean) if self.relative else (y, mean)

    def restore(self, z: Tensor) -> Tensor:
        """The reverse of `arrange`, up to centre and scale: (..., samples, dim), channels in their order."""
        if self.axis == "channel":
            z = z.movedim(-1, -3).flatten(-2)
        elif self.groups > 1:
            z = z.transpose(-3, -2).flatten(-2)
        return self._ordered(z, back=True) if self.groups > 1 else z

    def _ordered(self, x: Tensor, *, back: bool) -> Tensor:
        if self.partition is None:
            return x
        order = self.partition.to(x.device, torch.int64)
        inverse = order.argsort(-1)
        first, second = (inverse, order) if back else (order, inverse)
        return cast("Tensor", _Ordered.apply(x, first[..., None, :], second[..., None, :]))


def random_partition(*shape: int, generator: torch.Generator | None = None) -> Tensor:
    """Random partitions: int64 `shape`, (..., dim), each row a permutation of its channels, on the CPU."""
    return torch.rand(shape, generator=generator, dtype=torch.float64).argsort(-1)


def _unit_variance(y: Tensor, mean: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """`y` (..., samples, dim) over the root of its mean variance, and `mean` likewise; 0 stays 0."""
    centred = y if mean is not None else y - y.mean(-2, keepdim=True)
    variance = centred.square().sum((-2, -1), keepdim=True) / ((y.shape[-2] - 1) * y.shape[-1])
    scale = torch.where(variance > 0, variance, 1).sqrt()
    return y / scale, None if mean is None else mean / scale.detach()


class _Ordered(torch.autograd.Function):
    """(x (..., samples, dim), order, its inverse (..., 1, dim)) -> x with its last axis in that order.

    The gradient of a permutation is the opposite one; automatic differentiation would add value by value.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.gather(-1, order.expand(x.shape))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gradients[0].gather(-1, inverse.expand(gradients[0].shape)), None, None
