"""Copies of a run, which are no repetitions: a mean over them would show a deviation that nobody measured.

A copied run directory has the log of the original, whatever its name and its configuration claim; a copy that
was trained further begins with it. So runs are told apart by how their logs begin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from wmse_tui.runs.state.run import RunState

Item = TypeVar("Item")
_DIGITS = 16


def origin_of(state: RunState) -> str:
    """Equal for a run and its copies, else different; "" for a run that has not trained an epoch.

    Of the begin of the first attempt, to the millisecond, and what was measured first: the losses, accuracies
    and times of the first epoch and of the first evaluation after it.
    """
    epoch = next(iter(state.epoch_rows), None)
    evaluation = next((each for each in state.evaluations if each.step > 0), None)
    if epoch is None and evaluation is None:
        return ""
    beginning = repr((state.started, epoch, evaluation))
    return hashlib.sha256(beginning.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def without_copies(items: Sequence[Item], origin: Callable[[Item], str]) -> tuple[Item, ...]:
    """The first item of each origin, in their order; those of no known origin all."""
    seen: set[str] = set()
    found = []
    for item in items:
        name = origin(item)
        if not name or name not in seen:
            found.append(item)
        seen.add(name)
    return tuple(found)
