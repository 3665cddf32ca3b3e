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
from typing import Any, Protocol

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.pipelines import Batches
from wmse_tui.engine.distribution.ranks import ALONE, Kind, Message, Ranks
from wmse_tui.engine.errors import Diverged, EngineError, WhiteningFailed
from wmse_tui.engine.methods import Method
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training.checkpoint_manager import CheckpointManager
from wmse_tui.engine.training.compiled import Compiled
from wmse_tui.engine.training.diagnostics import TrainingDiagnostics
from wmse_tui.engine.training.learning_rate import evaluation_due, learning_rate
from wmse_tui.engine.training.requests import Requests, StopRequested
from wmse_tui.engine.training.stepping import Stepper
from wmse_tui.engine.training.telemetry import NonFiniteLoss, Telemetry
from wmse_tui.runs.log.events import Epoch, Evaluation, Event, Phase

EPOCH_SECONDS = 0.5
"""Epochs that end sooner after the last reported one are not reported; their losses are, as steps."""


@dataclass(slots=True)
class Position:
    """The progress of training. Randomness is counted, so this and the weights are the whole state.

    `epoch` is the one in progress, counted from 0; `batch` the next one in it; `step` the optimiser
    steps done; `evaluated` the number of completed epochs at the latest evaluation (-1: none yet).
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


class TrainingLoop:
    """The training of one attempt, from `position` to the end or to a request to stop.

    `identity` is what checkpoints record of the images, and `report_damaged` reports those that have been
    passed over.
    """

    def __init__(
        self,
        experiment: Experiment,
        method: Method,
        optimizer: torch.optim.Optimizer,
        batches: Batches,
        *,
        device: torch.device,
        position: Position,
        checkpoints: CheckpointManager,
        requests: Requests,
        evaluate: Evaluator,
        diagnostics: TrainingDiagnostics,
        compiled: Compiled,
        take_step: Stepper,
        write: Callable[[Event], None],
        report_damaged: Callable[[], None],
        identity: Mapping[str, Any],
        ranks: Ranks = ALONE,
    ) -> None:
        self.experiment = experiment
        self.method = method
        self.optimizer = optimizer
        self.batches = batches
        self.device = device
        self.position = position
        self.checkpoints = checkpoints
        self.requests = requests
        self.evaluate = evaluate
        self.diagnostics = diagnostics
        self.compiled = compiled
        self.take_step = take_step
        self.write = write
        self.report_damaged = report_damaged
        self.identity = identity
        self.ranks = ranks
        self.total_steps = experiment.schedule.epochs * batches.steps_per_epoch
        self.telemetry = Telemetry(write, images_per_step=experiment.schedule.batch_size)
        self.telemetry.epoch_loss_sum = position.epoch_loss_sum
        self.telemetry.epoch_steps = position.epoch_steps
        self._epoch_clock = time.monotonic()
        self._epoch_reported = -math.inf
        self._training_announced = False

    def train(self) -> None:
        """Train to the last epoch.

        Raises:
            StopRequested: a stop was requested; everything is saved.
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
        """Every batch of the epoch in progress, from the current batch on."""
        position = self.position
        self.method.train()
        self._epoch_clock = time.monotonic() - position.epoch_seconds
        self._announce_training()
        batches = self.batches.epoch(position.epoch, start_batch=position.batch)
        for views in self.ranks.fetched(batches, position.step + 1):
            self._step(views)
            self._at_boundary()

    def _step(self, views: Tensor) -> None:
        """Loss, gradient, update: steps are counted from 1."""
        position, config = self.position, self.experiment
        step = position.step + 1
        lr = learning_rate(
            config.schedule, config.optimizer.lr, step=step, steps_per_epoch=self.batches.steps_per_epoch
        )
        progress = step / self.total_steps
        self.ranks.announce(Message(Kind.STEP, position.epoch, position.batch, step, lr, progress))
        losses = self.take_step(views, step_key=(config.seed, step), lr=lr, progress=progress)
        position.step, position.batch = step, position.batch + 1
        self.telemetry.step(step, losses.total, losses.parts, lr)
        self.diagnostics.after_step(
            losses.embeddings, step=step, epoch=position.epoch, flush=self.telemetry.flush
        )

    def _autocast(self) -> torch.autocast:
        return autocast(self.experiment.compute.precision, self.device)

    def _at_boundary(self) -> None:
        """What may happen between two steps: a request, a pause, a checkpoint by the clock."""
        requests = self.requests
        self.report_damaged()
        requests.raise_if_stopped()
        if requests.paused:
            self._save("pause")
            before = time.monotonic()
            requests.wait_while_paused()
            self._epoch_clock += time.monotonic() - before
            self.telemetry.restart_clock()
            requests.raise_if_stopped()
        if requests.checkpoint or self.checkpoints.due():
            saved = self._save("requested" if requests.checkpoint else "periodic")
            requests.answer(
                requests.checkpoint,
                "checkpoint",
                "done" if saved else "refused",
                saved or "the disk refused it",
            )
        if requests.evaluate:
            result = self._evaluate(final=False)
            requests.answer(
                requests.evaluate, "evaluate", "done" if result else "refused", "" if result else "no labels"
            )

    def _close_epoch(self) -> None:
        """Report the epoch, evaluate and save where that is due, then advance to the next."""
        position, schedule = self.position, self.experiment.schedule
        position.epoch_seconds = time.monotonic() - self._epoch_clock
        completed = position.epoch + 1
        last = completed == schedule.epochs
        due = (
            evaluation_due(completed, schedule, self.experiment.evaluation) and position.evaluated < completed
        )
        if last or due or time.monotonic() - self._epoch_reported >= EPOCH_SECONDS:
            self._report_epoch(completed)
        best = False
        if due:
            result = self._evaluate(final=last, epoch=completed)
            best = result is not None and self.checkpoints.is_best(result)
        # The sums are reset after the evaluation: a stop during it closes the same epoch again.
        self.telemetry.start_epoch(position.step + 1)
        position.epoch, position.batch, position.epoch_seconds = completed, 0, 0.0
        if last:
            self._save("final", *(["best"] if best else []))
        elif best or self.checkpoints.due():
            self._save("best" if best else "periodic")
        if self.requests.stop_after_epoch and not last:
            raise StopRequested("after this epoch")

    def _report_epoch(self, completed: int) -> None:
        """One event for the epoch; of epochs that take less than a moment, only some are reported."""
        self.telemetry.flush()
        self._epoch_reported = time.monotonic()
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
        position = self.position
        completed = position.epoch if epoch is None else epoch
        self.telemetry.flush()
        before = time.monotonic()
        self.write(Phase(name="evaluate"))
        self.ranks.compare(self.method)
        try:
            result = self.evaluate(epoch=completed, step=position.step, final=final)
        finally:  # also when it is interrupted: its time is no training time
            self._epoch_clock += time.monotonic() - before
        self.method.train()
        if result is not None:
            self.write(result)
        if epoch is not None or position.evaluated < 0:
            position.evaluated = completed
        self._training_announced = False
        if epoch is None:
            self._announce_training()
        return result

    def _announce_training(self) -> None:
        """Announce that steps follow, once after each phase that is no training."""
        if not self._training_announced:
            self.write(Phase(name="train"))
            self._training_announced = True
            self.telemetry.restart_clock()

    def _save(self, *kinds: str) -> str:
        """Save a checkpoint; its file name, or "" on a disk error after which training continues.

        Raises:
            NonFiniteLoss, Diverged: the state is not worth saving; the last checkpoint is intact.
        """
        self.telemetry.flush()
        position, weights = self.position, self.method.state_dict()
        if not _all_finite(weights):  # a gradient can overflow where its loss did not
            raise Diverged(
                "the weights are not finite",
                f"after step {position.step}, and no checkpoint is made of them",
                next=("a lower optimizer.lr", "a longer schedule.warmup_steps", "compute.precision=float32"),
            )
        position.epoch_loss_sum, position.epoch_steps = (
            self.telemetry.epoch_loss_sum,
            self.telemetry.epoch_steps,
        )
        if position.batch:
            position.epoch_seconds = time.monotonic() - self._epoch_clock
        saved = self.checkpoints.save(
            {
                "position": dataclasses.asdict(position),
                "method": weights,
                "optimizer": self.optimizer.state_dict(),
                "images": self.batches.images,
                "data": self.identity,
            },
            step=position.step,
            epoch=position.epoch,
            kinds=kinds,
        )
        self.telemetry.restart_clock()
        return saved

    def _explain(self, error: NonFiniteLoss) -> EngineError:
        """Explain why a loss is not finite, by computing the loss of the bad step once more.

        The weights have not moved since that step, and batches are counted, so it is the same batch.
        """
        position, per_epoch = self.position, self.batches.steps_per_epoch
        epoch, batch = divmod(error.step - 1, per_epoch)
        views = next(iter(self.batches.epoch(epoch, start_batch=batch)))
        where = f"step {error.step} (epoch {epoch + 1}), loss {error.loss}"
        if not bool(torch.isfinite(views).all()):
            return Diverged("the input images are not finite", where, next=("check dataset.std for a zero",))
        step_key = (self.experiment.seed, error.step)
        try:
            self.ranks.announce(Message(Kind.FORWARD, epoch, batch, error.step))
            with (
                torch.no_grad(),
                self._autocast(),
                self.compiled.as_written(),
                self.ranks.shared_step(),
            ):
                embeddings = self.method(views, step_key=step_key).embeddings
        except WhiteningFailed as failure:
            return failure
        found = self.method.diagnose(embeddings, step_key=step_key)
        if found is not None:
            return type(found)(found.title, f"{where}; {found.detail}", next=found.next)
        weights = _all_finite(dict(self.method.named_parameters()))
        return Diverged(
            "the loss is not finite",
            f"{where}; the weights are {'finite' if weights else 'no longer finite'} at step {position.step}",
            next=("a lower optimizer.lr", "a longer schedule.warmup_steps", "compute.precision=float32"),
        )


def _all_finite(state: Mapping[str, Tensor]) -> bool:
    """Whether all numbers are finite; synchronises with the device once."""
    checks = [tensor.isfinite().all() for tensor in state.values() if tensor.is_floating_point()]
    return bool(torch.stack(checks).all())
