"""Ages change by the minute."""

from __future__ import annotations

import pytest

from wmse_tui.tui.widgets.runs.ages import age


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "now"),
        (1, "1 min"),
        (59, "59 min"),
        (60, "1 h"),
        (47 * 60 + 59, "47 h"),
        (48 * 60, "2 d"),
        (400 * 1440, "400 d"),
        (-5, "now"),
    ],
)
def test_an_age_has_one_unit(minutes: int, text: str) -> None:
    assert age(60.0 * 1000, 1000 + minutes) == text


def test_all_seconds_of_a_minute_give_one_age() -> None:
    assert {age(60.0 * 1000 + second, 1007) for second in range(60)} == {"7 min"}


def test_a_run_that_has_not_started_has_no_age() -> None:
    assert age(None, 5) == ""
