"""A training step: loss, gradient, update. Eager here; `graph.py` replays it as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from wmse_tui.engine.distribution.ranks import ALONE, Ranks
from wmse_tui.engine.methods import Losses, Method, StepKey
from wmse_tui.engine.models.grouped_batch_norm import averages_of_groups
from wmse_tui.engine.training.batch_counters import BatchCounters
from wmse_tui.engine.training.optimizers import set_rates, step_unless_nonfinite

Autocast: TypeAlias = Callable[[], torch.autocast]


class Stepper(Protocol):
    """Performs training steps."""

    def __call__(self, views: Tensor, *, step_key: StepKey, lr: float, progress: float) -> Losses:
        """Perform a step; on a GPU it is only queued.

        Args:
            views: normalised (views, batch, 3, height, width), on the device.
            step_key: the key of the step's random choices.
            lr: the learning rate of the schedule.
            progress: the share of the training that is done after the step.

        Returns:
            The losses before the update, to be read before the next step.

        Raises:
            WhiteningFailed: on a CPU, the loss cannot be computed; nothing was updated.
        """


class EagerStepper:
    """Runs every operation as the program reaches it.

    Args:
        method: on the device that trains.
        optimizer: of its parameters.
        autocast: the arithmetic of the encoder.
        ranks: those that take each step together; each calls this with its part of the views.
    """

    def __init__(
        self,
        method: Method,
        optimizer: torch.optim.Optimizer,
        autocast: Autocast,
        *,
        ranks: Ranks = ALONE,
    ) -> None:
        self._method = method
        self._optimizer = optimizer
        self._autocast = autocast
        self._ranks = ranks
        self._averages = averages_of_groups(method)
        self._counters = BatchCounters(method)

    def __call__(self, views: Tensor, *, step_key: StepKey, lr: float, progress: float) -> Losses:
        with self._ranks.working(f"step {step_key[1]}"):
            with self._ranks.shared_step():
                losses = self.losses(views, step_key=step_key)
                losses.total.backward()
            self._ranks.mean_gradients(self._method.trainable_parameters(), self._averages)
            self.update(losses, lr=lr, progress=progress)
        return losses

    def losses(self, views: Tensor, *, step_key: StepKey) -> Losses:
        """The first part of a step."""
        with self._autocast(), self._counters.counted():
            losses: Losses = self._method(views, step_key=step_key)
        return losses

    def update(self, losses: Losses, *, lr: float, progress: float) -> None:
        """The last part of a step, when the gradients of its `losses` are computed."""
        set_rates(self._optimizer, lr)
        step_unless_nonfinite(self._optimizer, losses.total)
        self._optimizer.zero_grad(set_to_none=True)
        self._method.after_step(progress)


@contextmanager
def restored(method: Method, device: torch.device) -> Iterator[None]:
    """Restore weights, buffers, gradients and generators after a block that trains `method`."""
    before = {name: tensor.detach().cpu().clone() for name, tensor in method.state_dict().items()}
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        try:
            yield
            if cuda:
                torch.cuda.synchronize(device)  # an error of the device is raised here
        finally:
            method.zero_grad(set_to_none=True)
            method.load_state_dict(before)
