"""Embeddings for golden values: the same numbers on every machine and with every version of torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


def _noise(seed: int, batch: int, dim: int) -> Tensor:
    """A 31-bit linear congruential sequence, mapped to [-0.5, 0.5)."""
    state, values = seed, []
    for _ in range(batch * dim):
        state = (1_103_515_245 * state + 12_345) & 0x7FFF_FFFF
        values.append(state / 2**31 - 0.5)
    return torch.tensor(values, dtype=torch.float64).view(batch, dim)


def _embeddings(views: int, batch: int, dim: int) -> Tensor:
    """(views, batch, dim): what the views share, and half as much of each view's own."""
    shared = _noise(1, batch, dim)
    return torch.stack([shared + 0.5 * _noise(2 + view, batch, dim) for view in range(views)])


@pytest.fixture
def golden_embeddings() -> Callable[[int, int, int], Tensor]:
    """(views, batch, dim) -> float64 embeddings made of integers."""
    return _embeddings
