"""How often something is due: at once, often at first, seldom later, and never for more than its share."""

from __future__ import annotations

from itertools import pairwise

import pytest

from wmse_tui.engine.training.time_budget import TimeBudget, times_within


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def moments(share: int, until: float, *, cost: float = 0.0, step: float = 0.1) -> list[float]:
    """When something is done in `until` seconds by a loop that asks every `step` seconds."""
    clock, found = Clock(), list[float]()
    budget = TimeBudget(share, clock=clock)
    while clock.now < 100 + until:
        if budget.due():
            found.append(clock.now - 100)
            clock.now += cost
            budget.done(clock.now - cost)
        clock.now += step
    return found


def test_it_is_due_at_once_then_each_second_then_about_each_five() -> None:
    found = moments(200, 300)
    assert found[:3] == pytest.approx([0, 1, 2], abs=0.3)
    pauses = [after - before for before, after in pairwise(found)]
    assert max(pauses) <= 5.2
    assert pauses[-1] == pytest.approx(5, abs=0.2)
    assert pauses == sorted(pauses) or max(pauses) - min(pauses) < 5


@pytest.mark.parametrize(("share", "most"), [(200, 1200), (500, 2300)])
def test_a_day_has_a_thousand_or_two(share: int, most: int) -> None:
    found = moments(share, 86_400, step=1.0)
    assert 0.75 * most < len(found) <= most
    assert found[-1] - found[-2] == pytest.approx(86_400 / share, rel=0.02)


@pytest.mark.parametrize("cost", [0.02, 0.5, 10.0])
def test_it_never_costs_more_than_a_hundredth_of_the_time(cost: float) -> None:
    found = moments(200, 5000, cost=cost)
    assert len(found) > 1
    assert (len(found) - 1) * cost <= 0.01 * found[-1] + cost


@pytest.mark.parametrize("cost", [0.0, 0.02, 0.5, 10.0])
def test_the_number_of_times_is_predicted(cost: float) -> None:
    found = moments(200, 1000, cost=cost, step=0.02)
    assert times_within(1000, cost=cost, share=200) == pytest.approx(len(found), abs=2)
