"""A sparse series: what was recorded is found again, at any step, and a cut leaves no trace."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.state.sparse_series import SparseSeries

MANY: tuple[tuple[float, float], ...] = tuple(
    (step, step / 2) for step in range(10, 40_000, 10)
)  # more than seven chunks of knots


def track(knots: tuple[tuple[float, float], ...]) -> SparseSeries:
    return SparseSeries.EMPTY.extended(0, [number for knot in knots for number in knot])


def test_an_empty_track_tells_nothing() -> None:
    assert (
        len(SparseSeries.EMPTY),
        SparseSeries.EMPTY.last,
        SparseSeries.EMPTY.last_step,
        SparseSeries.EMPTY.at(5),
    ) == (
        0,
        None,
        0,
        None,
    )
    assert SparseSeries.EMPTY.truncated(3) is SparseSeries.EMPTY
    assert SparseSeries.EMPTY.picked(10) == ()
    assert SparseSeries.EMPTY.first_at(5.0) == 0


def test_a_value_lies_on_the_line_between_its_neighbours_and_is_level_beyond_the_ends() -> None:
    series = track(((10, 1.0), (20, 3.0), (40, 3.0)))
    assert [series.at(step) for step in (0, 10, 15, 20, 30, 40, 1000)] == [1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    assert (series.last, series.last_step, len(series)) == (3.0, 40, 3)


@pytest.mark.parametrize("step", [10, 15, 5_119, 5_120, 5_125, 5_130, 5_135, 20_000.5, 39_990])
def test_a_value_is_found_in_any_chunk_and_between_two(step: float) -> None:
    assert track(MANY).at(step) == pytest.approx(step / 2)
    assert track(MANY).first_at(max(step, 11) / 2) == math.ceil(max(step, 11))


@given(
    cut=st.integers(0, 41_000),
    pieces=st.lists(st.integers(0, len(MANY)), max_size=6),
    again=st.integers(1, 40_000),
)
def test_a_cut_track_equals_one_that_never_had_more(cut: int, pieces: list[int], again: int) -> None:
    whole = SparseSeries.EMPTY
    for begin, end in pairwise([0, *sorted(pieces), len(MANY)]):
        knots = MANY[begin:end]
        whole = whole.extended(
            int(knots[0][0]) if knots else 10**6, [number for knot in knots for number in knot]
        )
    assert whole == track(MANY)
    assert whole.truncated(cut) == track(tuple(knot for knot in MANY if knot[0] <= cut))
    expected = (*(knot for knot in MANY if knot[0] < again), (again, -1.0))
    assert whole.extended(again, (again, -1.0)) == track(expected)


@given(first=st.integers(0, 41_000))
def test_the_knots_from_a_step_on_are_those_behind_it(first: int) -> None:
    steps, values = track(MANY).knots(first)
    assert list(zip(steps, values, strict=True)) == [knot for knot in MANY if first <= knot[0]]


@pytest.mark.parametrize("count", [1, 2, 7, 100, 10_000])
def test_few_are_picked_of_many_and_the_last_is_among_them(count: int) -> None:
    picked = track(MANY).picked(count, 1000)
    assert 1 <= len(picked) <= count
    assert picked[-1] == MANY[-1]
    assert set(picked) <= {knot for knot in MANY if knot[0] >= 1000}
    assert len({after[0] - before[0] for before, after in pairwise(picked)}) <= 1
