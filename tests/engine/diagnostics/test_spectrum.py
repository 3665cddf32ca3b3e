"""Spectra of known covariances, by hand and against the singular values; nothing bad raises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.spectrum import (
    condition_number,
    covariance_spectrum,
    effective_rank,
    fit_ranks,
    participation_ratio,
    power_law,
    rankme,
    stable_rank,
)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def spectrum_of(x: Tensor) -> Tensor:
    spectrum = covariance_spectrum(x)
    assert spectrum is not None
    return spectrum


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (2, 30, 5), (3, 2, 7, 9)])
def test_it_is_the_squared_singular_values_of_the_centred_samples(shape: tuple[int, ...]) -> None:
    x = noise(*shape) * torch.arange(1, shape[-1] + 1) + 3
    exact = x.double()
    expected = torch.linalg.svdvals(exact - exact.mean(-2, keepdim=True)).square() / (shape[-2] - 1)
    spectrum = spectrum_of(x)
    assert spectrum.shape == (*shape[:-2], min(shape[-2] - 1, shape[-1]))
    torch.testing.assert_close(spectrum, expected[..., : spectrum.shape[-1]], rtol=1e-9, atol=1e-12)


def test_half_precision_embeddings_are_measured_in_full() -> None:
    x = noise(64, 8, dtype=torch.bfloat16)
    assert torch.equal(spectrum_of(x), spectrum_of(x.double()))


def test_the_effective_rank_of_equal_eigenvalues_is_their_number() -> None:
    assert effective_rank(torch.tensor([2.0, 2.0, 2.0, 0.0])).item() == pytest.approx(3)
    assert effective_rank(torch.tensor([5.0, 0.0, 0.0])).item() == pytest.approx(1)


def test_the_effective_rank_is_the_exponential_of_the_entropy() -> None:
    assert effective_rank(torch.tensor([3.0, 1.0], dtype=torch.float64)).item() == pytest.approx(
        math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    )


def test_it_depends_neither_on_scale_nor_on_rotation() -> None:
    x = noise(200, 5, dtype=torch.float64) * torch.tensor([1, 2, 3, 4, 5])
    rotation, _ = torch.linalg.qr(noise(5, 5, seed=1, dtype=torch.float64))
    torch.testing.assert_close(
        effective_rank(spectrum_of(x)), effective_rank(spectrum_of(1e-3 * x @ rotation))
    )


@pytest.mark.parametrize("value", [0.0, 1.0, -3e8, 1e-30])
def test_embeddings_that_are_all_the_same_have_rank_0_and_no_condition(value: float) -> None:
    spectrum = spectrum_of(torch.full((2, 16, 4), value))
    assert spectrum.count_nonzero() == 0
    assert effective_rank(spectrum).tolist() == [0, 0]
    assert condition_number(spectrum).isnan().all()


def test_the_rounding_of_a_constant_is_no_rank() -> None:
    collapsed = 0.37 + 5e-8 * noise(256, 32)
    assert collapsed.std() > 0
    assert effective_rank(spectrum_of(collapsed)).item() == 0
    assert effective_rank(spectrum_of(5e-8 * noise(256, 32))).item() > 25  # small, and not collapsed


def test_the_condition_number_is_the_ratio_of_the_extremes() -> None:
    spectra = torch.tensor([[8.0, 4.0, 2.0], [5.0, 5.0, 5.0]], dtype=torch.float64)
    assert condition_number(spectra).tolist() == [4, 1]


def test_a_dimension_too_many_is_as_good_as_singular() -> None:
    x = noise(50, 4)
    number = condition_number(spectrum_of(torch.cat([x, x[:, :1]], dim=1))).item()
    assert 1e12 < number <= 1 / torch.finfo(torch.float64).eps * (1 + 1e-9)


@pytest.mark.parametrize(
    "x",
    [
        torch.full((8, 3), math.nan),
        torch.tensor([[1.0, math.inf], [2.0, 3.0]]),
        torch.tensor([[1e200, 0.0], [0.0, 1e200]], dtype=torch.float64),
        torch.zeros(1, 4),
        torch.zeros(0, 4),
        torch.zeros(4, 0),
    ],
)
def test_what_has_no_covariance_has_no_spectrum(x: Tensor) -> None:
    assert covariance_spectrum(x) is None


def test_what_is_not_centred_is_the_squared_singular_values() -> None:
    for shape in ((40, 6), (6, 40)):
        x = noise(*shape, dtype=torch.float64) + 2
        spectrum = covariance_spectrum(x, centred=False)
        assert spectrum is not None
        torch.testing.assert_close(spectrum, torch.linalg.svdvals(x).square() / shape[0])


def test_rankme_is_the_exponential_of_the_entropy_of_singular_values() -> None:
    x = noise(30, 5, dtype=torch.float64) * torch.tensor([5.0, 3, 1, 1, 0.1]) + 1
    spectrum = covariance_spectrum(x, centred=False)
    assert spectrum is not None
    singular = torch.linalg.svdvals(x).tolist()
    shares = [value / sum(singular) + 1e-7 for value in singular]
    assert rankme(spectrum).item() == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))
    assert rankme(torch.tensor([4.0, 4.0, 4.0])).item() == pytest.approx(3, rel=1e-5)
    assert rankme(torch.tensor([9.0, 0.0, 0.0])).item() == pytest.approx(1, rel=1e-4)
    assert rankme(torch.zeros(3)).isnan()


def test_ratios_of_a_spectrum_by_hand() -> None:
    spectrum = torch.tensor([[4.0, 2.0, 2.0], [1.0, 1.0, 1.0], [7.0, 0.0, 0.0]])
    assert participation_ratio(spectrum).tolist() == pytest.approx([64 / 24, 3, 1])
    assert stable_rank(spectrum).tolist() == pytest.approx([2, 3, 1])
    assert participation_ratio(torch.zeros(3)).isnan()
    assert stable_rank(torch.zeros(3)).isnan()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 3.0])
def test_alpha_is_the_exponent_of_a_power_law(alpha: float) -> None:
    spectrum = 7 * torch.arange(1, 129, dtype=torch.float64) ** -alpha
    assert power_law(spectrum).item() == pytest.approx(alpha, abs=1e-9)


def test_alpha_is_fitted_over_its_ranks_alone() -> None:
    assert [fit_ranks(ranks) for ranks in (512, 64, 32, 8, 3)] == [
        (11, 100),
        (11, 64),
        (9, 32),
        (3, 8),
        (1, 3),
    ]
    spectrum = torch.arange(1, 129, dtype=torch.float64) ** -1.0
    spectrum[:10], spectrum[100:] = 1e9, 1e-9
    assert power_law(spectrum).item() == pytest.approx(1)
    x = torch.arange(11, 101).log().numpy()
    noisy = spectrum[10:100] * noise(90, dtype=torch.float64).mul(0.1).exp()
    slope = np.polyfit(x, noisy.log().numpy(), 1)[0]
    spectrum[10:100] = noisy
    assert power_law(spectrum).item() == pytest.approx(-slope)


def test_alpha_of_too_few_or_of_nothing_is_nan() -> None:
    assert power_law(torch.tensor([2.0, 1.0])).isnan()
    assert power_law(torch.tensor([2.0, 1.0, 0.0, 0.0])).isnan()
