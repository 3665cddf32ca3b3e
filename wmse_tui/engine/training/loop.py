"""The training loop: for each epoch, for each batch of views: loss, step, events.

Precision, checkpoints, telemetry, evaluation and requests are small objects that the loop calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.loading import Batches
from wmse_tui.engine.errors import Diverged, EngineError, WhiteningFailed
from wmse_tui.engine.methods import Method
from wmse_tui.engine.training.checkpoint_manager import CheckpointManager
from wmse_tui.engine.training.compiled import Compiled
from wmse_tui.engine.training.device import autocast
from wmse_tui.engine.training.diagnostics import TrainingDiagnostics
from wmse_tui.engine.training.requests import Requests, StopRequested
from wmse_tui.engine.training.schedule import evaluation_due, learning_rate
from wmse_tui.engine.training.stepping import Stepper
from wmse_tui.engine.training.telemetry import NonFiniteLoss, Telemetry
from wmse_tui.runs.log.events import Epoch, Evaluation, Event, Phase

EPOCH_SECONDS = 0.5
"""Epochs that end sooner after the last one that was told are not told; no loss is missing, steps are."""


@dataclass(slots=True)
class Position:
    """Where training stands. Randomness is counted, so this and the weights are the whole state.

    `epoch` is the one in progress, counted from 0; `batch` the next one in it; `step` the optimiser
    steps taken; `evaluated` the number of completed epochs at the latest evaluation (-1: none yet).
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    evaluated: int = -1
    epoch_loss_sum: float = 0.0
    epoch_steps: int = 0
    epoch_seconds: float = 0.0


class Evaluator(Protocol):
    """Evaluates the encoder; None when the data set has no labels."""

    def __call__(self, *, epoch: int, step: int, final: bool) -> Evaluation | None: ...


