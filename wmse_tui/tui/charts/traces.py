"""Converts a curve to dots, and records the columns of values that have none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.text.axis import Limits, Scale
from wmse_tui.tui.charts.raster import Dot

_MANY = 4096  # points from which on importing numpy pays


@dataclass(frozen=True, slots=True)
class Trace:
    """A curve in dots, counted from the lower left.

    Attributes:
        lines: dots to join; a missing value ends a line.
        points: a dot for every value in sight.
        band: by column, the lowest and the highest dot of the band.
        missing: columns of values that are missing or not finite.
        nonpositive: columns of values that a logarithmic axis cannot show.
    """

    lines: tuple[tuple[Dot, ...], ...]
    points: tuple[Dot, ...]
    band: dict[int, Dot]
    missing: tuple[int, ...]
    nonpositive: tuple[int, ...]


def trace(curve: Curve, x_scale: Scale, y_scale: Scale, *, band: bool = False) -> Trace:
    """`curve` on two scales, without the values left and right of the x axis."""
    x, y = _decimated(curve.x, curve.y)
    pieces: list[list[Dot]] = [[]]
    missing = [column for mark in curve.marks if (column := x_scale.dot_inside(mark)) is not None]
    nonpositive: list[int] = []
    for column, value in _in_columns(x, y, x_scale):
        if not math.isfinite(value):
            missing.append(column)
        elif (dot := y_scale.dot(value)) is None:
            nonpositive.append(column)
        else:
            pieces[-1].append((column, dot))
            continue
        pieces.append([])
    return Trace(
        lines=tuple(tuple(_per_column(piece)) for piece in pieces if piece),
        points=tuple(dot for piece in pieces for dot in piece if 0 <= dot[1] < y_scale.dots),
        band=_band(curve, x_scale, y_scale) if band else {},
        missing=tuple(missing),
        nonpositive=tuple(nonpositive),
    )


def value_range(curves: Iterable[Curve], *, log: bool = False, band: bool = True) -> Limits | None:
    """The smallest and the largest y that can be drawn; None without one."""
    least, greatest = math.inf, -math.inf
    for curve in curves:
        bands = (curve.low, curve.high) if band and _has_band(curve) else ()
        for values in (curve.y[: len(curve.x)], *bands):
            for value in values:
                if math.isfinite(value) and (value > 0 or not log):
                    least, greatest = min(least, value), max(greatest, value)
    return (least, greatest) if least <= greatest else None


def x_range_of(curves: Iterable[Curve]) -> Limits | None:
    """The smallest and the largest finite x; None without one."""
    found = [x for curve in curves for x in (*curve.x, *curve.marks) if math.isfinite(x)]
    return (min(found), max(found)) if found else None


def _has_band(curve: Curve) -> bool:
    return bool(curve.low) and len(curve.low) == len(curve.high) == len(curve.y)


def _in_columns(x: Sequence[float], y: Sequence[float], x_scale: Scale) -> list[tuple[int, float]]:
    pairs = zip(x, y, strict=False)
    in_columns = [(column, value) for at, value in pairs if (column := x_scale.dot_inside(at)) is not None]
    if any(one[0] > other[0] for one, other in pairwise(in_columns)):
        in_columns.sort(key=lambda pair: pair[0])
    return in_columns


def _per_column(piece: Sequence[Dot]) -> Iterable[Dot]:
    """Keep of each column the first, lowest, highest and last dot, which draw the same as all of them."""
    for column, group in groupby(piece, key=lambda dot: dot[0]):
        rows = [row for _, row in group]
        for row in dict.fromkeys((rows[0], min(rows), max(rows), rows[-1])):
            yield column, row


def _band(curve: Curve, x_scale: Scale, y_scale: Scale) -> dict[int, Dot]:
    band: dict[int, Dot] = {}
    if not _has_band(curve):
        return band
    for at, low, high in zip(curve.x, curve.low, curve.high, strict=False):
        column = x_scale.dot_inside(at)
        if column is None or not math.isfinite(low) or not math.isfinite(high):
            continue
        top = y_scale.dot(max(low, high))
        if top is not None:
            bottom = y_scale.dot(min(low, high))
            lowest, highest = band.get(column, (y_scale.dots, -1))
            band[column] = (min(lowest, 0 if bottom is None else bottom), max(highest, top))
    return band


def _decimated(x: Sequence[float], y: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Reduce more points than any screen has columns to the extremes of each of 2048 pieces.

    The first value of a piece that is not finite stays too.
    """
    if min(len(x), len(y)) <= _MANY:
        return x, y
    import numpy as np  # imported here: most charts have few points and do not need it

    count = min(len(x), len(y))
    values = np.asarray(y[:count], dtype=np.float64)
    indices: set[int] = {0, count - 1}
    for piece in np.array_split(np.arange(count), _MANY // 2):
        finite = piece[np.isfinite(values[piece])]
        if finite.size < piece.size:
            indices.add(int(piece[~np.isfinite(values[piece])][0]))
        if finite.size:
            indices.add(int(finite[values[finite].argmin()]))
            indices.add(int(finite[values[finite].argmax()]))
    picked = sorted(indices)
    return [x[index] for index in picked], [y[index] for index in picked]
