"""Spectra of known covariances, by hand and against the singular values; nothing bad raises."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.spectrum import condition_number, covariance_spectrum, effective_rank


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


def test_half_precision_embeddings_are_looked_at_in_full() -> None:
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
    assert effective_rank(spectrum_of(5e-8 * noise(256, 32))).item() > 25  # small, and alive


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