class Trainer:
    """One attempt at a run, from `position` to the end or to a request to stop."""

    def __init__(
        self,
        experiment: Experiment,
        method: Method,
        optimizer: torch.optim.Optimizer,
        batches: Batches,
        *,
        device: torch.device,
        position: Position,
        keeper: CheckpointManager,
        requests: Requests,
        evaluate: Evaluator,
        vitals: TrainingDiagnostics,
        compiled: Compiled,
        take_step: Stepper,
        write: Callable[[Event], None],
    ) -> None:
        self.experiment = experiment
        self.method = method
        self.optimizer = optimizer
        self.batches = batches
        self.device = device
        self.position = position
        self.keeper = keeper
        self.requests = requests
        self.evaluate = evaluate
        self.vitals = vitals
        self.compiled = compiled
        self.take_step = take_step
        self.write = write
        self.total_steps = experiment.schedule.epochs * batches.steps_per_epoch
        self.telemetry = Telemetry(write, images_per_step=experiment.schedule.batch_size)
        self.telemetry.epoch_loss_sum = position.epoch_loss_sum
        self.telemetry.epoch_steps = position.epoch_steps
        self._epoch_clock = time.monotonic()
        self._epoch_told = -math.inf
        self._training_announced = False

    def train(self) -> None:
        """Train to the last epoch.

        Raises:
            StopRequested: somebody asked to stop; everything is saved.
            Diverged, WhiteningFailed: the loss is not finite or cannot be computed; the weights are
                those before the bad step, the last checkpoint is good.
        """
        try:
            self._train_or_save()
        except WhiteningFailed:
            with contextlib.suppress(NonFiniteLoss):
                self.telemetry.flush()
            raise
        except NonFiniteLoss as error:
            raise self._explain(error) from error

    def _train_or_save(self) -> None:
        """Every epoch that is left; a stop saves first, which may find a loss that is not finite."""
        try:
            if self.position.evaluated < 0:
                self._evaluate(final=False)
            while self.position.epoch < self.experiment.schedule.epochs:
                self._train_epoch()
                self._close_epoch()
        except StopRequested:
            self._save("stop")
            raise

    def _train_epoch(self) -> None:
        """Every batch of the epoch in progress, from where it stands."""
        at = self.position
        self.method.train()
        self._epoch_clock = time.monotonic() - at.epoch_seconds
        self._say_training()
        for views in self.batches.epoch(at.epoch, start_batch=at.batch):
            self._step(views)
            self._at_boundary()

    def _step(self, views: Tensor) -> None:
        """Loss, gradient, update: steps are counted from 1."""
        at, config = self.position, self.experiment
        step = at.step + 1
        lr = learning_rate(
            config.schedule, config.optimizer.lr, step=step, steps_per_epoch=self.batches.steps_per_epoch
        )
        losses = self.take_step(views, step_key=(config.seed, step), lr=lr, progress=step / self.total_steps)
        at.step, at.batch = step, at.batch + 1
        self.telemetry.step(step, losses.total, losses.parts, lr)
        self.vitals.after_step(losses.embeddings, step=step, epoch=at.epoch, flush=self.telemetry.flush)

    def _autocast(self) -> torch.autocast:
        return autocast(self.experiment.compute, self.device)

    def _at_boundary(self) -> None:
        """What may happen between two steps: a request, a pause, a checkpoint by the clock."""
        asked = self.requests
        asked.raise_if_stopped()
        if asked.paused:
            self._save("pause")
            before = time.monotonic()
            asked.wait_while_paused()
            self._epoch_clock += time.monotonic() - before
            self.telemetry.restart_clock()
            asked.raise_if_stopped()
        if asked.checkpoint or self.keeper.due():
            saved = self._save("requested" if asked.checkpoint else "periodic")
            asked.answer(
                asked.checkpoint, "checkpoint", "done" if saved else "refused", saved or "the disk refused it"
            )
        if asked.evaluate:
            result = self._evaluate(final=False)
            asked.answer(
                asked.evaluate, "evaluate", "done" if result else "refused", "" if result else "no labels"
            )

    def _close_epoch(self) -> None:
        """Numbers of the epoch, evaluation and checkpoints where they are due, then on to the next."""
        at, schedule = self.position, self.experiment.schedule
        at.epoch_seconds = time.monotonic() - self._epoch_clock
        completed = at.epoch + 1
        last = completed == schedule.epochs
        due = evaluation_due(completed, schedule, self.experiment.evaluation) and at.evaluated < completed
        if last or due or time.monotonic() - self._epoch_told >= EPOCH_SECONDS:
            self._tell_epoch(completed)
        best = False
        if due:
            result = self._evaluate(final=last, epoch=completed)
            best = result is not None and self.keeper.is_best(result)
        # The sums stay until the evaluation is over: a stop during it closes the same epoch again.
        self.telemetry.start_epoch(at.step + 1)
        at.epoch, at.batch, at.epoch_seconds = completed, 0, 0.0
        if last:
            self._save("final", *(["best"] if best else []))
        elif best or self.keeper.due():
            self._save("best" if best else "periodic")
        if self.requests.stop_after_epoch and not last:
            raise StopRequested("after this epoch")

    def _tell_epoch(self, completed: int) -> None:
        """One event for the epoch; of epochs that take less than a moment, only some are told."""
        self.telemetry.flush()
        self._epoch_told = time.monotonic()
        images = self.batches.steps_per_epoch * self.experiment.schedule.batch_size
        seconds = self.position.epoch_seconds
        self.write(
            Epoch(
                epoch=completed,
                step=self.position.step,
                loss=self.telemetry.epoch_mean(),
                seconds=seconds,
                images_per_second=images / max(seconds, 1e-9),
            )
        )

    def _evaluate(self, *, final: bool, epoch: int | None = None) -> Evaluation | None:
        """Evaluate now; `epoch` counts completed epochs."""
        at = self.position
        completed = at.epoch if epoch is None else epoch
        self.telemetry.flush()
        before = time.monotonic()
        self.write(Phase(name="evaluate"))
        try:
            result = self.evaluate(epoch=completed, step=at.step, final=final)
        finally:  # also when it is interrupted: what it took is no training
            self._epoch_clock += time.monotonic() - before
        self.method.train()
        if result is not None:
            self.write(result)
        if epoch is not None or at.evaluated < 0:
            at.evaluated = completed
        self._training_announced = False
        if epoch is None:
            self._say_training()
        return result

    def _say_training(self) -> None:
        """Announce that steps follow, once after everything else that takes its time."""
        if not self._training_announced:
            self.write(Phase(name="train"))
            self._training_announced = True
            self.telemetry.restart_clock()

    def _save(self, *kinds: str) -> str:
        """Save a checkpoint; its file name, or "" when the disk refused it and training goes on.

        Raises:
            NonFiniteLoss, Diverged: what would be saved is not worth it; the last checkpoint stands.
        """
        self.telemetry.flush()
        at, weights = self.position, self.method.state_dict()
        if not _all_finite(weights):  # a gradient can overflow where its loss did not
            raise Diverged(
                "the weights are not finite",
                f"after step {at.step}, and no checkpoint is made of them",
                next=("a lower optimizer.lr", "a longer schedule.warmup_steps", "compute.precision=float32"),
            )
        at.epoch_loss_sum, at.epoch_steps = self.telemetry.epoch_loss_sum, self.telemetry.epoch_steps
        if at.batch:
            at.epoch_seconds = time.monotonic() - self._epoch_clock
        saved = self.keeper.save(
            {
                "position": dataclasses.asdict(at),
                "method": weights,
                "optimizer": self.optimizer.state_dict(),
                "images": self.batches.images,
            },
            step=at.step,
            epoch=at.epoch,
            kinds=kinds,
        )
        self.telemetry.restart_clock()
        return saved

    def _explain(self, error: NonFiniteLoss) -> EngineError:
        """Tell why a loss is not finite, by going through the batch of the bad step once more.

        The weights have not moved since that step, and batches are counted, so it is the same batch.
        """
        at, per_epoch = self.position, self.batches.steps_per_epoch
        epoch, batch = divmod(error.step - 1, per_epoch)
        views = next(iter(self.batches.epoch(epoch, start_batch=batch)))
        where = f"step {error.step} (epoch {epoch + 1}), loss {error.loss}"
        if not bool(torch.isfinite(views).all()):
            return Diverged("the input images are not finite", where, next=("check dataset.std for a zero",))
        step_key = (self.experiment.seed, error.step)
        try:
            with torch.no_grad(), self._autocast(), self.compiled.as_written():
                embeddings = self.method(views, step_key=step_key).embeddings
        except WhiteningFailed as failure:
            return failure
        found = self.method.diagnose(embeddings, step_key=step_key)
        if found is not None:
            return type(found)(found.title, f"{where}; {found.detail}", next=found.next)
        weights = _all_finite(dict(self.method.named_parameters()))
        return Diverged(
            "the loss is not finite",
            f"{where}; the weights are {'finite' if weights else 'no longer finite'} at step {at.step}",
            next=("a lower optimizer.lr", "a longer schedule.warmup_steps", "compute.precision=float32"),
        )


def _all_finite(state: Mapping[str, Tensor]) -> bool:
    """Whether all numbers are finite; waits for the device once."""
    checks = [tensor.isfinite().all() for tensor in state.values() if tensor.is_floating_point()]
    return bool(torch.stack(checks).all())
