"""Losses of the steps on their way to the log: buffered on the device, fetched in bulk, none lost.

The loop passes device scalars and never synchronises. At most once a second, and before every
checkpoint, they are fetched in one transfer and written as one `steps` event.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from wmse_tui.runs.log.events import Steps

FLUSH_SECONDS = 1.0
"""A viewer sees a new step this soon; more often would cost log lines and synchronisation."""


class NonFiniteLoss(Exception):
    """The loss of `step` was NaN or infinite; every step before it is in the log."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"loss {loss} at step {step}")
        self.step = step
        self.loss = loss


class Telemetry:
    """Collects the losses of consecutive steps and writes them in bulk.

    Args:
        write: writes an event to the log.
        images_per_step: images (not views) in a batch, for the throughput.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        write: Callable[[Steps], None],
        *,
        images_per_step: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._images_per_step = images_per_step
        self._clock = clock
        self._first = 0
        self._scalars: list[Tensor] = []
        self._rates: list[float] = []
        self._parts: tuple[str, ...] = ()
        self._since = clock()
        self._epoch_first = 0
        self.epoch_loss_sum = 0.0
        self.epoch_steps = 0

    def step(self, step: int, loss: Tensor, parts: Mapping[str, Tensor], lr: float) -> None:
        """Record one step; fetches and writes when a second has passed.

        Raises:
            NonFiniteLoss: a fetched loss is not finite (found in bulk, so up to a second later).
        """
        if not self._scalars:
            self._first = step
            self._parts = tuple(parts)
        self._scalars.append(
            torch.stack([loss.detach().float(), *(p.detach().float() for p in parts.values())])
        )
        self._rates.append(lr)
        if self._clock() - self._since >= FLUSH_SECONDS:
            self.flush()

    def restart_clock(self) -> None:
        """Leave out of the throughput what was not training: evaluation, pause, checkpoint."""
        self._since = self._clock()

    def flush(self) -> None:
        """Fetch and write what is pending. The only synchronisation of the loop."""
        if not self._scalars:
            return
        rows = torch.stack(self._scalars).tolist()
        seconds = self._clock() - self._since
        columns = list(zip(*rows, strict=True))
        losses = columns[0]
        self._write(
            Steps(
                first=self._first,
                loss=tuple(x if math.isfinite(x) else None for x in losses),
                lr=tuple(self._rates),
                parts=tuple(
                    (name, tuple(x if math.isfinite(x) else None for x in column))
                    for name, column in zip(self._parts, columns[1:], strict=True)
                ),
                images_per_second=len(losses) * self._images_per_step / seconds if seconds > 0 else None,
            )
        )
        first = self._first
        self._scalars.clear()
        self._rates.clear()
        self._since = self._clock()
        for offset, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise NonFiniteLoss(first + offset, loss)
            if first + offset >= self._epoch_first:
                self.epoch_loss_sum += loss
                self.epoch_steps += 1

    def epoch_mean(self) -> float | None:
        """The mean loss of the epoch's steps that were fetched; None before the first."""
        return self.epoch_loss_sum / self.epoch_steps if self.epoch_steps else None

    def start_epoch(self, first: int) -> None:
        """Begin the sums of the epoch whose first step is `first`; losses still pending are not of it."""
        self._epoch_first = first
        self.epoch_loss_sum, self.epoch_steps = 0.0, 0
