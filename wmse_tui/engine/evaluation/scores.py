"""Accuracies of predicted labels with 95 % intervals, in the metric that the field reports for a set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wmse_tui.runs.state.transfer_results import Score

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def top1(predicted: Tensor, y: Tensor) -> float:
    """The share of the labels `y` (tests,) that are predicted, in [0, 1]. Raises as `mean_per_class`."""
    _check(predicted, y)
    return float((predicted.to(y.device) == y).double().mean())


def mean_per_class(predicted: Tensor, y: Tensor) -> float:
    """Mean over the classes among the labels `y` (tests,) of the share predicted right, in [0, 1].

    Raises:
        ValueError: there are no labels, or another number of predictions.
    """
    right, images = _by_class(predicted, y)
    return float((right / images).mean())


def accuracy(predicted: Tensor, y: Tensor, *, per_class: bool) -> float:
    """`mean_per_class` or `top1`."""
    return mean_per_class(predicted, y) if per_class else top1(predicted, y)


def score(predicted: Tensor, y: Tensor, *, per_class: bool) -> Score:
    """The accuracy with the interval that is due to the number of test images.

    Of a share of all images the interval is Wilson's (1927). Of a mean over K classes it is ± 1.96 s, where
    s² = Σ p (1 - p) / n / K² over the classes, with p = (right + 1) / (n + 2), so that a class of few images
    without an error does not count as certain.
    """
    right, images = _by_class(predicted, y)
    if not per_class:
        return wilson(int(right.sum()), len(y))
    value = float((right / images).mean())
    p = (right + 1) / (images + 2)
    half = Z * float((p * (1 - p) / images).sum().sqrt()) / len(images)
    return Score(value, max(0.0, value - half), min(1.0, value + half))


def wilson(right: int, images: int) -> Score:
    """The share `right / images` and Wilson's interval (1927)."""
    p, z2 = right / images, Z * Z / images
    middle, half = p + z2 / 2, Z * (p * (1 - p) / images + z2 / (4 * images)) ** 0.5
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return Score(p, min(p, max(0.0, low)), max(p, min(1.0, high)))


def mean_score(values: Sequence[float]) -> Score:
    """The mean of accuracies, and Student's interval of it, cut to [0, 1]; of one value the value itself.

    The interval is of the draws that the values are of, not of the test images.
    """
    n = len(values)
    x = torch.tensor(values, dtype=torch.float64)
    mean = float(x.mean())
    half = student_quantile(n - 1) * float(x.std()) / n**0.5 if n > 1 else 0.0
    return Score(mean, max(0.0, mean - half), min(1.0, mean + half))


def student_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with `freedom` degrees of freedom, by bisection of its integral."""
    points = 4001
    low, high = 0.0, 13.0  # that of one degree is 12.71
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    for _ in range(50):
        middle = (low + high) / 2
        t = torch.linspace(0, middle, points, dtype=torch.float64)
        density = scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2)
        below = 0.5 + float(torch.trapezoid(density, t))
        low, high = (middle, high) if below < 0.975 else (low, middle)
    return (low + high) / 2


def _by_class(predicted: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How many images of each class among `y` are predicted right, and how many there are, float64."""
    _check(predicted, y)
    _, classes = y.unique(return_inverse=True)
    images = torch.bincount(classes).double()
    return torch.bincount(classes, weights=(predicted.to(y.device) == y).double()), images


def _check(predicted: Tensor, y: Tensor) -> None:
    if len(y) == 0 or len(predicted) != len(y):
        raise ValueError(f"{len(predicted)} predictions for {len(y)} test labels")
