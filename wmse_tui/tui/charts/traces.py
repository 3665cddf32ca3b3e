"""A curve on its way to the screen: dots instead of numbers, and a place for what has no number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from wmse_tui.runs.state.curves import Curve
from wmse_tui.tui.charts.axes import Limits, Scale
from wmse_tui.tui.charts.raster import Dot

_MANY = 4096  # points from which on numpy's start pays


@dataclass(frozen=True, slots=True)
class Trace:
    """A curve in dots, from the lower left.

    Attributes:
        lines: dots to be joined; a missing value ends a line.
        points: every value, for curves that mark each.
        band: lowest and highest dot of the band in a column of dots.
        missing: columns of dots where a value was missing or not finite.
        sunk: columns of dots where a value has no place on a logarithmic axis.
    """

    lines: tuple[tuple[Dot, ...], ...]
    points: tuple[Dot, ...]
    band: dict[int, Dot]
    missing: tuple[int, ...]
    sunk: tuple[int, ...]


def trace(curve: Curve, across: Scale, up: Scale, *, band: bool = False) -> Trace:
    """`curve` on two scales; what lies left or right of them is left out."""
    x, y = _thinned(curve.x, curve.y)
    pieces: list[list[Dot]] = [[]]
    missing, sunk = [column for mark in curve.marks if (column := across.inside(mark)) is not None], []
    for column, value in _placed(x, y, across):
        if not math.isfinite(value):
            missing.append(column)
        elif (dot := up.place(value)) is None:
            sunk.append(column)
        else:
            pieces[-1].append((column, dot))
            continue
        pieces.append([])
    return Trace(
        lines=tuple(tuple(_steep(piece)) for piece in pieces if piece),
        points=tuple(dot for piece in pieces for dot in piece if 0 <= dot[1] < up.dots),
        band=_band(curve, across, up) if band else {},
        missing=tuple(missing),
        sunk=tuple(sunk),
    )


def extent(curves: Iterable[Curve], *, log: bool = False, band: bool = True) -> Limits | None:
    """The least and the greatest value that can be drawn; None where there is none."""
    least, greatest = math.inf, -math.inf
    for curve in curves:
        bands = (curve.low, curve.high) if band and _has_band(curve) else ()
        for values in (curve.y[: len(curve.x)], *bands):
            for value in values:
                if math.isfinite(value) and (value > 0 or not log):
                    least, greatest = min(least, value), max(greatest, value)
    return (least, greatest) if least <= greatest else None


def span(curves: Iterable[Curve]) -> Limits | None:
    """The least and the greatest finite x."""
    found = [x for curve in curves for x in (*curve.x, *curve.marks) if math.isfinite(x)]
    return (min(found), max(found)) if found else None


def _has_band(curve: Curve) -> bool:
    return bool(curve.low) and len(curve.low) == len(curve.high) == len(curve.y)


def _placed(x: Sequence[float], y: Sequence[float], across: Scale) -> list[tuple[int, float]]:
    pairs = zip(x, y, strict=False)
    placed = [(column, value) for at, value in pairs if (column := across.inside(at)) is not None]
    if any(one[0] > other[0] for one, other in pairwise(placed)):
        placed.sort(key=lambda pair: pair[0])
    return placed


def _steep(piece: Sequence[Dot]) -> Iterable[Dot]:
    """Of many dots in a column the first, the lowest, the highest and the last: as the eye would see all."""
    for column, group in groupby(piece, key=lambda dot: dot[0]):
        rows = [row for _, row in group]
        for row in dict.fromkeys((rows[0], min(rows), max(rows), rows[-1])):
            yield column, row


def _band(curve: Curve, across: Scale, up: Scale) -> dict[int, Dot]:
    band: dict[int, Dot] = {}
    if not _has_band(curve):
        return band
    for at, low, high in zip(curve.x, curve.low, curve.high, strict=False):
        column = across.inside(at)
        if column is None or not math.isfinite(low) or not math.isfinite(high):
            continue
        top = up.place(max(low, high))
        if top is not None:
            bottom = up.place(min(low, high))
            lowest, highest = band.get(column, (up.dots, -1))
            band[column] = (min(lowest, 0 if bottom is None else bottom), max(highest, top))
    return band


def _thinned(x: Sequence[float], y: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Far more points than any screen has columns: the lowest and the highest of each of 2048 pieces.

    What is not finite stays where it is, one for each piece.
    """
    if min(len(x), len(y)) <= _MANY:
        return x, y
    import numpy as np  # here only: a chart of a screenful needs none of it

    count = min(len(x), len(y))
    values = np.asarray(y[:count], dtype=np.float64)
    kept: set[int] = {0, count - 1}
    for piece in np.array_split(np.arange(count), _MANY // 2):
        finite = piece[np.isfinite(values[piece])]
        if finite.size < piece.size:
            kept.add(int(piece[~np.isfinite(values[piece])][0]))
        if finite.size:
            kept.add(int(finite[values[finite].argmin()]))
            kept.add(int(finite[values[finite].argmax()]))
    picked = sorted(kept)
    return [x[index] for index in picked], [y[index] for index in picked]
