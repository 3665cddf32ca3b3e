"""Limits that seldom change, and ticks at round numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.text.axis import Scale, hours_label, round_limits, ticks, usable

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("low", "high", "log", "limits"),
    [
        (0.12, 2.03, False, (0.0, 2.5)),
        (0.0, 100.0, False, (0.0, 100.0)),
        (-0.7, 0.9, False, (-1.0, 1.0)),
        (5.0, 5.0, False, (4.4, 5.6)),
        (0.0, 0.0, False, (0.0, 0.5)),
        (0.3, 2.0, True, (0.2, 2.0)),
        (3.0, 70_000.0, True, (2.0, 100_000.0)),
        (1.3, 1.9, True, (1.2, 2.0)),  # not 1 to 2, of which half would be empty
        (1.3, 2.9, True, (1.0, 5.0)),
        (-1.0, 4.0, True, (2.0, 5.0)),
        (-2.0, -1.0, True, (0.1, 10.0)),
    ],
)
def test_limits_are_round_numbers_around_the_values(
    low: float, high: float, log: bool, limits: tuple[float, float]
) -> None:
    assert round_limits(low, high, log=log) == pytest.approx(limits)


def test_limits_stay_while_they_contain_the_values_and_half_of_them_is_used() -> None:
    limits = round_limits(0.1, 2.0)

    assert round_limits(0.5, 1.9, before=limits) == limits
    assert round_limits(0.5, 2.1, before=limits) == (0.5, 2.5)
    assert round_limits(0.5, 0.9, before=limits) == (0.5, 0.9)


@given(finite, finite, finite, finite, st.booleans(), st.integers(1, 12))
def test_limits_and_ticks_exist_for_any_values(
    low: float, high: float, later: float, latest: float, log: bool, count: int
) -> None:
    limits = round_limits(low, high, log=log)
    assert usable(limits, log=log)
    assert round_limits(low, high, log=log, before=limits) == limits
    assert usable(round_limits(later, latest, log=log, before=limits), log=log)
    found = ticks(*limits, count, log=log)
    assert len(found) <= 2 * count + 2
    assert all(tick.label for tick in found)


@pytest.mark.parametrize(
    ("limits", "log", "labels"),
    [
        ((0, 100), False, "0 20 40 60 80 100"),
        ((0, 1e6), False, "0 200k 400k 600k 800k 1M"),
        ((0, 1.5e6), False, "0 500k 1M 1.5M"),
        ((0, 12_000), False, "0 2k 4k 6k 8k 10k 12k"),
        ((0, 2.5), False, "0 0.5 1.0 1.5 2.0 2.5"),
        ((0, 3e-4), False, "0 5e-5 1.0e-4 1.5e-4 2.0e-4 2.5e-4 3.0e-4"),
        ((0.00099, 0.001), False, "9.90e-4 9.92e-4 9.94e-4 9.96e-4 9.98e-4 1.000e-3"),
        ((2, 1e5), True, "10 100 1000 10k 100k"),
        ((0.2, 2), True, "0.2 0.5 1 2"),
        ((1.2, 2.0), True, "1.2 1.4 1.6 1.8 2.0"),
        ((1e-12, 10), True, "1e-12 1e-10 1e-8 1e-6 1e-4 0.01 1"),
    ],
)
def test_ticks_are_few_and_short(limits: tuple[float, float], log: bool, labels: str) -> None:
    assert " ".join(tick.label for tick in ticks(*limits, 7, log=log)) == labels


@pytest.mark.parametrize(
    ("hours", "labels"),
    [
        (0.01, "0 10s 20s 30s"),
        (0.5, "0 5m 10m 15m 20m 25m 30m"),
        (2, "0 30m 1h 1h30m 2h"),
        (30, "0 6h 12h 18h 24h 30h"),
        (100, "0 24h 48h 72h 96h"),
    ],
)
def test_ticks_of_hours_are_times(hours: float, labels: str) -> None:
    assert " ".join(tick.label for tick in ticks(0, hours, 6, hours=True)) == labels


def test_ticks_of_steps_and_ranks_are_integers() -> None:
    assert [tick.label for tick in ticks(0, 2, 6, whole=True)] == ["0", "1", "2"]


def test_hours_are_labelled_in_hours_minutes_and_seconds() -> None:
    assert [hours_label(hours) for hours in (0, 1 / 80, 0.75, 1.5, -2, 2e6)] == [
        "0",
        "45s",
        "45m",
        "1h30m",
        "-2h",
        "2e+06h",
    ]


def test_the_ends_of_a_scale_are_the_first_and_the_last_dot() -> None:
    scale = Scale(0.0, 2.0, 40)
    assert [scale.dot_inside(value) for value in (0.0, 1.0, 2.0, 2.1, float("nan"))] == [
        0,
        20,
        39,
        None,
        None,
    ]
    log = Scale(0.01, 100.0, 5, log=True)
    assert [log.dot_inside(value) for value in (0.01, 0.1, 1.0, 10.0, 100.0, 0.0, -1.0)] == [
        0,
        1,
        2,
        3,
        4,
        None,
        None,
    ]
