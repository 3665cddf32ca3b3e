"""Mean and deviation of curves over seeds."""

from __future__ import annotations

import pytest

from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.table.seed_curves import mean_curve


def measured(*pairs: tuple[float, float]) -> Curve:
    return Curve(label="", x=tuple(x for x, _ in pairs), y=tuple(y for _, y in pairs), points=True)


def test_evaluations_are_joined_where_two_runs_have_one_and_nowhere_else() -> None:
    found = mean_curve(
        [measured((0, 1.0), (5, 3.0), (7, 9.0)), measured((0, 3.0), (5, 5.0), (10, 6.0)), measured((5, 4.0))],
        "a, 3 seeds",
    )
    assert (found.label, found.points) == ("a, 3 seeds", True)
    assert (found.x, found.y) == ((0, 5), (2.0, 4.0))
    assert found.low == pytest.approx((2 - 2**0.5, 3.0))
    assert found.high == pytest.approx((2 + 2**0.5, 5.0))


def test_losses_are_read_between_their_points() -> None:
    first = Curve(label="", x=(0.0, 10.0), y=(0.0, 10.0), evaluated=(5.0,))
    second = Curve(label="", x=(0.0, 5.0, 10.0), y=(2.0, 9.0, 12.0))
    found = mean_curve([first, second], "")
    assert (found.x, found.y) == ((0.0, 10.0), (1.0, 11.0))  # the points of the one with the fewest
    dense = mean_curve([first, second], "", columns=5)
    assert dense.x == (0.0, 2.5, 5.0, 7.5, 10.0)
    assert dense.y == (1.0, 4.0, 7.0, 9.0, 11.0)
    assert dense.evaluated == (5.0,)


def test_one_run_has_no_deviation_and_is_left_out_beyond_the_end_of_the_others() -> None:
    ended = Curve(label="", x=(0.0, 1.0), y=(1.0, 1.0))
    longer = Curve(label="", x=(0.0, 1.0, 2.0, 3.0), y=(3.0, 3.0, 3.0, 3.0))
    assert mean_curve([ended, longer], "", columns=4).x == (0.0, 1.0)
    assert mean_curve([ended], "").x == ()
    assert mean_curve([], "").x == ()
    assert mean_curve([measured(), measured((1, 1.0))], "").points
