"""The effective rank of noise: the closed formula against draws, and its limits."""

from __future__ import annotations

import math

import pytest
import torch

from wmse_tui.engine.diagnostics.noise import noise_effective_rank
from wmse_tui.engine.diagnostics.spectrum import covariance_spectrum, effective_rank


def drawn(samples: int, dim: int, draws: int) -> float:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(draws, samples, dim, generator=generator, dtype=torch.float64)
    spectrum = covariance_spectrum(x)
    assert spectrum is not None
    return effective_rank(spectrum).mean().item()


@pytest.mark.parametrize(
    ("samples", "dim", "draws", "within"),
    [
        (256, 32, 400, 1e-3),
        (1024, 64, 60, 1e-3),
        (64, 32, 800, 2e-3),
        (33, 32, 800, 3e-3),
        (64, 200, 100, 2e-3),
        (17, 4, 4000, 1e-2),
        (5, 4, 4000, 3e-2),
        (8, 2, 4000, 2e-2),
    ],
)
def test_it_is_what_draws_of_noise_show(samples: int, dim: int, draws: int, within: float) -> None:
    assert noise_effective_rank(samples, dim) == pytest.approx(drawn(samples, dim, draws), rel=within)


def test_many_samples_show_every_dimension() -> None:
    assert noise_effective_rank(10**9, 128) == pytest.approx(128, rel=1e-6)


@pytest.mark.parametrize(("samples", "dim"), [(1024, 512), (5000, 2048)])
def test_to_first_order_it_is_the_law_of_marchenko_and_pastur(samples: int, dim: int) -> None:
    assert noise_effective_rank(samples, dim) == pytest.approx(
        dim * math.exp(-dim / (2 * (samples - 1))), rel=1e-3
    )


@pytest.mark.parametrize("other", [1, 2, 9, 1000])
def test_one_direction_is_rank_1(other: int) -> None:
    assert noise_effective_rank(2, other) == 1
    assert noise_effective_rank(other + 1, 1) == 1


def test_fewer_than_two_samples_tell_nothing() -> None:
    assert noise_effective_rank(1, 8) is None
    assert noise_effective_rank(0, 8) is None
    assert noise_effective_rank(8, 0) is None


def test_it_never_leaves_the_possible() -> None:
    for samples in range(2, 40):
        for dim in range(1, 40):
            rank = noise_effective_rank(samples, dim)
            assert rank is not None
            assert 1 <= rank <= min(samples - 1, dim)
