"""Sparklines: a curve in one row."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-=+*%#"


def spark(
    values: Sequence[float],
    width: int | None = None,
    *,
    ascii: bool = False,  # noqa: A002 (what the mode is called)
    low: float | None = None,
    high: float | None = None,
) -> str:
    """A character for each value, its height that of the value between `low` and `high`.

    Both default to the extremes. More values than `width` are averaged; one that is not finite is a space.
    Equal values are drawn at the bottom.
    """
    shown = _averaged(values, width)
    finite = [value for value in shown if math.isfinite(value)]
    least = min(finite, default=0.0) if low is None or not math.isfinite(low) else low
    greatest = max(finite, default=0.0) if high is None or not math.isfinite(high) else high
    levels = _ASCII_LEVELS if ascii else _BLOCKS
    return "".join(levels[_level(value, least, greatest)] if math.isfinite(value) else " " for value in shown)


def _level(value: float, least: float, greatest: float) -> int:
    top = len(_BLOCKS) - 1
    span = greatest / 2 - least / 2  # halves: the difference of two large numbers may be infinite
    share = (value / 2 - least / 2) / span if span > 0 else 0.0
    return math.floor(min(max(share, 0.0), 1.0) * top + 0.5)


def _averaged(values: Sequence[float], width: int | None) -> list[float]:
    count = len(values)
    if width is None or count <= width:
        return list(values)
    if width < 1:
        return []
    pieces = (values[index * count // width : (index + 1) * count // width] for index in range(width))
    return [_mean([value for value in piece if math.isfinite(value)]) for piece in pieces]


def _mean(values: Sequence[float]) -> float:
    return sum(value / len(values) for value in values) if values else math.nan
