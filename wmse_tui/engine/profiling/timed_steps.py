"""Training steps to be timed: what the training loop does in a step, without its log and checkpoints.

The weights are discarded afterwards. A test shows that a step here is a step there: the same batches lead to
the same bits.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.pipelines import Batches
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.ranks import ALONE, Ranks
from wmse_tui.engine.methods import Losses, StepKey, build_method, move_to_device
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training.compiled import compile_networks
from wmse_tui.engine.training.graph import WARM_UP, StepGraph, stepper
from wmse_tui.engine.training.learning_rate import learning_rate
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.stepping import EagerStepper, Stepper


class StepInputs(TypedDict):
    """The arguments of a step beside its views; see `Stepper`."""

    step_key: StepKey
    lr: float
    progress: float


class TimedSteps:
    """A method on its device, to be stepped.

    Attributes:
        method: the networks and the loss.
        taken: steps so far.
        runs_ahead: a step that was taken may still be running on the device.
    """

    def __init__(
        self,
        experiment: Experiment,
        device: torch.device,
        *,
        steps_per_epoch: int = 100,
        ranks: Ranks = ALONE,
    ) -> None:
        self.method = move_to_device(build_method(experiment), device).train()
        if ranks.world > 1:
            share_batch_norms(self.method)
        self.taken = 0
        self.runs_ahead = device.type == "cuda"
        self._experiment = experiment
        self._device = device
        self._steps_per_epoch = max(1, steps_per_epoch)
        self._optimizer = build_optimizer(
            self.method.trainable_parameters(),
            experiment.optimizer,
            unscheduled=self.method.unscheduled_parameters(),
        )
        self._autocast = partial(autocast, experiment.compute.precision, device)
        self._as_written = EagerStepper(self.method, self._optimizer, self._autocast, ranks=ranks)
        self._take_step: Stepper = self._as_written

    def compile(self, views: Tensor) -> str:
        """Compile the networks for batches like `views`, and record a step, as `compute.compile` configures.

        Returns:
            The outcome; empty where `compute.compile` is off.
        """
        mode = self._experiment.compute.compile
        compiled = compile_networks(self.method, mode, shape=views.shape, autocast=self._autocast)
        texts = [compiled.text]
        self._take_step = stepper(
            mode,
            self.method,
            self._optimizer,
            self._autocast,
            self._device,
            phase=lambda _name: None,
            notify=lambda text, _fell_back: texts.append(text),
        )
        if isinstance(self._take_step, StepGraph):
            for _ in range(WARM_UP + 1):
                self.step(views)
        return "; ".join(filter(None, texts))

    def step(self, views: Tensor) -> None:
        """One step on normalised `views` (views, batch, 3, height, width); on a GPU it is only queued."""
        self._take_step(views, **self._inputs())
        self.taken += 1

    def losses(self, views: Tensor) -> Losses:
        """The first part of the next step: the losses of `views`."""
        return self._as_written.losses(views, step_key=self._inputs()["step_key"])

    def update(self, losses: Losses) -> None:
        """The last part of a step, once the gradients of its `losses` are computed."""
        inputs = self._inputs()
        self._as_written.update(losses, lr=inputs["lr"], progress=inputs["progress"])
        self.taken += 1

    def _inputs(self) -> StepInputs:
        """The inputs of the next step."""
        config, step = self._experiment, self.taken + 1
        return {
            "step_key": (config.seed, step),
            "lr": learning_rate(
                config.schedule, config.optimizer.lr, step=step, steps_per_epoch=self._steps_per_epoch
            ),
            "progress": min(1.0, step / (config.schedule.epochs * self._steps_per_epoch)),
        }

    def state(self) -> dict[str, Any]:
        """The state that a checkpoint of these steps holds."""
        return {"method": self.method.state_dict(), "optimizer": self._optimizer.state_dict()}

    def finish(self) -> None:
        """Synchronise with the device."""
        if self.runs_ahead:
            torch.cuda.synchronize(self._device)


def endless(batches: Batches) -> Generator[Tensor, None, None]:
    """The batches of one epoch after the other."""
    for epoch in itertools.count():
        yield from batches.epoch(epoch)


@contextlib.contextmanager
def interruptible(module: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before each layer of a pass forward, and after each gradient of a pass backward.

    So a step that takes minutes can be cancelled within one layer: what `check` raises ends the step. It
    costs less than a microsecond a layer.
    """
    leaves = [each for each in module.modules() if not any(each.children())]
    handles = [leaf.register_forward_pre_hook(lambda _module, _inputs: check()) for leaf in leaves]
    handles += [
        parameter.register_post_accumulate_grad_hook(lambda _parameter: check())
        for parameter in module.parameters()
        if parameter.requires_grad
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def restored_switches() -> Iterator[None]:
    """Restore torch's process-wide switches, which `prepare` sets for a run, at the end."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
