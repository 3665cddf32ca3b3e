"""Numbers in words."""

from __future__ import annotations

import math

import pytest

from wmse_tui.runs.text.units import count, duration, number, percent, rate, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (-3, "0 s"),
        (0, "0 s"),
        (0.4, "<1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (273_600, "3 d 04 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (None, "-"),
        (512, "512 B"),
        (9_800_000, "9.8 MB"),
        (2_640_397_119, "2.6 GB"),
        (170_498_071, "170 MB"),
        (999_990, "1.0 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_a_size_counts_in_powers_of_a_thousand(bytes_: float | None, text: str) -> None:
    assert size(bytes_) == text


def test_a_missing_number_is_a_dash_and_never_a_zero() -> None:
    assert [percent(None), number(None), number(math.inf), rate(None), rate(math.nan)] == ["-"] * 5


def test_numbers_keep_the_digits_that_matter() -> None:
    assert percent(0.87314) == "87.31 %"
    assert number(0.424242) == "0.4242"
    assert number(3e-6, 3) == "3e-06"
    assert rate(1840.4) == "1840 images/s"
    assert rate(0.66) == "0.7 images/s"


def test_one_thing_is_not_plural() -> None:
    assert [count(1, "epoch"), count(2, "epoch"), count(0, "match", "matches")] == [
        "1 epoch",
        "2 epochs",
        "0 matches",
    ]
