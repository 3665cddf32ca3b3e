"""Running statistics: what a normalising layer stores of its training batches for the evaluation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class RunningStatistics(nn.Module):
    """A layer with averages over training batches, under the names and rules of torch's BatchNorm.

    So code that replaces the statistics of BatchNorms (`calibrated_batch_norm`) replaces these too.

    Args:
        momentum: the share of the newest batch in each average; None: the plain average of all batches.
        first: the averages before any batch, by name. They become buffers, and so part of every checkpoint.
    """

    num_batches_tracked: Any
    """A tensor; None within a step whose batches are counted elsewhere."""

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
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.zero_()

    @torch.no_grad()
    def update_averages(self, **batch: Tensor) -> None:
        """Add the statistics of one more batch to the averages of the same names."""
        averages: list[Tensor] = [getattr(self, name) for name in batch]
        values = [value.to(average.dtype) for value, average in zip(batch.values(), averages, strict=True)]
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        if self.momentum is not None:
            torch._foreach_lerp_(averages, values, self.momentum)
            return
        assert self.num_batches_tracked is not None, "the plain average divides by it"
        for average, value in zip(averages, values, strict=True):
            average += (value - average) / self.num_batches_tracked
