"""Dropping samples so that the others cover a run evenly."""

from __future__ import annotations

from itertools import pairwise

from wmse_tui.runs.state.thinning import least_needed


def test_the_densest_is_dropped_and_never_an_end() -> None:
    assert least_needed([0, 10, 11, 12, 20]) == 2
    assert least_needed([0, 1, 100]) == 1
    assert least_needed([5, 5, 5, 9]) == 1


def test_a_growing_history_stays_even() -> None:
    saved: list[int] = []
    for step in range(1000):
        saved.append(step)
        if len(saved) > 50:
            del saved[least_needed(saved)]
    gaps = [after - before for before, after in pairwise(saved)]
    assert (saved[0], saved[-1], len(saved)) == (0, 999, 50)
    assert max(gaps) <= 2 * 1000 / 50
