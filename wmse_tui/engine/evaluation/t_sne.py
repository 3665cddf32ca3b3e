"""t-SNE: points in two dimensions whose neighbours are those of the features.

After van der Maaten and Hinton (2008). Exact: all pairs, no trees, so for a few thousand points at most.
Without randomness: it starts from the caller's points (the principal plane, as Kobak and Berens 2019 advise),
and the same input gives the same map.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from .interruption import ShouldStop, check, never

FEWEST = 10
"""Images from which on one can speak of neighbourhoods."""
PERPLEXITY = 30.0
"""Neighbours that count, roughly; a third of the images where there are few."""
EXAGGERATION, EXAGGERATED_STEPS = 12.0, 250
"""At first the attraction is so many times as strong: clusters form before they are arranged."""
STEPS = 500
MOMENTUM = (0.5, 0.8)
"""During and after the exaggeration."""
RATE = 5.0
"""The step size is n over this."""
START_DEVIATION = 1e-4
BISECTIONS = 64


def t_sne(x: Tensor, *, start: Tensor, should_stop: ShouldStop = never) -> Tensor:
    """The map of the rows of `x` (n, dim): (n, 2), of mean 0, in the dtype of `x`.

    Gradient descent with momentum and gains as in the original. The step size grows with n, since forces are
    shares of one (Belkina et al. 2019); with n / 5 the divergence of 18 to 1000 points was within 2 % of
    twice the steps' (clusters of normal noise).

    Args:
        x: finite features; equal rows are fine.
        start: (n, 2), the initial arrangement; only its shape matters, not its scale.

    Raises:
        EvaluationInterrupted: `should_stop` returned true.
    """
    attraction = affinities(x, min(PERPLEXITY, (len(x) - 1) / 3))
    y = _scaled(start)
    velocity, gains = torch.zeros_like(y), torch.ones_like(y)
    rate = len(x) / RATE
    for step in range(EXAGGERATED_STEPS + STEPS):
        check(should_stop)
        early = step < EXAGGERATED_STEPS
        slope = gradient(y, attraction * EXAGGERATION if early else attraction)
        same_way = slope.sign() == velocity.sign()
        gains = torch.where(same_way, gains * 0.8, gains + 0.2).clamp(min=0.01)
        velocity = velocity * MOMENTUM[not early] - rate * gains * slope
        y = y + velocity
    return y - y.mean(0)


def affinities(x: Tensor, perplexity: float) -> Tensor:
    """The joint probabilities P (n, n) of the rows of `x`: symmetric, of sum 1, 0 on the diagonal (§3.1).

    Each row's Gaussian is as wide as its entropy, log `perplexity`, demands; found by bisection.
    """
    n = len(x)
    distances = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    others = ~torch.eye(n, dtype=torch.bool, device=x.device)
    distances = distances[others].view(n, n - 1)
    # In units of the mean distance, and from the nearest on: rows differ by nothing that overflows.
    distances = distances / distances.mean().clamp(min=torch.finfo(torch.float64).tiny)
    distances = distances - distances.amin(1, keepdim=True)
    low, high = torch.full((2, n, 1), -40.0, dtype=torch.float64, device=x.device).unbind()
    high = high + 80.0  # bounds of the logarithm of the precision
    conditional = torch.empty_like(distances)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        conditional = torch.softmax(-distances * middle.exp(), dim=1)
        too_wide = torch.special.entr(conditional).sum(1, keepdim=True) > log(perplexity)
        low, high = torch.where(too_wide, middle, low), torch.where(too_wide, high, middle)
    joint = torch.zeros(n, n, dtype=torch.float64, device=x.device)
    joint[others] = conditional.flatten()
    return ((joint + joint.mT) / (2 * n)).to(x.dtype)


def gradient(y: Tensor, p: Tensor) -> Tensor:
    """The gradient of KL(P || Q) by `y` (n, 2), eq. 5, without its factor 4.

    Row i is Σ_j (p_ij - q_ij) w_ij (y_i - y_j), where w_ij = 1 / (1 + |y_i - y_j|²) and q_ij = w_ij / Σ w.
    """
    squares = y.square().sum(1)
    w = torch.addmm(squares[:, None] + squares, y, y.mT, alpha=-2).clamp_(min=0).add_(1).reciprocal_()
    w.fill_diagonal_(0)
    pull = (p - w / w.sum()).mul_(w)
    return pull.sum(1, keepdim=True) * y - pull @ y


def _scaled(start: Tensor) -> Tensor:
    """`start` with a small deviation along its first axis, as small as lets all points feel each other."""
    centred = start - start.mean(0)
    return centred * (START_DEVIATION / centred[:, 0].std().clamp(min=torch.finfo(start.dtype).tiny))
