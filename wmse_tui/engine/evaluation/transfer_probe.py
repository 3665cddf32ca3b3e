"""The linear probe of transfer: regularisation chosen on a validation part of the training set, then refit.

The protocol of Kornblith et al. (2019) and Ericsson et al. (2021): multinomial logistic regression by L-BFGS
on frozen features, 45 values of C from 1e-6 to 1e5, the best on a validation part, refit on all training
images. No function here that chooses or fits accepts test images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .interruption import Progress, ShouldStop, check, never, no_progress
from .linear import LinearClassifier, accuracy_of, fit_lbfgs

GRID = tuple(10 ** (-6 + 11 * step / 44) for step in range(45))
"""Values of C; the penalty is |weight|² / (2 C images) beside the mean cross-entropy."""


@dataclass(frozen=True, slots=True, eq=False)
class SelectedProbe:
    """The refit classifier, the chosen C and its top-1 accuracy on the validation part, in [0, 1]."""

    classifier: LinearClassifier
    c: float
    validation_top1: float


def fit_selected(
    x: Tensor,
    y: Tensor,
    *,
    grid: Sequence[float] = GRID,
    iterations: int = 1000,
    seed: int = 0,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> SelectedProbe:
    """Choose C on a validation part of the training features `x` (images, dim), `y` (images,), and refit.

    Among equally good values the smallest C, the strongest regularisation, is chosen.

    Raises:
        ValueError: the grid is empty or not positive, or `validation_split` refuses the labels.
        EvaluationInterrupted: `should_stop` returned true.
    """
    if not grid or min(grid) <= 0:
        raise ValueError(f"the values of C must be above 0, not {list(grid)}")
    y = y.to(x.device)
    fit, held = (rows.to(x.device) for rows in validation_split(y, seed=seed))
    x_fit, y_fit, x_held, y_held = x[fit], y[fit], x[held], y[held]
    best_c, best = 0.0, -1.0
    for done, c in enumerate(sorted(grid), start=1):
        check(should_stop)
        classifier = fit_lbfgs(
            x_fit, y_fit, iterations=iterations, l2=1 / (c * len(x_fit)), should_stop=should_stop
        )
        top1 = accuracy_of(classifier, x_held, y_held).top1
        if top1 > best:
            best_c, best = c, top1
        progress("transfer probe", done, len(grid), "values of C")
    refit = fit_lbfgs(x, y, iterations=iterations, l2=1 / (best_c * len(x)), should_stop=should_stop)
    return SelectedProbe(refit, best_c, best)


def validation_split(y: Tensor, *, share: float = 0.2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Indices of the images to fit on and of the validation images, int64, ascending, on the CPU.

    Each class gives `share` of its images, at least one, to validation and retains at least one.

    Raises:
        ValueError: a label is negative, or a class has fewer than two images.
    """
    labels = y.cpu()
    if len(labels) == 0 or int(labels.min()) < 0:
        raise ValueError("a validation part needs labels from 0; -1 marks an image without a label")
    random = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero()[:, 0]
        if len(rows) < 2:
            raise ValueError(
                f"class {label} has 1 training image; choosing the regularisation needs 2 of each class"
            )
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        held[rows[torch.randperm(len(rows), generator=random)[:count]]] = True
    return (~held).nonzero()[:, 0], held.nonzero()[:, 0]


def mean_per_class(predicted: Tensor, y: Tensor) -> float:
    """Mean over the classes among the test labels `y` (tests,) of the share predicted right, in [0, 1].

    Raises:
        ValueError: there are no test labels, or another number of predictions.
    """
    if len(y) == 0 or len(predicted) != len(y):
        raise ValueError(f"{len(predicted)} predictions for {len(y)} test labels")
    _, classes = y.unique(return_inverse=True)
    images = torch.bincount(classes).double()
    right = torch.bincount(classes, weights=(predicted.to(y.device) == y).double())
    return float((right / images).mean())
