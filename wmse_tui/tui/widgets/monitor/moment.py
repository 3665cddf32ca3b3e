"""The step that all panels of Monitor show: the newest, or an earlier one that a panel has chosen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from textual.message import Message


class MomentChosen(Message):
    """A panel has chosen the step that all panels show; None: the newest one again."""

    def __init__(self, step: int | None) -> None:
        super().__init__()
        self.step = step


def moved_moment(steps: Sequence[int], moment: int | None, by: int) -> int | None:
    """The one of the rising `steps` that is `by` positions from the one shown; None: the newest, or none.

    Shown is the last one that is not after `moment`, or the newest without a moment.
    """
    if not steps:
        return None
    shown = len(steps) - 1 if moment is None else bisect_right(steps, moment) - 1
    index = max(0, shown + by)
    return steps[index] if index < len(steps) - 1 else None
