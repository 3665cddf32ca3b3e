"""Which of many saved samples is the one to drop, so that the others cover the whole run evenly."""

from __future__ import annotations

from collections.abc import Sequence


def least_needed(steps: Sequence[int]) -> int:
    """The index of the step whose neighbours are nearest to each other; of several the first.

    Args:
        steps: rising, three or more. The first and the last are never dropped.
    """
    gaps = [after - before for before, after in zip(steps, steps[2:], strict=False)]
    return 1 + gaps.index(min(gaps))
