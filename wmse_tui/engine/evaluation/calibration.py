"""How far a classifier's confidence is from its accuracy, before and after temperature scaling.

Guo et al. (2017): the expected calibration error over 15 bins of equal width; one temperature that divides
the logits, and is chosen where the cross-entropy of validation images is least.
"""

from __future__ import annotations

from math import exp, log

import torch
from torch import Tensor

BINS = 15
LARGEST = log(1000.0)
"""Of the logarithm of a temperature, and of its inverse."""
STEPS = 80


def expected_calibration_error(logits: Tensor, y: Tensor, *, bins: int = BINS) -> float:
    """Σ over the bins of |accuracy - mean confidence| * share of the images, in [0, 1]; eq. 3.

    Args:
        logits: (images, classes).
        y: (images,), int64; a label that has no logit counts as wrong.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    right = (predicted == y.to(predicted.device)).double()
    # the bins are open at their lower end: (0, 1/15], (1/15, 2/15], ...
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64, device=logits.device)
    gaps.index_add_(0, index, right - confidence)
    return float(gaps.abs().sum()) / len(y)


def fit_temperature(logits: Tensor, y: Tensor) -> float:
    """The temperature that minimises the cross-entropy of `logits / temperature` (images, classes) with `y`.

    The loss is convex in the inverse temperature: its slope is bisected. Where every image is right the loss
    falls without end, and the temperature is the least that is considered, 1/1000.
    """
    logits = logits.double()
    own = logits.gather(1, y.to(logits.device)[:, None])[:, 0]
    low, high = -LARGEST, LARGEST  # of the logarithm of the inverse temperature
    for _ in range(STEPS):
        middle = (low + high) / 2
        shares = (logits * exp(middle)).softmax(1)
        slope = float(((shares * logits).sum(1) - own).mean())
        low, high = (low, middle) if slope > 0 else (middle, high)
    return exp(-(low + high) / 2)
