"""Numbers as text: durations, sizes, rates, percentages. Pure functions, the same for every output."""

from __future__ import annotations

import math
from datetime import datetime

MISSING = "-"


def duration(seconds: float | None) -> str:
    """Return a duration with two units at most: "42 s", "<1 s", "3 min 05 s", "2 h 10 min", "3 d 04 h"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    whole = round(max(0.0, seconds))
    if whole == 0 and seconds > 0:
        return "<1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def brief_duration(seconds: float) -> str:
    """Return a duration with one unit, for a narrow column: "<1 min", "5 min", "3 h", "12 d"."""
    minutes = int(max(0.0, seconds) // 60)
    if minutes < 1:
        return "<1 min"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // 1440} d"


def size(count: float | None) -> str:
    """Return a number of bytes: "512 B", "9.8 MB", "2.6 GB" (powers of 1000)."""
    if count is None:
        return MISSING
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5 or unit == "TB":
            break
    return f"{count:.0f} {unit}" if count >= 99.5 else f"{count:.1f} {unit}"


def percent(fraction: float | None, std: float | None = None) -> str:
    """Return an accuracy in [0, 1] as "87.31 %", or "87.31 ± 0.42 %" with its deviation."""
    return MISSING if fraction is None else f"{percentage(fraction, std)} %"


def percentage(fraction: float | None, std: float | None = None) -> str:
    """Return an accuracy in [0, 1] without its unit: "87.31", or "87.31 ± 0.42" with its deviation."""
    if fraction is None:
        return MISSING
    return f"{100 * fraction:.2f}" + ("" if std is None else f" ± {100 * std:.2f}")


def number(value: float | None, digits: int = 4) -> str:
    """Return a loss or a learning rate with a few significant digits: "0.4242", "3e-06"."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}g}"


def rate(per_second: float | None) -> str:
    """Return images per second: "1840 images/s", "0.7 images/s"."""
    if per_second is None or not math.isfinite(per_second):
        return MISSING
    return f"{per_second:.0f} images/s" if per_second >= 10 else f"{per_second:.1f} images/s"


def count(number_of: int, thing: str, plural: str = "") -> str:
    """Return "1 run", "3 runs"."""
    return f"{number_of} {thing if number_of == 1 else plural or thing + 's'}"


def moment(timestamp: float | None) -> str:
    """Return a wall clock time in the reader's zone: "2026-03-01 14:02:11"."""
    if timestamp is None:
        return MISSING
    return datetime.fromtimestamp(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock(timestamp: float) -> str:
    """Return the time of day of a wall clock time: "14:02:11"."""
    return moment(timestamp)[11:]
