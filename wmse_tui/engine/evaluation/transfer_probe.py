"""The linear probe of transfer: regularisation chosen on a validation part of the training set, then refit.

The protocol of Kornblith et al. (2019) and Ericsson et al. (2021): multinomial logistic regression by L-BFGS
on frozen features, 45 values of C from 1e-6 to 1e5, the best on a validation part, refit on all training
images. No function here accepts test images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .interruption import Progress, ShouldStop, check, never, no_progress
from .linear import LinearClassifier, fit_lbfgs
from .scores import accuracy

GRID = tuple(10 ** (-6 + 11 * step / 44) for step in range(45))
"""Values of C; the penalty is |weight|² / (2 C images) beside the mean cross-entropy."""
VALIDATION_SHARE = 0.2
TOLERANCE = 64
"""Of the gradient in the scaled axes, where its square is about twice what the loss may still fall; in the
rounding of the features' precision."""
BLOCK = 8192
"""Features that are converted to float64 at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class SelectedProbe:
    """The classifier of all training images, and how its C was chosen.

    Args:
        classifier: fitted to all training images with the chosen C.
        c: the chosen one.
        validation: accuracy on the validation part of the classifier that was fitted to the others.
        validation_logits, validation_labels: of that classifier, (images, classes) and (images,).
    """

    classifier: LinearClassifier
    c: float
    validation: float
    validation_logits: Tensor
    validation_labels: Tensor


def fit_selected(
    x: Tensor,
    y: Tensor,
    *,
    held: Tensor | None = None,
    grid: Sequence[float] = GRID,
    per_class: bool = False,
    iterations: int = 1000,
    seed: int = 0,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> SelectedProbe:
    """Choose C on a validation part of the training features `x` (images, dim), `y` (images,), and refit.

    Among equally good values the smallest C, the strongest regularisation, is chosen.

    Args:
        held: bool (images,), the validation part; None: `validation_split` makes one.
        per_class: choose by the mean of the classes' accuracies, not by that of all images.

    Raises:
        ValueError: the grid is empty or not positive, `held` holds all or nothing, or `validation_split`
            refuses the labels.
        EvaluationInterrupted: `should_stop` returned true.
    """
    if not grid or min(grid) <= 0:
        raise ValueError(f"the values of C must be above 0, not {list(grid)}")
    y = y.to(x.device)
    held = (validation_split(y, seed=seed) if held is None else held).to(x.device)
    if not 0 < int(held.sum()) < len(y):
        raise ValueError(f"a validation part of {int(held.sum())} of {len(y)} images")
    principal = PrincipalCoordinates(x, classes=int(y.max()) + 1)
    x, tolerance = principal.of(x), TOLERANCE * torch.finfo(x.dtype).eps
    x_fit, y_fit, x_held, y_held = x[~held], y[~held], x[held], y[held]
    best_c, best, best_logits = 0.0, -1.0, x_held
    classifier: LinearClassifier | None = None
    chosen: LinearClassifier | None = None
    for done, c in enumerate(sorted(grid), start=1):
        check(should_stop)
        classifier = fit_lbfgs(
            x_fit,
            y_fit,
            iterations=iterations,
            l2=(l2 := 1 / (c * len(x_fit))),
            start=classifier,
            scale=principal.scale(l2),
            tolerance=tolerance,
            should_stop=should_stop,
        )
        logits = classifier.logits(x_held)
        found = accuracy(logits.argmax(1), y_held, per_class=per_class)
        if found > best:
            best_c, best, best_logits, chosen = c, found, logits, classifier
        progress("transfer probe", done, len(grid), "values of C")
    l2 = 1 / (best_c * len(x))
    refit = fit_lbfgs(
        x,
        y,
        iterations=iterations,
        l2=l2,
        start=chosen,
        scale=principal.scale(l2),
        tolerance=tolerance,
        should_stop=should_stop,
    )
    return SelectedProbe(principal.back(refit), best_c, best, best_logits, y_held)


class PrincipalCoordinates:
    """Features in the axes of their principal components, in which a probe converges in tens of steps.

    A rotation changes neither the penalty nor the optimum. Along an axis of variance v the loss has a
    curvature of about v / classes, and the penalty one of l2: `scale` is the inverse root of the sum.

    Args:
        x: (images, dim), which decide the axes.
        classes: how many.
    """

    def __init__(self, x: Tensor, *, classes: int) -> None:
        self._mean = x.mean(0)
        covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
        for block in torch.split(x, BLOCK):
            centred = (block - self._mean).double()
            covariance.addmm_(centred.mT, centred)
        variances, axes = torch.linalg.eigh(covariance / len(x))
        self._axes = axes.to(x.dtype)
        self._curvature = variances.clamp(min=0) / classes

    def of(self, x: Tensor) -> Tensor:
        """`x` (images, dim) in these axes, from their mean."""
        rotated: Tensor = (x - self._mean) @ self._axes
        return rotated

    def scale(self, l2: float) -> Tensor:
        """(dim,), for a penalty of l2 / 2 |weight|² beside the mean cross-entropy."""
        scale: Tensor = (self._curvature + l2).rsqrt()
        return scale.to(self._axes.dtype)

    def back(self, classifier: LinearClassifier) -> LinearClassifier:
        """A classifier of features in these axes as one of features as they were."""
        weight = classifier.weight @ self._axes.mT
        return LinearClassifier(weight, classifier.bias - weight @ self._mean)


def validation_split(y: Tensor, *, share: float = VALIDATION_SHARE, seed: int = 0) -> Tensor:
    """Which of the images are for validation, bool (images,), on the CPU.

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
    return held
