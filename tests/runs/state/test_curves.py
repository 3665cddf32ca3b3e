"""Curves: what a chart is given of a run, by epoch, step and hours, whole or recent, and what is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from events import attempt, diagnostics, evaluation
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.log.events import (
    Diagnostics,
    Event,
    Exit,
    Phase,
    Record,
    Steps,
)
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.curves import QUANTITIES, Curve, curve, extent, reference
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.series import Series

HOUR = 3600.0


def sample(step: int, rank: float | None, space: str = "projector", **numbers: float) -> Diagnostics:
    fields: dict[str, Any] = {"condition_number": None, "smallest_pivot": None, "feature_std": 0.5} | numbers
    return diagnostics(step, space, epoch=step // 4, effective_rank=rank, **fields)


def state_after(*events: tuple[float, Event], number: int = 1, state: RunState | None = None) -> RunState:
    """The state after events, each at its time in hours."""
    state = state or RunState()
    records = [Record(1, state.seq + i, t * HOUR, number, event) for i, (t, event) in enumerate(events, 1)]
    return fold(state, records)


def steps(first: int, *loss: float | None, lr: float = 0.1, speed: float | None = None) -> Steps:
    return Steps(first, loss, (lr,) * len(loss), images_per_second=speed)


RUN = state_after(
    (0.0, attempt()),
    (0.5, evaluation(0, 0, knn=0.1)),
    (1.0, steps(1, 4.0, 3.0, None, 2.0, speed=50.0)),
    (1.5, sample(4, 20.0, condition_number=100.0)),
    (1.5, sample(4, 5.0, "encoder")),
    (2.0, steps(5, 1.0, 2.0, 3.0, 4.0, lr=0.01, speed=150.0)),
    (3.0, evaluation(2, 8, knn=0.5, linear=0.6)),
)


def test_the_loss_of_few_steps_is_every_step() -> None:
    drawn = curve(RUN, "loss", axis="step")
    assert drawn == Curve(
        label="Loss",
        x=(1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0),
        y=(4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0),
        low=(4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0),
        high=(4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0),
        marks=(3.0,),
        evaluated=(0.0, 8.0),
    )
    assert curve(RUN, "loss", label="mine").label == "mine"


def test_the_axis_counts_epochs_or_the_hours_of_the_trainer() -> None:
    assert curve(RUN, "loss").x == (0.25, 0.5, 1.0, 1.25, 1.5, 1.75, 2.0)
    assert curve(RUN, "loss", axis="hours").x == pytest.approx((0.25, 0.5, 1.0, 1.25, 1.5, 1.75, 2.0))
    assert curve(RUN, "knn").x == (0.0, 2.0)
    assert curve(RUN, "knn", axis="hours").x == (0.0, 2.0)


def test_hours_leave_out_the_time_between_two_attempts() -> None:
    resumed = state_after((100.0, attempt(8)), (101.0, steps(9, 1.0)), number=2, state=RUN)
    assert curve(resumed, "lr", axis="hours").x == pytest.approx((0.25, 1.0, 1.25, 2.0, 4.0))
    assert extent(resumed, "hours")[1] >= 4.0


def test_many_steps_are_buckets_with_their_extremes() -> None:
    state = replace(RUN, loss=Series.EMPTY.extended(1, [float(n % 2) for n in range(8)]), step=8)
    drawn = curve(state, "loss", axis="step", columns=2)
    assert drawn.x == (2.5, 6.5)
    assert (drawn.y, drawn.low, drawn.high, drawn.marks) == ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0), ())


def test_buckets_with_a_missing_value_and_those_of_none_are_marked_where_they_are() -> None:
    loss = Series.EMPTY.extended(1, [1.0, 1.0, None, 1.0, None, None, 1.0])
    drawn = curve(replace(RUN, loss=loss, step=7), "loss", axis="step", columns=4)
    assert (drawn.x, drawn.marks) == ((1.5, 3.5, 7.0), (3.5, 5.5))


def test_a_series_without_a_finite_value_is_all_marks() -> None:
    drawn = curve(replace(RUN, loss=Series.EMPTY.extended(1, [None, math.inf]), step=2), "loss", axis="step")
    assert (drawn.x, drawn.y, drawn.marks) == ((), (), (1.0, 2.0))


@pytest.mark.parametrize("axis", ["epoch", "step", "hours"])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_nothing_yet_is_an_empty_curve_and_an_extent(quantity: str, axis: Any) -> None:
    for state in (RunState(), state_after((0.0, attempt()))):
        drawn = curve(state, quantity, axis=axis, window=extent(state, axis, recent=0.5), smoothing=0.9)
        assert (drawn.x, drawn.y, drawn.marks) == ((), (), ())
        low, high = extent(state, axis)
        assert low == 0.0 < high


def test_the_recent_part_is_a_share_of_the_way_on_the_axis() -> None:
    assert curve(RUN, "loss", axis="step", window=extent(RUN, "step", recent=0.5)).x == (
        4.0,
        5.0,
        6.0,
        7.0,
        8.0,
    )
    assert extent(RUN, "step", recent=0.5) == (4.0, 8.0)
    assert curve(RUN, "loss", axis="hours", window=extent(RUN, "hours", recent=0.25)).x == pytest.approx(
        (1.5, 1.75, 2.0)
    )
    assert extent(RUN, "hours", recent=0.25) == pytest.approx((1.5, 2.0))
    assert curve(RUN, "knn", window=extent(RUN, "epoch", recent=0.5)).y == (0.5,)
    assert curve(RUN, "lr", axis="step", window=extent(RUN, "step", recent=0.2)).x == (8.0,)
    assert curve(RUN, "images_per_second", axis="step", window=extent(RUN, "step", recent=0.2)).y == (150.0,)


def test_the_whole_way_is_the_recent_part_of_one() -> None:
    for quantity in QUANTITIES:
        assert curve(RUN, quantity, window=extent(RUN, "epoch", recent=1.0)) == curve(RUN, quantity)


def test_smoothing_begins_without_a_past_and_leaves_the_extremes() -> None:
    drawn = curve(RUN, "loss", smoothing=0.5)
    plain = curve(RUN, "loss")
    assert drawn.y[0] == 4.0
    assert drawn.y[1] == pytest.approx((0.5 * 4.0 + 1.0 * 3.0) / 1.5)
    assert (drawn.low, drawn.high, drawn.x, drawn.marks) == (plain.low, plain.high, plain.x, plain.marks)
    assert curve(RUN, "loss", smoothing=0.0) == plain
    assert curve(RUN, "knn", smoothing=0.9) == curve(RUN, "knn")


@given(st.floats(0.01, 0.99), st.floats(-10, 10))
def test_a_constant_loss_stays_constant_under_any_smoothing(weight: float, value: float) -> None:
    state = replace(RUN, loss=Series.EMPTY.extended(1, [value] * 50), step=50)
    assert curve(state, "loss", smoothing=weight).y == pytest.approx((value,) * 50)


def test_accuracies_are_points_where_they_were_measured() -> None:
    assert curve(RUN, "knn") == Curve(label="k-NN accuracy", x=(0.0, 2.0), y=(0.1, 0.5), points=True)
    assert curve(RUN, "linear") == Curve(label="Linear accuracy", x=(2.0,), y=(0.6,), points=True)


def test_rate_and_throughput_follow_the_reports() -> None:
    assert curve(RUN, "lr", axis="step") == Curve(
        label="Learning rate", x=(1.0, 4.0, 5.0, 8.0), y=(0.1, 0.1, 0.01, 0.01), evaluated=(0.0, 8.0)
    )
    speed = curve(RUN, "images_per_second", axis="step")
    assert (speed.x, speed.y, speed.low) == ((4.0, 8.0), (50.0, 150.0), ())
    few = curve(RUN, "images_per_second", axis="step", columns=1)
    assert (few.x, few.y) == ((6.0,), (100.0,))


def test_diagnostics_are_curves_by_space_and_unknown_numbers_are_marked() -> None:
    state = state_after((4.0, sample(8, None)), state=RUN)
    rank = curve(state, "effective_rank")
    assert (rank.x, rank.y, rank.marks, rank.points) == ((1.0,), (20.0,), (2.0,), True)
    assert curve(state, "effective_rank", space="encoder").y == (5.0,)
    pivot = curve(state, "smallest_pivot")
    assert (pivot.y, pivot.marks) == ((), ()), "a loss without factorisations misses none"


def test_the_axis_extends_to_the_planned_end() -> None:
    assert extent(RUN, "epoch") == (0.0, 10.0)
    assert extent(RUN, "step") == (0.0, 40.0)
    assert extent(RunState(summary=ConfigSummary(epochs=7)), "epoch") == (0.0, 7.0)


def test_hours_extend_to_a_round_number_beyond_the_expected_end_and_stand_still() -> None:
    training = state_after(
        (0.0, attempt()), (0.1, Phase("train")), (1.0, steps(1, 1.0)), (2.0, steps(2, 1.0))
    )
    assert training.seconds_left == 38 * HOUR
    assert extent(training, "hours") == (0.0, 40.0)
    later = state_after((3.01, steps(3, 1.0)), state=training)
    assert extent(later, "hours") == (0.0, 50.0)
    ended = state_after((3.2, Exit(status="stopped", step=3, epoch=0, seconds=1.0)), state=later)
    assert extent(replace(ended, status="stopped"), "hours") == (0.0, 4.0)


def test_values_that_mean_something_are_reference_lines() -> None:
    about = ConfigSummary(method="w_mse", normalize=True, whitening_size=128, batch_size=512)
    assert reference(replace(RUN, summary=about)) == ((2.0, "no structure"),)
    assert reference(replace(RUN, summary=replace(about, normalize=False))) == ()
    simclr = replace(RUN, summary=ConfigSummary(method="simclr", batch_size=256))
    assert reference(simclr) == ((math.log(511), "no structure"),)
    assert reference(replace(RUN, summary=ConfigSummary(method="byol", batch_size=256))) == ()
    assert reference(RUN, "effective_rank") == ((56.0, "isotropic noise"),)
    assert reference(RUN, "feature_std") == ((1.0, "evenly spread"),)
    (floor,) = reference(replace(RUN, summary=about), "condition_number")
    assert (round(floor[0], 1), floor[1]) == (34.7, "isotropic noise")
    assert reference(replace(RUN, summary=about), "condition_number", space="encoder") == ()
    assert reference(simclr, "condition_number") == ()
    assert reference(RunState(), "effective_rank") == ()
    assert reference(RUN, "lr") == ()


@given(
    losses=st.lists(st.none() | st.floats(-1e3, 1e3), min_size=1, max_size=300),
    columns=st.integers(2, 40),
    recent=st.none() | st.floats(0, 1),
    axis=st.sampled_from(["epoch", "step", "hours"]),
)
def test_a_curve_rises_on_x_and_keeps_to_its_columns_and_extremes(
    losses: list[float | None], columns: int, recent: float | None, axis: Any
) -> None:
    state = state_after((0.0, attempt()), *((n / 10, steps(1 + n, value)) for n, value in enumerate(losses)))
    drawn = curve(state, "loss", axis=axis, columns=columns, window=extent(state, axis, recent=recent))
    assert len(drawn.x) == len(drawn.y) == len(drawn.low) == len(drawn.high) <= columns
    assert list(drawn.x) == sorted(drawn.x)
    for low, middle, high in zip(drawn.low, drawn.y, drawn.high, strict=True):
        assert low - 1e-9 <= middle <= high + 1e-9


def test_more_points_than_columns_are_groups_with_their_extremes() -> None:
    state = state_after((0.0, attempt()), *((step / 10, sample(step, float(step % 2))) for step in range(40)))
    drawn = curve(state, "effective_rank", axis="step", columns=4)
    assert (drawn.x, drawn.points) == ((4.5, 14.5, 24.5, 34.5), False)
    assert (drawn.y, drawn.low, drawn.high) == ((0.5,) * 4, (0.0,) * 4, (1.0,) * 4)
    assert len(curve(state, "effective_rank", axis="step", columns=40).x) == 40


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_window_holds_what_is_between_its_ends_and_no_more(quantity: str) -> None:
    for axis in ("epoch", "step", "hours"):
        whole = curve(RUN, quantity, axis=axis)
        low, high = extent(RUN, axis)
        part = low + 0.25 * (high - low), low + 0.75 * (high - low)
        drawn = curve(RUN, quantity, axis=axis, window=part)
        assert len(drawn.x) <= len(whole.x)
        assert all(part[0] - 0.26 * high <= x <= part[1] + 0.26 * high for x in drawn.x)


def test_a_window_in_the_middle_is_drawn_as_finely_as_there_are_columns() -> None:
    state = state_after((0.0, attempt()), *((n / 10, steps(1 + n, float(n))) for n in range(300)))
    assert len(curve(state, "loss", axis="step", columns=20).x) < 20
    assert len(curve(state, "loss", axis="step", columns=20, window=(100.0, 115.0)).x) == 16
