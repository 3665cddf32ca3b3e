"""Numbers that follow from a configuration alone: steps, checkpoints, the sizes of the whitening."""

from __future__ import annotations

from math import isfinite

from wmse_tui.config.methods import CwRgp, WMse
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.backbone import resolve_stem
from wmse_tui.config.sections.optimizer import Lars, Sgd


def training_images(experiment: Experiment) -> int | None:
    """Images that an epoch passes over; None where that depends on the user's files."""
    return experiment.sizes.train_images


def steps_per_epoch(experiment: Experiment) -> int | None:
    """Full batches in an epoch; None where that depends on the user's files."""
    images = training_images(experiment)
    return None if images is None else images // experiment.schedule.batch_size


def total_steps(experiment: Experiment) -> int | None:
    """Optimizer steps of the whole run; None where that depends on the user's files."""
    steps = steps_per_epoch(experiment)
    return None if steps is None else steps * experiment.schedule.epochs


FORWARD_GFLOP = {
    "resnet18": 1.11,
    "resnet34": 2.32,
    "resnet50": 2.60,
    "resnet101": 5.03,
    "resnet152": 7.46,
    "cifar_resnet8": 0.025,
    "cifar_resnet20": 0.082,
}
"""Of one view of 32 pixels through the CIFAR stem; a multiply-add counts as two."""

OTHER_GFLOP = 2.5  # of a backbone that is not listed
CORE_GFLOPS = 20.0
"""Assumed of a core in a float32 training step: a rough figure for servers."""


def cpu_seconds(experiment: Experiment, cores: int) -> float | None:
    """About how long the steps of a run take on a CPU; None where that depends on the user's files.

    Within a factor of two or three: enough to tell minutes from days.
    """
    work = training_gflop(experiment)
    return None if work is None else work / (CORE_GFLOPS * max(1, cores))


def training_gflop(experiment: Experiment) -> float | None:
    """GFLOP of all steps of a run, without evaluations; None where that depends on the user's files."""
    steps = total_steps(experiment)
    if steps is None:
        return None
    backbone, crop = experiment.backbone, experiment.dataset.crop
    stem = resolve_stem(backbone.stem, backbone.arch, crop)
    area = (crop / 32) ** 2 / {"imagenet": 16, "small": 4, "cifar": 1}[stem]
    forward = FORWARD_GFLOP.get(backbone.arch, OTHER_GFLOP) * area
    views = steps * experiment.schedule.batch_size * experiment.augmentation.views
    return views * 3 * forward


def checkpoint_bytes(experiment: Experiment, *, trained: int, averaged: int = 0) -> int:
    """Bytes of a checkpoint: float32 weights, and the optimizer's state of each trained one.

    Args:
        experiment: its optimizer determines how many numbers are saved per trained parameter.
        trained: parameters that are trained.
        averaged: parameters that are their moving average (BYOL's target).
    """
    optimizer = experiment.optimizer
    moments = (1 if optimizer.momentum else 0) if isinstance(optimizer, Sgd | Lars) else 2
    return 4 * (trained * (1 + moments) + averaged)


def retained_checkpoints(experiment: Experiment, seconds: float | None = None) -> int:
    """The most checkpoints on disk after a run: the latest, the best, the final one.

    A run saves one at an evaluation that is the best so far and after every few minutes, so a short one has
    fewer: `seconds` is how long it takes, where that is known.
    """
    most = experiment.checkpoint.keep + 2
    if seconds is None:
        return most
    timely = int(seconds / (60 * experiment.checkpoint.every_minutes))
    return min(most, max(1, experiment.schedule.epochs + timely))


def expected_condition_number(dim: int, whitening_size: int) -> float:
    """Condition number of the covariance of `whitening_size` samples of isotropic noise in `dim` dimensions.

    The edges of the Marchenko-Pastur law: ((1 + sqrt(g)) / (1 - sqrt(g)))^2 with g = dim / (whitening_size
    - 1). Infinite where there are too few samples (g >= 1).
    """
    root = (dim / (whitening_size - 1)) ** 0.5
    return ((1 + root) / (1 - root)) ** 2 if root < 1 else float("inf")


def condition_text(condition: float) -> str:
    """ "a condition number near 34", or "... without bound" where it is infinite."""
    return f"a condition number {f'near {condition:,.0f}' if isfinite(condition) else 'without bound'}"


def whitening_summary(experiment: Experiment) -> str:
    """Sizes and expected condition of the whitening, in a sentence; "" where nothing is whitened."""
    method, dim = experiment.method, experiment.projector.dim
    if isinstance(method, CwRgp):
        return _group_summary(method, experiment)
    if not isinstance(method, WMse) or method.operator in ("standardise", "none"):
        return ""
    slices = experiment.schedule.batch_size // method.whitening_size
    condition = expected_condition_number(dim, method.whitening_size)
    return (
        f"{method.whitening_size} images whiten {dim} dimensions, in {_count(slices, 'slice')} of each "
        f"batch; of pure noise the covariance would have {condition_text(condition)}"
    )


def _group_summary(method: CwRgp, experiment: Experiment) -> str:
    rows, columns, condition = group_sizes(method, experiment)
    slices = experiment.schedule.batch_size // method.whitening_size
    whitened = (
        f"{rows} images are whitened over {columns} channels"
        if method.axis == "channel"
        else f"{rows} channels are whitened over {columns} images"
    )
    return (
        f"{whitened}, in {_count(method.groups, 'group')} and in {_count(slices, 'slice')} of each batch; "
        f"of pure noise the covariance would have {condition_text(condition)}"
    )


def group_sizes(method: CwRgp, experiment: Experiment) -> tuple[int, int, float]:
    """Rows that are whitened, columns they are whitened over, and the condition number of such noise."""
    width = experiment.projector.dim // method.groups
    channel = method.axis == "channel"
    rows, columns = (method.whitening_size, width) if channel else (width, method.whitening_size)
    return rows, columns, expected_condition_number(rows, columns)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
