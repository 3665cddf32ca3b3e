"""What is whitened together: slices of the batch, and in them dimensions or images, whole or in groups.

Over the batch axis the dimensions of a slice are whitened over its images. Over the channel axis (Weng et
al., NeurIPS 2022, arXiv 2210.03586) the images of a slice are whitened over its channels, each image freed of
its mean over *all* channels first. In groups the channels are divided into runs of equal width, and each
group is whitened by itself.

Images and channels are reordered by permutations, whose gradient is the opposite permutation: automatic
differentiation does not know that these are permutations, and would add value by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Axis = Literal["batch", "channel"]


def sliced(embeddings: Tensor, *, whitening_size: int, permutations: Tensor | None = None) -> Tensor:
    """Cut `embeddings` (..., batch, dim) into slices: (..., iterations, slices, whitening_size, dim).

    Args:
        whitening_size: images in a slice; divides the batch.
        permutations: (iterations, batch) integers, each row a permutation of the batch whose consecutive runs
            of `whitening_size` images are the slices, the same for all axes before the batch axis
            (so the views of an image stay together). None: one iteration, in the batch's own order.

    Raises:
        ValueError: the sizes do not fit.

    Example:
        >>> import torch
        >>> views = torch.zeros(2, 64, 8)  # (views, batch, dim)
        >>> sliced(views, whitening_size=16).shape  # one iteration of four slices
        torch.Size([2, 1, 4, 16, 8])
    """
    batch, dim = embeddings.shape[-2:]
    if whitening_size < 1 or batch % whitening_size:
        raise ValueError(f"a batch of {batch} images cannot be cut into slices of {whitening_size}")
    if permutations is None:
        return embeddings.reshape(*embeddings.shape[:-2], 1, -1, whitening_size, dim)
    if permutations.ndim != 2 or permutations.shape[1] != batch:
        raise ValueError(f"permutations must be (iterations, {batch}), not {tuple(permutations.shape)}")
    orders = permutations.to(embeddings.device, torch.int64)
    reordered = cast("Tensor", _ReorderedImages.apply(embeddings, orders))
    return reordered.view(*embeddings.shape[:-2], len(orders), -1, whitening_size, dim)


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
            raise ValueError(f"{dim} dimensions cannot be divided into {self.groups} groups of equal width")
        if self.partition is not None:
            full, shape = (*x.shape[:-2], dim), tuple(self.partition.shape)
            pairs = zip(reversed(shape), reversed(full), strict=False)
            fits = 0 < len(shape) <= len(full) and shape[-1] == dim
            if not fits or any(size not in (1, whole) for size, whole in pairs):
                raise ValueError(f"partition must be {full} or broadcast to it, not {shape}")

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
        return cast("Tensor", _ReorderedChannels.apply(x, first[..., None, :], second[..., None, :]))


def random_partition(*shape: int, generator: torch.Generator | None = None) -> Tensor:
    """Random partitions: int64 `shape`, (..., dim), each row a permutation of its channels, on the CPU.

    Example:
        >>> import torch
        >>> partition = random_partition(4, 6, generator=torch.Generator().manual_seed(0))
        >>> partition.sort(-1).values.unique(dim=0)
        tensor([[0, 1, 2, 3, 4, 5]])
    """
    return torch.rand(shape, generator=generator, dtype=torch.float64).argsort(-1)


def _unit_variance(y: Tensor, mean: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """`y` (..., samples, dim) over the root of its mean variance, and `mean` likewise; 0 stays 0."""
    centred = y if mean is not None else y - y.mean(-2, keepdim=True)
    variance = centred.square().sum((-2, -1), keepdim=True) / ((y.shape[-2] - 1) * y.shape[-1])
    scale = torch.where(variance > 0, variance, 1).sqrt()
    return y / scale, None if mean is None else mean / scale.detach()


class _ReorderedImages(torch.autograd.Function):
    """(embeddings (..., batch, dim), orders (n, batch)) -> (..., n * batch, dim), the batch in each order."""

    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, orders: Tensor) -> Tensor:
        ctx.save_for_backward(orders)
        return embeddings.index_select(-2, orders.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (orders,) = ctx.saved_tensors
        n, batch = orders.shape
        positions = torch.arange(n * batch, device=orders.device).view(n, batch)
        back = torch.empty_like(orders).scatter_(1, orders, positions).flatten()
        gradient = gradients[0].index_select(-2, back)
        if n == 1:
            return gradient, None
        return gradient.unflatten(-2, (n, batch)).sum(-3), None


class _ReorderedChannels(torch.autograd.Function):
    """(x (..., samples, dim), order, its inverse (..., 1, dim)) -> x with its last axis in that order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.gather(-1, order.expand(x.shape))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return gradients[0].gather(-1, inverse.expand(gradients[0].shape)), None, None
