"""A training step: loss, gradient, update. Here as written; `graph.py` replays it as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from wmse_tui.engine.methods import Losses, Method, StepKey
from wmse_tui.engine.training.optimizers import set_rates, step_unless_nonfinite

Autocast: TypeAlias = Callable[[], torch.autocast]


class Stepper(Protocol):
    """Takes steps."""

    def __call__(self, views: Tensor, *, step_key: StepKey, lr: float, progress: float) -> Losses:
        """Take one; on a GPU it is only begun.

        Args:
            views: normalised (views, batch, 3, height, width), on the device.
            step_key: what the step's random choices are counted from.
            lr: the learning rate of the schedule.
            progress: the share of the training that is done after the step.

        Returns:
            The losses before the update, to be read before the next step.

        Raises:
            WhiteningFailed: on a CPU, the loss cannot be computed; nothing has moved.
        """


class AsWritten:
    """Every operation is launched as the program comes to it.

    Args:
        method: on the device that trains.
        optimizer: of its parameters.
        autocast: the arithmetic of the encoder.
    """

    def __init__(self, method: Method, optimizer: torch.optim.Optimizer, autocast: Autocast) -> None:
        self._method = method
        self._optimizer = optimizer
        self._autocast = autocast

    def __call__(self, views: Tensor, *, step_key: StepKey, lr: float, progress: float) -> Losses:
        losses = self.losses(views, step_key=step_key)
        losses.total.backward()
        self.update(losses, lr=lr, progress=progress)
        return losses

    def losses(self, views: Tensor, *, step_key: StepKey) -> Losses:
        """The first part of a step."""
        with self._autocast():
            losses: Losses = self._method(views, step_key=step_key)
        return losses

    def update(self, losses: Losses, *, lr: float, progress: float) -> None:
        """The last part of a step, when the gradients of its `losses` are there."""
        set_rates(self._optimizer, lr)
        step_unless_nonfinite(self._optimizer, losses.total)
        self._optimizer.zero_grad(set_to_none=True)
        self._method.after_step(progress)
