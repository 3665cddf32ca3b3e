"""How long ago, to the minute: ages in seconds would redraw the whole list every second."""

from __future__ import annotations

import time

from wmse_tui.runs.text.units import brief_duration


def now_minute() -> int:
    """The current minute of the wall clock."""
    return int(time.time() // 60)


def age(timestamp: float | None, minute: int) -> str:
    """The time from `timestamp` to the end of `minute`: "now", "5 min", "3 h", "12 d"; "" for None."""
    if timestamp is None:
        return ""
    minutes = max(0, minute - int(timestamp // 60))
    return "now" if minutes < 1 else brief_duration(60 * minutes)
