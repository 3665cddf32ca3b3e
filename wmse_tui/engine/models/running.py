"""Running statistics: what a normalising layer stores of its training batches for the evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningStatistics(nn.Module):
    """A layer with averages over training batches, under the names and rules of torch's BatchNorm.

    So code that replaces the statistics of BatchNorms (`calibrated_batch_norm`) replaces these too.

    Args:
        momentum: the share of the newest batch in each average; None: the plain average of all batches.
        first: the averages before any batch, by name. They become buffers, and so part of every checkpoint.
    """

    num_batches_tracked: Tensor
    track_running_stats = True

    def __init__(self, momentum: float | None, **first: Tensor) -> None:
        super().__init__()
        self.momentum = momentum
        self._first = {name: value.clone() for name, value in first.items()}
        for name, value in first.items():
            self.register_buffer(name, value)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def reset_running_stats(self) -> None:
        """Restore the averages before any batch."""
        with torch.no_grad():
            for name, value in self._first.items():
                getattr(self, name).copy_(value)
            self.num_batches_tracked.zero_()

    @torch.no_grad()
    def update_averages(self, **batch: Tensor) -> None:
        """Add the statistics of one more batch to the averages of the same names."""
        self.num_batches_tracked += 1
        for name, value in batch.items():
            average: Tensor = getattr(self, name)
            if self.momentum is None:
                average += (value.to(average.dtype) - average) / self.num_batches_tracked
            else:
                average.lerp_(value.to(average.dtype), self.momentum)
