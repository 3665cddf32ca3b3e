"""One event of embeddings: views by themselves, slices where there are some, sizes within bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from wmse_tui.config.figures import expected_condition_number
from wmse_tui.engine.diagnostics import sample
from wmse_tui.engine.diagnostics.sample import RANKS, SAMPLES, sample_diagnostics
from wmse_tui.engine.whitening import whiten
from wmse_tui.runs.log.encoding import decode, encode
from wmse_tui.runs.log.events import VERSION, Diagnostics, Record

MEASURED = (
    *("effective_rank", "condition_number", "smallest_pivot", "feature_std", "mean_correlation", "rankme"),
    *("stable_rank", "participation_ratio", "anisotropy", "standard_deviation", "alpha", "alignment"),
    *("uniformity", "contrastive_accuracy"),
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sampled(x: Tensor, **options: object) -> Diagnostics:
    return sample_diagnostics(x, space="projector", step=7, epoch=2, **options)  # type: ignore[arg-type]


def test_noise_is_as_healthy_as_its_sizes_allow() -> None:
    event = sampled(noise(2, 256, 32))
    assert (event.step, event.epoch, event.space, event.samples, event.dim) == (7, 2, "projector", 256, 32)
    assert len(event.spectrum) == 32
    assert list(event.spectrum) == sorted(event.spectrum, reverse=True)
    assert sum(event.spectrum) == pytest.approx(32, rel=0.05)
    assert event.effective_rank == pytest.approx(event.effective_rank_null, rel=0.01)
    assert event.condition_number == pytest.approx(expected_condition_number(32, 256), rel=0.3)
    assert event.feature_std == pytest.approx(1, rel=0.02)
    assert event.mean_correlation == pytest.approx(math.sqrt(2 / (math.pi * 256)), rel=0.1)
    assert event.smallest_pivot is None
    assert event.seconds > 0


def test_each_view_is_measured_by_itself_and_the_mean_is_reported() -> None:
    views = torch.stack([noise(100, 8), 5 + 3 * noise(100, 8, seed=1) @ noise(8, 8, seed=2)])
    both, one, other = sampled(views), sampled(views[:1]), sampled(views[1:])
    for name in ("effective_rank", "feature_std", "mean_correlation"):
        mean = (getattr(one, name) + getattr(other, name)) / 2
        assert getattr(both, name) == pytest.approx(mean, rel=1e-6), name
    assert both.spectrum[0] == pytest.approx((one.spectrum[0] + other.spectrum[0]) / 2, rel=1e-3)


def test_condition_and_pivot_are_those_of_the_slices_that_the_loss_whitens() -> None:
    views = noise(2, 64, 8)
    slices = views.view(2, 1, 4, 16, 8)
    covariances = [torch.cov(x.double().T) for x in slices.flatten(0, 2)]
    conditions = sorted(float(torch.linalg.cond(covariance)) for covariance in covariances)
    pivots = [torch.linalg.cholesky(covariance).diagonal().square() for covariance in covariances]
    event = sampled(views, slices=slices)
    assert event.condition_number == pytest.approx(conditions[3], rel=1e-6)  # the lower median of 8
    assert event.smallest_pivot == pytest.approx(min(float(p.min() / p.max()) for p in pivots), rel=1e-3)


def test_of_many_slices_some_conditions_are_computed_and_all_pivots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SLICES", 4)
    slices = noise(1, 1, 10, 16, 4)
    slices[0, 0, 1, :, 3] *= 1e-3  # the second of ten is not among the four
    event = sampled(slices.view(1, 160, 4), slices=slices)
    assert event.condition_number is not None
    assert event.condition_number < 1e3
    assert event.smallest_pivot is not None
    assert event.smallest_pivot < 1e-5


def test_fewer_samples_than_dimensions_have_no_condition_and_a_short_spectrum() -> None:
    event = sampled(noise(2, 20, 64))
    assert len(event.spectrum) == 19
    assert event.condition_number is None
    assert event.effective_rank == pytest.approx(event.effective_rank_null, rel=0.03)


def test_a_long_spectrum_is_thinned_from_the_largest_to_the_smallest() -> None:
    event, exact = (
        sampled(noise(1, 600, 200)),
        torch.linalg.eigvalsh(torch.cov(noise(1, 600, 200)[0].double().T)),
    )
    assert len(event.spectrum) == RANKS
    assert event.spectrum[0] == pytest.approx(exact[-1].item(), rel=1e-3)
    assert event.spectrum[-1] == pytest.approx(exact[0].item(), rel=1e-3)


def test_of_many_samples_of_many_dimensions_some_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SAMPLES", 32)
    assert sampled(noise(1, 50, 40)).samples == 32
    assert sampled(noise(1, 50, 20)).samples == 50
    assert SAMPLES == 1024


@pytest.mark.parametrize(
    "bad",
    [
        torch.full((2, 16, 4), math.nan),
        torch.full((2, 16, 4), math.inf),
        torch.full((2, 16, 4), 1e200, dtype=torch.float64) * torch.tensor([-1.0, 1.0]).repeat(8)[:, None],
        torch.zeros(2, 1, 4),
    ],
    ids=["nan", "inf", "overflow", "one sample"],
)
def test_what_cannot_be_measured_is_none_and_can_be_written(bad: Tensor) -> None:
    event = sampled(bad)
    assert [getattr(event, name) for name in MEASURED] == [None] * len(MEASURED)
    assert event.spectrum == ()
    assert decode(encode(Record(VERSION, 1, 0.0, 1, event))).event is not None
    if not bad.isfinite().all():
        assert sampled(bad, slices=bad.view(2, 1, 2, 8, 4)).smallest_pivot is None


def test_a_collapsed_space_has_rank_0_and_no_spread() -> None:
    collapsed = torch.full((2, 64, 8), 0.25)
    event = sampled(collapsed, slices=collapsed.view(2, 1, 4, 16, 8))
    assert (event.effective_rank, event.feature_std, event.smallest_pivot) == (0, 0, 0)
    assert (event.condition_number, event.mean_correlation) == (None, None)
    assert set(event.spectrum) == {0}


def test_a_line_has_rank_1() -> None:
    event = sampled(noise(1, 64, 1) * torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert event.effective_rank == pytest.approx(1, abs=1e-3)
    assert event.mean_correlation == pytest.approx(1)
    assert event.condition_number is not None
    assert event.condition_number > 1e12


def test_it_leaves_embeddings_random_state_and_autocast_alone() -> None:
    x = noise(2, 64, 8).requires_grad_()
    state, before = torch.get_rng_state(), x.detach().clone()
    plain = sampled(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = sampled(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x.detach(), before)
    assert replace(plain, seconds=0.0) == replace(inside, seconds=0.0)


def test_noise_agrees_with_its_own_nulls() -> None:
    event = sampled(noise(2, 256, 32))
    nulls = dict(event.nulls)
    for name, within in (
        ("rankme", 0.01),
        ("stable_rank", 0.05),
        ("participation_ratio", 0.03),
        ("anisotropy", 0.05),
        ("alpha", 0.1),
        ("mean_correlation", 0.05),
        ("feature_std", 0.02),
        ("alignment", 0.05),
        ("uniformity", 0.01),
        ("condition_number", 0.3),
    ):
        assert getattr(event, name) == pytest.approx(nulls[name], rel=within), name
    assert nulls["contrastive_accuracy"] == 1 / 256
    assert event.alpha_ranks == (9, 32)
    assert event.standard_deviation == pytest.approx(1, rel=0.02)
    assert (event.whiteness_error, event.lidar) == (None, None)
    assert {"lidar", "whiteness_error"}.isdisjoint(nulls)


def test_a_mean_changes_the_quantities_that_are_not_centred() -> None:
    x = noise(1, 200, 16)
    far = x + 50
    assert sampled(far).anisotropy == pytest.approx(1, abs=1e-2)
    assert sampled(far).rankme == pytest.approx(1, abs=0.7)
    assert sampled(far).stable_rank == pytest.approx(sampled(x).stable_rank, rel=1e-4)


def test_whiteness_has_the_null_of_its_kind_of_whitening() -> None:
    x = noise(2, 128, 8) @ noise(8, 8, seed=1)
    own = sampled(x, whitened=whiten(x, operator="zca"))
    assert own.whiteness_error == pytest.approx(0, abs=1e-4)
    assert dict(own.nulls)["whiteness_error"] == 0
    other = sampled(x, whitened=noise(2, 128, 8, seed=3), running=True)
    assert other.whiteness_error == pytest.approx(dict(other.nulls)["whiteness_error"], rel=0.2)
    few = noise(1, 5, 8)
    short = sampled(few, whitened=whiten(few, operator="iterative", steps=12))
    assert short.whiteness_error == pytest.approx(dict(short.nulls)["whiteness_error"], rel=1e-2)


def test_lidar_is_passed_on_with_its_null() -> None:
    event = sampled(noise(1, 20, 4), lidar=(3.5, 3.9))
    assert (event.lidar, dict(event.nulls)["lidar"]) == (3.5, 3.9)


def test_one_view_has_neither_pairs_nor_nulls_for_them() -> None:
    event = sampled(noise(1, 64, 8))
    assert (event.alignment, event.contrastive_accuracy) == (None, None)
    assert event.uniformity is not None
    assert {"alignment", "contrastive_accuracy"}.isdisjoint(dict(event.nulls))
