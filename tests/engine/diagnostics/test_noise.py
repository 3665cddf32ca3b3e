"""The effective rank of noise: the closed formula against draws, and its limits."""

from __future__ import annotations

import math

import pytest
import torch

from wmse_tui.engine.diagnostics.noise import (
    noise_correlation,
    noise_effective_rank,
    noise_participation_ratio,
    noise_power_law,
    noise_rankme,
    noise_stable_rank,
)
from wmse_tui.engine.diagnostics.quantities import mean_correlation
from wmse_tui.engine.diagnostics.spectrum import (
    covariance_spectrum,
    effective_rank,
    participation_ratio,
    power_law,
    rankme,
    stable_rank,
)


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


def test_fewer_than_two_samples_have_no_expectation() -> None:
    assert noise_effective_rank(1, 8) is None
    assert noise_effective_rank(0, 8) is None
    assert noise_effective_rank(8, 0) is None


def test_it_never_leaves_the_possible() -> None:
    for samples in range(2, 40):
        for dim in range(1, 40):
            rank = noise_effective_rank(samples, dim)
            assert rank is not None
            assert 1 <= rank <= min(samples - 1, dim)


@pytest.mark.parametrize(("samples", "dim", "within"), [(256, 32, 0.01), (64, 128, 0.02), (256, 256, 0.02)])
def test_the_other_numbers_are_what_draws_of_noise_show(samples: int, dim: int, within: float) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(20, samples, dim, generator=generator, dtype=torch.float64)
    centred, raw = covariance_spectrum(x), covariance_spectrum(x, centred=False)
    assert centred is not None
    assert raw is not None
    for expected, drawn in (
        (noise_rankme(samples, dim), rankme(raw)),
        (noise_participation_ratio(samples, dim), participation_ratio(centred)),
        (noise_stable_rank(samples, dim), stable_rank(centred)),
        (noise_stable_rank(samples, dim, centred=False), stable_rank(raw)),
        (noise_correlation(samples), mean_correlation(x)),
    ):
        assert expected == pytest.approx(drawn.mean().item(), rel=within)
    assert noise_power_law(samples, dim) == pytest.approx(power_law(centred).mean().item(), rel=4 * within)


@pytest.mark.parametrize(
    ("samples", "dim", "measured"),
    [
        (1024, 128, (125.9, 113.8, 70.5, 0.39)),
        (1024, 512, (474, 340, 176, 0.21)),
        (5000, 2048, (1931, 1452, 767, 0.07)),
    ],
)
def test_they_agree_with_single_draws_of_the_sizes_of_the_papers(
    samples: int, dim: int, measured: tuple[float, ...]
) -> None:
    expected = (
        noise_rankme(samples, dim),
        noise_participation_ratio(samples, dim),
        noise_stable_rank(samples, dim),
    )
    assert expected == pytest.approx(measured[:3], rel=0.02)
    assert noise_power_law(samples, dim) == pytest.approx(measured[3], abs=0.01)


def test_the_correlation_of_noise_tends_to_its_known_limit() -> None:
    assert noise_correlation(2) == pytest.approx(1)
    assert noise_correlation(10_000) == pytest.approx(math.sqrt(2 / (math.pi * 10_000)), rel=1e-3)


def test_the_smallest_sizes_have_possible_values() -> None:
    for samples in range(3, 12):
        for dim in range(1, 12):
            ranks = min(samples, dim)
            assert 1 <= noise_stable_rank(samples, dim) <= max(samples, dim)
            assert 0.9 <= noise_rankme(samples, dim) <= ranks + 1e-3
            assert 1 <= noise_participation_ratio(samples, dim) <= ranks + 1e-9
