"""Moving among the samples and maps that are saved."""

from __future__ import annotations

import pytest

from wmse_tui.tui.widgets.monitor.moment import moved_moment

STEPS = (5, 10, 20, 30)


@pytest.mark.parametrize(
    ("moment", "by", "expected"),
    [
        (None, -1, 20),  # from the newest
        (None, 1, None),
        (20, -1, 10),
        (20, 1, None),  # the newest again
        (25, -1, 10),  # between two the earlier one is shown
        (25, 1, None),
        (12, 1, 20),
        (5, -1, 5),
        (2, -1, 5),  # before the first nothing is shown
        (2, 1, 5),
        (None, -10, 5),
        (5, 10, None),
    ],
)
def test_a_move_goes_to_another_saved_step(moment: int | None, by: int, expected: int | None) -> None:
    assert moved_moment(STEPS, moment, by) == expected


def test_without_several_there_is_nothing_but_the_newest() -> None:
    assert moved_moment((), None, -1) is None
    assert moved_moment((7,), None, -1) is None
