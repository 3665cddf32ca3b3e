"""The duration of a run's evaluations: each part is timed on a small piece of its work and scaled up.

The work is that of `evaluation/probes.py`: features of the labelled images, nearest neighbours, the linear
probe; before training a pass for the statistics of BatchNorm too. Reading images from files, raw pixels and
the embedding map are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.evaluation.features import restored_modes
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.engine.evaluation.knn import knn_accuracy
from wmse_tui.engine.evaluation.linear import fit_adam, fit_lbfgs
from wmse_tui.engine.models import Encoder
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.profiling.image_cache import CachedImages
from wmse_tui.engine.profiling.timed_steps import interruptible
from wmse_tui.engine.training.learning_rate import evaluation_due

FORWARD_IMAGES = {"cpu": 32, "cuda": 256}
TRAIN_ROWS, TEST_ROWS = 10_000, 200  # of features, for the probes
ITERATIONS = 4  # of L-BFGS
CLASSES = 10  # where the number of classes is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationTimes:
    """How many a run has, the seconds of all of them (None: not known), and how that was measured."""

    count: int
    seconds: float | None
    text: str


class _TimeUp(Exception):
    pass


def time_evaluations(
    encoder: Encoder,
    experiment: Experiment,
    images: CachedImages,
    device: torch.device,
    *,
    end: float,
    check: Callable[[], None] = lambda: None,
) -> EvaluationTimes:
    """Time the evaluations of a run until `end` (of the monotonic clock).

    Args:
        encoder: on `device`; its modes are restored.
        images: whose numbers are used, not their pixels.
        check: called often; what it raises ends the measurement.
    """
    options, schedule = experiment.evaluation, experiment.schedule
    if images.probes == (0, 0) or (options.knn == "off" and options.linear == "off"):
        return EvaluationTimes(count=0, seconds=0.0, text="nothing is evaluated")
    count = 1 + sum(evaluation_due(epoch, schedule, options) for epoch in range(1, schedule.epochs + 1))
    if images.probes is None:
        text = "how long an evaluation takes is known once the labelled images are here"
        return EvaluationTimes(count=count, seconds=None, text=text)
    train, test = images.probes

    def over() -> bool:
        check()
        return time.monotonic() > end

    def check_time() -> None:
        if over():
            raise _TimeUp

    try:
        each = _seconds_per_image(encoder, experiment, device, check_time)
        rows = ProbeFeatures.draw(encoder.feature_dim, train, test, device)
        neighbours = 0.0 if options.knn == "off" else _knn_seconds(rows, experiment, over) * train * test
        linear = 0.0 if options.linear == "off" else _linear_seconds(rows, experiment, over) * train
    except (_TimeUp, EvaluationInterrupted):
        text = "there was no time to measure an evaluation, so the run's hours are those of its steps alone"
        return EvaluationTimes(count=count, seconds=None, text=text)
    linear_count = 1 if options.linear_at == "end" else count
    statistics = each * (images.whole or train)
    seconds = count * (each * (train + test) + neighbours) + linear_count * linear + statistics
    text = f"{train:,} and {test:,} images, scaled up from a few of them"
    return EvaluationTimes(count=count, seconds=seconds, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFeatures:
    """Random features (rows, dim) and labels of both sides of a probe."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor

    @classmethod
    def draw(cls, dim: int, train: int, test: int, device: torch.device) -> ProbeFeatures:
        """One row for each image, up to a limit."""
        random = torch.Generator().manual_seed(0)
        x = [
            torch.randn(min(count, most), dim, generator=random).to(device)
            for count, most in ((train, TRAIN_ROWS), (test, TEST_ROWS))
        ]
        y = [torch.arange(len(rows), device=device) % CLASSES for rows in x]
        return cls(x_train=x[0], y_train=y[0], x_test=x[1], y_test=y[1])


def _seconds_per_image(
    encoder: nn.Module, experiment: Experiment, device: torch.device, check: Callable[[], None]
) -> float:
    """Of a forward pass in evaluation mode."""
    dataset = experiment.dataset
    side = dataset.crop if dataset.eval_crop is None else dataset.eval_crop
    images = torch.zeros(
        min(FORWARD_IMAGES[device.type], experiment.evaluation.batch_size), 3, side, side, device=device
    )

    def forward() -> None:
        with autocast(experiment.compute.precision, device):
            encoder(images)

    with restored_modes(encoder), torch.no_grad(), interruptible(encoder, check):
        encoder.eval()
        return _seconds(forward, device) / len(images)


def _knn_seconds(rows: ProbeFeatures, experiment: Experiment, over: Callable[[], bool]) -> float:
    """For each pair of a training and a test image."""
    options = experiment.evaluation
    if options.knn == "off":
        return 0.0
    metric, k = options.knn, min(options.neighbours, len(rows.x_train))

    def search() -> None:
        knn_accuracy(
            rows.x_train, rows.y_train, rows.x_test, rows.y_test, k=k, metric=metric, should_stop=over
        )

    return _seconds(search, rows.x_train.device) / (len(rows.x_train) * len(rows.x_test))


def _linear_seconds(rows: ProbeFeatures, experiment: Experiment, over: Callable[[], bool]) -> float:
    """For each training image; of L-BFGS with all its iterations, though it may end sooner."""
    options = experiment.evaluation

    def fit() -> None:
        if options.linear == "adam":
            fit_adam(rows.x_train, rows.y_train, epochs=1, should_stop=over)
        else:
            fit_lbfgs(rows.x_train, rows.y_train, iterations=ITERATIONS, should_stop=over)

    measured = 1 if options.linear == "adam" else ITERATIONS
    return _seconds(fit, rows.x_train.device) * options.linear_epochs / measured / len(rows.x_train)


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Of `work` the second time."""
    for _ in range(2):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        before = time.monotonic()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return time.monotonic() - before
