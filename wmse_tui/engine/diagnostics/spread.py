"""How embeddings spread over their dimensions: deviation after normalisation, and correlation."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

DIMENSIONS = 1024
"""Correlations are told of so many dimensions at most, evenly picked: their number grows with the square."""


def feature_std(x: Tensor) -> Tensor:
    """The spread of the directions of `x` (..., samples, dim): 1 if isotropic, 0 where all are the same.

    Each embedding is brought to length 1; then the mean over dimensions of the standard deviation over
    samples, times √dim (SimSiam, Chen and He 2021, without the factor, says 1 / √dim for isotropic ones).
    """
    directions = normalize(x.detach().to("cpu", torch.float64), dim=-1)
    return directions.std(-2).mean(-1) * math.sqrt(x.shape[-1])


def standard_deviation(x: Tensor) -> Tensor:
    """The mean over dimensions of the standard deviation over the samples of `x` (..., samples, dim).

    As Kalapos and Gyires-Tóth (2024) tell it: of the embeddings as they are, so it depends on their scale.
    """
    return x.detach().to("cpu", torch.float64).std(-2).mean(-1)


def mean_correlation(x: Tensor) -> Tensor:
    """The mean absolute correlation of two different dimensions of `x` (..., samples, dim).

    √(2 / (π samples)) for independent dimensions, 1 on a line. Dimensions that are constant have no
    correlation and are left out; NaN where fewer than two are left.
    """
    dim = x.shape[-1]
    if dim > DIMENSIONS:
        x = x[..., torch.linspace(0, dim - 1, DIMENSIONS).round().long().to(x.device)]
    exact = x.detach().to("cpu", torch.float64)
    centred = exact - exact.mean(-2, keepdim=True)
    length = centred.square().sum(-2, keepdim=True).sqrt()
    alive = length > 0
    columns = (centred / length.where(alive, 1.0)).float()
    count = alive.squeeze(-2).sum(-1)
    total = (columns.mT @ columns).abs().sum((-2, -1)) - count  # less the diagonal of ones
    return total / (count * (count - 1)).where(count > 1, torch.nan)
