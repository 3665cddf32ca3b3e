"""The axis of a chart: limits that seldom change, a scale from values to dots, ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

Limits: TypeAlias = tuple[float, float]

LARGEST = 1e300  # beyond it, differences of doubles overflow
_STEPS = (1.0, 2.0, 5.0, 10.0)
_NARROW = 2.0  # a logarithmic axis from x to less than so many x has the round numbers of a linear one
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to dots 0 to `dots` - 1, the first at `low` and the last at `high`."""

    low: float
    high: float
    dots: int
    log: bool = False

    def dot(self, value: float) -> int | None:
        """The dot of a finite `value`, clipped a few axis lengths outside; None: it has no logarithm."""
        low, high = self.low, self.high
        if self.log:
            if value <= 0:
                return None
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        share = (value - low) / (high - low)
        return math.floor(min(max(share, -3.0), 4.0) * (self.dots - 1) + 0.5)

    def dot_inside(self, value: float) -> int | None:
        """The dot of `value`; None outside the axis."""
        dot = self.dot(value) if math.isfinite(value) else None
        return dot if dot is not None and 0 <= dot < self.dots else None


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on an axis and its label."""

    value: float
    label: str


def round_limits(low: float, high: float, *, log: bool = False, before: Limits | None = None) -> Limits:
    """Limits at round numbers around finite `low` and `high`.

    The limits `before` are reused while the values are inside and fill at least half of them, because a
    moving axis changes every row of a chart. On a logarithmic axis, `low` becomes `high` where only the
    latter is positive.
    """
    low, high = _ordered(low, high, log=log)
    if before is not None and before[0] <= low and high <= before[1]:
        whole, filled = _length(*before, log=log), _length(low, high, log=log)
        if filled >= whole / 2 or (low, high) == before:
            return before
    return _log_limits(low, high) if log else _linear_limits(low, high)


def usable(limits: Limits, *, log: bool = False) -> bool:
    """Whether `limits` can be the ends of a scale."""
    low, high = limits
    if not -LARGEST <= low < high <= LARGEST:
        return False
    if log:
        return low > 0 and math.log10(high) > math.log10(low)
    return high - low > 1e-300 and (high - low) > 1e-13 * max(abs(low), abs(high))


def ticks(
    low: float, high: float, count: int, *, log: bool = False, hours: bool = False, whole: bool = False
) -> tuple[Tick, ...]:
    """At most about `count` ticks at round numbers from `low` to `high`; `whole`: at integers only."""
    if count < 1:
        return ()
    if log and high > _NARROW * low * (1 + 1e-9):
        return tuple(Tick(value, tick_label(value, value)) for value in _log_values(low, high, count))
    step = _hour_step(high - low, count) if hours else nice_step((high - low) / count)
    step = max(1.0, step) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [index * step for index in range(first, min(last, first + 4 * count) + 1)]
    if hours:
        return tuple(Tick(value, hours_label(value)) for value in values)
    largest = max(abs(low), abs(high))
    return tuple(Tick(value, tick_label(value, step, largest)) for value in values)


def nice_step(least: float) -> float:
    """The smallest of ..., 0.2, 0.5, 1, 2, 5, 10, ... that is not below `least`."""
    if not least > 1e-300:
        return 1e-300
    scale = 10.0 ** math.floor(math.log10(least))
    return next((step * scale for step in _STEPS if step * scale >= least * (1 - 1e-9)), 10 * scale)


def tick_label(value: float, step: float, largest: float | None = None) -> str:
    """`value` with the digits that ticks `step` apart need: 0.25, 10k, 2e-5.

    `largest` is the greatest number on the axis: it decides the notation of all its labels.
    """
    if value == 0 or abs(value) < step * 1e-6:
        return "0"
    largest = max(abs(value), largest or 0.0)
    decimals = max(0, -_exponent(step))
    if largest < 1e-3 * (1 - 1e-9) or largest >= 1e15 or (largest < 0.1 and decimals > 4):
        digits = max(0, _exponent(value) - _exponent(step))
        mantissa, power = f"{value:.{min(digits, 4)}e}".split("e")
        return f"{mantissa}e{int(power)}"
    unit, name = next(((u, n) for u, n in _UNITS if abs(value) >= u * (1 - 1e-9)), (1.0, ""))
    if largest < 1e4 or not name:
        return f"{value:.{min(decimals, 9)}f}"
    shown = f"{value / unit:.{min(max(0, -_exponent(step / unit)), 9)}f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) + name


def hours_label(hours: float) -> str:
    """Hours as a label: 0, 45s, 30m, 1h, 1h30m, 36h."""
    if abs(hours) >= 1e5:
        return f"{hours:.3g}h"
    seconds = round(abs(hours) * 3600)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    text = "".join(f"{count}{name}" for count, name in parts if count)
    return ("-" if hours < 0 and text else "") + (text or "0")


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)) + 1e-9)


def _ordered(low: float, high: float, *, log: bool) -> Limits:
    most = LARGEST / 10  # leaves the round numbers around it below LARGEST
    low, high = (min(max(value, -most), most) for value in (min(low, high), max(low, high)))
    if log:
        high = high if high > 0 else 1.0
        low = low if low > 0 else high
        low, high = max(low, 1e-290), max(high, 1e-290)
    return low, high


def _length(low: float, high: float, *, log: bool) -> float:
    return math.log10(high) - math.log10(low) if log else high - low


def _linear_limits(low: float, high: float) -> Limits:
    if not usable((low, high)):  # a single value
        margin = max(abs(low), abs(high)) * 0.1
        margin = margin if margin > 1e-290 else 0.5
        low, high = (low - margin if low else 0.0), high + margin
    step = nice_step((high - low) / 5)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _log_limits(low: float, high: float) -> Limits:
    if usable((low, high)) and high < _NARROW * low:
        linear = _linear_limits(low, high)
        if linear[0] > 0 and usable(linear, log=True):
            return linear
    below, above = _round_below(low), _round_above(high)
    if below < above:
        return below, above
    return below / 10, above * 10


def _round_below(value: float) -> float:
    scale = 10.0 ** math.floor(math.log10(value))
    return next((step * scale for step in reversed(_STEPS) if step * scale <= value * (1 + 1e-9)), scale)


def _round_above(value: float) -> float:
    scale = 10.0 ** math.floor(math.log10(value))
    return next((step * scale for step in _STEPS if step * scale >= value * (1 - 1e-9)), 10 * scale)


def _log_values(low: float, high: float, count: int) -> list[float]:
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    powers = range(first, last + 1)

    def within(values: list[float]) -> list[float]:
        return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]

    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        values = within([step * 10.0**power for power in powers if -300 <= power <= 300 for step in steps])
        if len(values) <= count:
            return values
    every = math.ceil(len(values) / count)
    return [value for value in values if _exponent(value) % every == 0]


def _hour_step(span: float, count: int) -> float:
    least = span / count
    for step in _SECONDS:
        if step / 3600 >= least * (1 - 1e-9):
            return step / 3600
    return 24.0 * max(1, round(nice_step(least / 24)))
