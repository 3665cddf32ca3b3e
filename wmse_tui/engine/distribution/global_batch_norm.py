"""BatchNorm whose statistics are those of the global batch, on any device.

torch's SyncBatchNorm refuses tensors on the CPU. Here the means and variances of the ranks are gathered, and
automatic differentiation does the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wmse_tui.engine.distribution.gather import gather, world_size
from wmse_tui.engine.precision import at_least_float32, full_precision


class GlobalBatchNorm(_BatchNorm):
    """A BatchNorm that several ranks train; outside a shared step it is the one it was."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  as torch names it
        """Accept all: the layer that this was made of had its own check."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not self.training or world_size() == 1:
            return super().forward(input)
        with full_precision(input.device.type):
            x = at_least_float32(input)
            axes = [0, *range(2, x.dim())]
            variances, means = (
                gather(each[None], 0) for each in torch.var_mean(x, dim=axes, correction=0)
            )  # (ranks, channels)
            mean = means.mean(0)
            variance = (variances + (means - mean).square()).mean(0)
            self._update_averages(mean.detach(), variance.detach(), x.numel() // x.shape[1] * world_size())
            scale = (variance + self.eps).rsqrt()
            if self.weight is not None:
                scale = scale * self.weight
            shape = (1, -1, *(1 for _ in axes[1:]))
            y = (x - mean.view(shape)) * scale.view(shape)
            if self.bias is not None:
                y = y + self.bias.view(shape)
        return y.to(input.dtype)

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


def share_batch_norms(network: nn.Module) -> None:
    """Make every BatchNorm of a network a `GlobalBatchNorm`, with its weights, buffers and names."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = GlobalBatchNorm
