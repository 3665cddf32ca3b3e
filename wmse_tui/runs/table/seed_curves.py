"""One curve of several runs that differ in the seed: their mean, and one standard deviation around it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean, stdev

from wmse_tui.runs.state.curves import Curve

_SAME = 1e-9  # of an x: evaluations of the same epoch


def mean_curve(curves: Sequence[Curve], label: str, *, columns: int | None = None) -> Curve:
    """The mean of `curves` where two or more have a value, with the sample standard deviation as its band.

    Curves of many values are read between their points too; those of few values (`Curve.points`) only where
    they have one: nothing was measured between two evaluations.

    Args:
        curves: of runs that repeat each other.
        label: of the mean.
        columns: of curves of many values so many points, evenly spaced; None: those of the curve with the
            fewest.
    """
    known = [curve for curve in curves if curve.x]
    if not known:
        return Curve(label=label, x=(), y=(), points=any(curve.points for curve in curves))
    measured = any(curve.points for curve in known)
    if measured:
        grid = _distinct(sorted(x for curve in known for x in curve.x))
    else:
        grid = list(min(known, key=lambda curve: len(curve.x)).x)
        if columns is not None and len(grid) > 1:
            first, last = min(curve.x[0] for curve in known), max(curve.x[-1] for curve in known)
            grid = [first + (last - first) * index / (columns - 1) for index in range(columns)]
    rows = []
    for x in grid:
        values = [y for curve in known if (y := _value_at(curve, x, between=not measured)) is not None]
        if len(values) > 1:
            mean, deviation = fmean(values), stdev(values)
            rows.append((x, mean, mean - deviation, mean + deviation))
    xs, ys, low, high = zip(*rows, strict=True) if rows else ((), (), (), ())
    evaluated = () if measured else known[0].evaluated
    return Curve(label=label, x=xs, y=ys, low=low, high=high, points=measured, evaluated=evaluated)


def _distinct(xs: Sequence[float]) -> list[float]:
    found: list[float] = []
    for x in xs:
        if not found or x - found[-1] > _SAME * max(1.0, abs(x)):
            found.append(x)
    return found


def _value_at(curve: Curve, x: float, *, between: bool) -> float | None:
    """The value of a curve at `x`; None outside of it, and between two points unless `between`."""
    near = _SAME * max(1.0, abs(x))
    index = bisect_right(curve.x, x + near) - 1
    if index < 0:
        return None
    if abs(curve.x[index] - x) <= near:
        return curve.y[index]
    if not between or index + 1 == len(curve.x):
        return None
    share = (x - curve.x[index]) / (curve.x[index + 1] - curve.x[index])
    return curve.y[index] + share * (curve.y[index + 1] - curve.y[index])
