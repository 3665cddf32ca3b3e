"""One step and one batch of an evaluation before a run begins, so that too little memory shows in seconds.

Otherwise it shows when the first evaluation is over, or hours later at the next one. It runs the
real images, networks and precision with an optimiser of the same kind. Weights, buffers and gradients are
restored, and randomness is counted, so no bit of the training changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextlib import closing
from functools import partial

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data
from wmse_tui.engine.data.pipelines import Batches
from wmse_tui.engine.distribution.ranks import ALONE, Kind, Message, Ranks
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.evaluation.features import Normalisation, restored_modes
from wmse_tui.engine.evaluation.pixel_batches import pixel_batches
from wmse_tui.engine.evaluation.probes import geometry_of
from wmse_tui.engine.methods import Method
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training.compiled import Compiled
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.stepping import EagerStepper, restored


def smoke_step(
    method: Method,
    batches: Batches,
    data: Data,
    experiment: Experiment,
    device: torch.device,
    compiled: Compiled,
    ranks: Ranks = ALONE,
) -> None:
    """Run a step and encode a batch of evaluation images, then restore everything.

    A loss that cannot be computed is not reported here: training finds it at its own step, with the cause.

    Raises:
        OutOfMemoryError and other errors of torch: those that would have ended the run.
    """
    ranks.announce(Message(Kind.TRIAL))
    with restored(method, device):
        trial_step(method, batches, experiment, device, ranks)
        with compiled.as_written():
            evaluation_batch(method, data, experiment, device)


def trial_step(
    method: Method, batches: Batches, experiment: Experiment, device: torch.device, ranks: Ranks
) -> None:
    """The last batch of the first epoch: loader workers then prepare no other one in vain."""
    method.train()
    optimizer = build_optimizer(
        method.trainable_parameters(),
        experiment.optimizer,
        unscheduled=method.unscheduled_parameters(),
    )
    with closing(_generator(batches, batches.steps_per_epoch - 1)) as epoch, ranks.working("the trial step"):
        views = next(epoch)
    take_step = EagerStepper(
        method, optimizer, partial(autocast, experiment.compute.precision, device), ranks=ranks
    )
    with contextlib.suppress(WhiteningFailed):
        take_step(views, step_key=(experiment.seed, 1), lr=experiment.optimizer.lr, progress=0.0)


def evaluation_batch(method: Method, data: Data, experiment: Experiment, device: torch.device) -> None:
    """Encode as many images as an evaluation encodes at a time; one image will do for all."""
    options, images = experiment.evaluation, data.probe_test
    if images is None or len(images) == 0 or (options.knn == "off" and options.linear == "off"):
        return
    with closing(pixel_batches(images, geometry_of(images, experiment), batch_size=1, workers=1)) as one:
        pixels = next(one)
    many = min(options.batch_size, len(images))
    with restored_modes(method.encoder), torch.no_grad(), autocast(experiment.compute.precision, device):
        method.encoder.eval()
        method.encoder(Normalisation(data.mean, data.std, device)(pixels).repeat(many, 1, 1, 1))


def _generator(batches: Batches, start_batch: int) -> Generator[Tensor, None, None]:
    yield from batches.epoch(0, start_batch)
