"""A figure as inline SVG: no script, colours by classes that the page defines for light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from wmse_tui.runs.report.document import Figure
from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.text.axis import Scale, round_limits, ticks
from wmse_tui.runs.text.sanitize import safe, shortened_apart

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 40
TICKS = 6
COLOURS = 8  # as many curves can be distinguished
SHOWN_LABEL = 48  # characters


def figure_svg(figure: Figure) -> str:
    """The figure as one `<svg>` element; "" where it has no finite value."""
    values = list(_values(figure))
    if not values:
        return ""
    low, high = round_limits(min(values), max(values), log=figure.log)
    first = min(0.0, *(curve.x[0] for curve in figure.curves))
    last = max(curve.x[-1] for curve in figure.curves)
    if last <= first:
        last = first + 1
    across = Scale(first, last, WIDTH - LEFT - RIGHT + 1)
    up = Scale(low, high, HEIGHT - TOP - BOTTOM + 1, figure.log)
    title = escape(safe(figure.caption))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        *_axes(figure, across, up, (first, last), (low, high)),
        *_references(figure, up),
        *(
            line
            for place, curve in enumerate(figure.curves)
            for line in _curve(curve, place % COLOURS, across, up)
        ),
        "</svg>",
    ]
    return "\n".join(parts)


def legend(figure: Figure) -> str:
    """The labels of the curves and of the references, as a list in HTML; "" for one curve without any."""
    names = shortened_apart([safe(curve.label) for curve in figure.curves], SHOWN_LABEL)
    labels = [f'<li class="c{place % COLOURS}">{escape(name)}</li>' for place, name in enumerate(names)]
    labels = labels if len(labels) > 1 else []
    labels += [
        f'<li class="ref">{escape(safe(f"{text} {value:.4g}"))}</li>' for value, text in figure.references
    ]
    return f'<ul class="legend">{"".join(labels)}</ul>' if labels else ""


def _values(figure: Figure) -> Iterator[float]:
    for curve in figure.curves:
        for value in (*curve.y, *curve.low, *curve.high):
            if math.isfinite(value) and (value > 0 or not figure.log):
                yield value
    for value, _ in figure.references:
        if math.isfinite(value) and (value > 0 or not figure.log):
            yield value


def _x(scale: Scale, value: float) -> int:
    return LEFT + (scale.dot(value) or 0)


def _y(scale: Scale, value: float) -> int | None:
    dot = scale.dot(value) if math.isfinite(value) else None
    return None if dot is None else HEIGHT - BOTTOM - dot


def _axes(
    figure: Figure, across: Scale, up: Scale, x: tuple[float, float], y: tuple[float, float]
) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for tick in ticks(*y, TICKS, log=figure.log):
        at = _y(up, tick.value)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>'
        yield f'<text x="{LEFT - 6}" y="{(at or 0) + 4}" text-anchor="end">{escape(tick.label)}</text>'
    for tick in ticks(*x, TICKS, whole=True):
        at = _x(across, tick.value)
        yield f'<line class="axis" x1="{at}" x2="{at}" y1="{bottom}" y2="{bottom + 4}"/>'
        yield f'<text x="{at}" y="{bottom + 17}" text-anchor="middle">{escape(tick.label)}</text>'
    yield f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
    yield f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">{escape(safe(figure.x_title))}</text>'


def _references(figure: Figure, up: Scale) -> Iterator[str]:
    for value, _ in figure.references:
        if (at := _y(up, value)) is not None:
            yield f'<line class="ref" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'


def _curve(curve: Curve, place: int, across: Scale, up: Scale) -> Iterator[str]:
    if curve.low and curve.high:
        yield from _band(curve, place, across, up)
    pieces: list[list[str]] = [[]]
    for x, y in zip(curve.x, curve.y, strict=True):
        at = _y(up, y)
        if at is None:  # a gap
            pieces.append([])
        else:
            pieces[-1].append(f"{_x(across, x)} {at}")
    for piece in pieces:
        if len(piece) > 1:
            yield f'<path class="line c{place}" d="M{"L".join(piece)}"/>'
        if curve.points or len(piece) == 1:
            for point in piece:
                x_at, y_at = point.split()
                yield f'<circle class="dot c{place}" cx="{x_at}" cy="{y_at}" r="2.5"/>'


def _band(curve: Curve, place: int, across: Scale, up: Scale) -> Iterator[str]:
    points = [
        (_x(across, x), _y(up, low), _y(up, high))
        for x, low, high in zip(curve.x, curve.low, curve.high, strict=True)
    ]
    known = [(x, low, high) for x, low, high in points if low is not None and high is not None]
    if len(known) > 1:
        above = "L".join(f"{x} {high}" for x, _, high in known)
        below = "L".join(f"{x} {low}" for x, low, _ in reversed(known))
        yield f'<path class="band c{place}" d="M{above}L{below}Z"/>'


def curve_classes(colours: Sequence[str]) -> str:
    """The style of as many curves as there are colours, each a CSS value."""
    return "\n".join(f".c{place}{{--c:{colour}}}" for place, colour in enumerate(colours))
