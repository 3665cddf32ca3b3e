"""BatchNorm whose statistics are those of the global batch, on any device.

torch's SyncBatchNorm refuses tensors on the CPU. Here the means and variances of the ranks are gathered once
in the forward, and the two sums of the gradient are added up once in the backward; what is computed for each
image is done by torch's fused operations, as in a BatchNorm of one process.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm

from wmse_tui.engine.distribution.collectives import all_reduce
from wmse_tui.engine.distribution.gather import gather, world_size
from wmse_tui.engine.models.grouped_batch_norm import GroupedBatchNorm


class GlobalBatchNorm(_BatchNorm):
    """A BatchNorm that several ranks train; outside a shared step it is the one it was."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  as torch names it
        """Accept all: the layer that this was made of had its own check."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not self.training or world_size() == 1:
            return super().forward(input)
        mean, variance = global_statistics(input)
        self._update_averages(mean, variance, input.numel() // input.shape[1] * world_size())
        y = Normalise.apply(input, mean, variance, self.weight, self.bias, self.eps)
        return cast("Tensor", y)

    @torch.no_grad()
    def _update_averages(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """As torch does: the average variance is over one less than the count."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        rate: float | Tensor
        if self.momentum is None:
            assert self.num_batches_tracked is not None
            rate = 1 / self.num_batches_tracked.to(self.running_mean.dtype)
        else:
            rate = self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
        unbiased = variance * (count / (count - 1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), rate)


@torch.no_grad()
def global_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of `x` (images, channels, ...) over the images of all ranks.

    They are float32 or float64. Each rank has as many images, so the mean of the means is the mean.
    """
    full = x.dtype in (torch.float32, torch.float64)  # else the statistics have the type of the averages
    average = None if full else x.new_zeros(x.shape[1], dtype=torch.float32)
    own = torch.stack(torch.batch_norm_update_stats(x, average, average, 0.0))
    means, variances = gather(own[:, None], 1)  # (ranks, channels) each
    mean = means.mean(0)
    return mean, (variances + (means - mean).square()).mean(0)


class Normalise(torch.autograd.Function):
    """y = weight * n(x) + bias of this rank's images, with n(x) = (x - mean) / sqrt(variance + eps).

    For g = dL/dy and a mean E over all values of a channel on all ranks, dL/dx is
    weight / sqrt(variance + eps) * (g - E[g] - n(x) E[g n(x)]), since mean and variance depend on x. The
    gradients of weight and bias are sums over this rank's images: `mean_gradients` joins those of all ranks.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(x, mean, variance, weight)
        ctx.eps, ctx.count = eps, x.numel() // x.shape[1] * world_size()
        return batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, weight = ctx.saved_tensors
        (g,) = gradients
        scale = (variance + ctx.eps).rsqrt()
        ones = torch.ones_like(mean)
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            g, x, ones, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )  # the sums of g n(x) and of g
        sums = torch.stack((of_weight, of_bias))
        all_reduce(sums)
        if weight is not None:
            scale = scale * weight
        slope, offset = -scale * sums / ctx.count
        of_x = batch_norm(x, mean, variance, slope, offset, False, 0.0, ctx.eps)
        of_x.addcmul_(g, scale.view(-1, *(1 for _ in x.shape[2:])))
        return of_x, None, None, *((None, None) if weight is None else (of_weight, of_bias)), None


def share_batch_norms(network: nn.Module) -> None:
    """Make every BatchNorm of a network a `GlobalBatchNorm`, with its weights, buffers and names.

    One that normalises groups of images by themselves needs those of no other rank, and stays.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, GroupedBatchNorm):
            module.__class__ = GlobalBatchNorm
