"""What a chart is given: values over an axis, and nothing of where they came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line of `y` over `x`, both of one length; `x` rises."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()  # the least value of each bucket: as many as `y`, or none
    high: tuple[float, ...] = ()  # and the greatest
    marks: tuple[float, ...] = ()  # where on `x` a value was missing or not finite
    points: bool = False  # few values: each is marked, and they are joined
