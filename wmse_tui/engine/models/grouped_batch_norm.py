"""BatchNorm whose statistics are those of groups of consecutive images, not of the whole batch.

Recipes that were trained with "BatchNorm per GPU" mean so many images. Groups make that a property of the
model: one device or eight, which only have to hold whole groups, compute the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupedBatchNorm(nn.BatchNorm2d):
    """BatchNorm of each `group_images` consecutive images of a batch by themselves.

    The statistics for evaluation follow the mean over the groups of a batch. A plain average over batches
    (`momentum` None), as before the first evaluation, has no groups, and the layer is a BatchNorm.
    """

    group_images: int

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.momentum is None:
            return super().forward(x)
        outputs, means, variances = zip(*map(self._normalised, x.split(self.group_images)), strict=True)
        self._update_averages(torch.stack(means).mean(0), torch.stack(variances).mean(0))
        return torch.cat(outputs)

    def _normalised(self, group: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The images of a group, normalised, and the mean and unbiased variance of each channel."""
        y, mean, scale = torch.native_batch_norm(
            group, self.weight, self.bias, None, None, True, 0.0, self.eps
        )
        count = group.numel() // group.shape[1]
        variance = scale.detach().square().reciprocal() - self.eps
        return y, mean.detach(), variance * (count / (count - 1))

    @torch.no_grad()
    def _update_averages(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.momentum is not None
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


def use_groups(network: nn.Module, images: int) -> None:
    """Make every BatchNorm2d of a network a `GroupedBatchNorm`, with its weights, buffers and names."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GroupedBatchNorm
            module.group_images = images  # type: ignore[assignment]


def averages_of_groups(network: nn.Module) -> list[Tensor]:
    """The statistics for evaluation, those of one rank; their mean over ranks is that of all groups."""
    return [
        average
        for module in network.modules()
        if isinstance(module, GroupedBatchNorm)
        for average in (module.running_mean, module.running_var)
        if average is not None
    ]
