"""When a measurement that interrupts training is due again."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORTEST, USUAL = 1.0, 5.0
"""Seconds between two, at the very start and after a minute."""
START = 10
"""At first a pause is the age of the run divided by this: a run of a minute has a curve too."""
COST = 0.01
"""The share of the run's time that it may use."""


class TimeBudget:
    """Often at the start, then ever more seldom: at once, about every 5 s, and at last `elapsed / share`.

    So the number grows with the logarithm of the time: 1,100 in a day for a share of 200, 2,200 for 500.
    A slow measurement is postponed until its cost is within a hundredth of the time.

    Args:
        share: the part of the elapsed time that may pass between two.
        clock: monotonic seconds.
    """

    def __init__(self, share: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._began = clock()
        self._next = self._began

    def due(self) -> bool:
        """Whether it is time."""
        return self._clock() >= self._next

    def done(self, since: float) -> None:
        """Record that it was done, begun at `since`, and schedule the next one."""
        now = self._clock()
        self._next = now + _pause(now - self._began, now - since, self._share)


def times_within(seconds: float, *, cost: float, share: int) -> int:
    """How often, in so many seconds from the start, something is done that costs `cost` seconds each time."""
    now, times = 0.0, 0
    while now < seconds:
        times += 1
        now += cost
        now += _pause(now, cost, share)
    return times


def _pause(elapsed: float, took: float, share: int) -> float:
    usual = max(min(max(SHORTEST, elapsed / START), USUAL), elapsed / share)
    return max(usual, took / COST)
