"""A curve in one row."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.tui.charts.spark import spark


@pytest.mark.parametrize(
    ("values", "shown", "in_ascii"),
    [
        (range(8), "▁▂▃▄▅▆▇█", "_.-=+*%#"),
        ([2, 1.5, 1, 0.5, 0.25], "█▆▄▂▁", "#*=._"),
        ([1, math.nan, 3, math.inf], "▁ █ ", "_ # "),
        ([5, 5, 5], "▁▁▁", "___"),
        ([], "", ""),
        ([math.nan], " ", " "),
    ],
)
def test_the_height_of_a_character_is_the_value(values: list[float], shown: str, in_ascii: str) -> None:
    assert spark(values) == shown
    assert spark(values, ascii=True) == in_ascii


def test_many_values_are_averaged_into_the_width() -> None:
    assert spark([0, 0, 7, 7], 2) == "▁█"
    assert spark([0, math.nan, 7, 7], 2) == "▁█"
    assert spark([0, 7], 5) == "▁█"
    assert spark([0, 7], 0) == ""


def test_limits_may_be_given() -> None:
    assert spark([0.5, 2.0], low=0.0, high=1.0) == "▅█"


@given(
    st.lists(st.floats(), max_size=50),
    st.none() | st.integers(0, 20),
    st.none() | st.floats(),
    st.none() | st.floats(),
)
def test_any_values_are_drawn(
    values: list[float], width: int | None, low: float | None, high: float | None
) -> None:
    shown = spark(values, width, low=low, high=high)

    assert len(shown) == (len(values) if width is None else min(width, len(values)))
