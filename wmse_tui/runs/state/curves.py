"""Curves for charts: values over an axis.

A curve costs a few milliseconds however long the run is: it is made of at most `columns` buckets of the
series, or of the few values that exist.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from wmse_tui.runs.state.diagnostic_notes import DIAGNOSTIC_NOTES, NULL_NAMES
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.sparse_series import SparseSeries
from wmse_tui.runs.state.verdict import loss_without_structure, slice_floor

Axis: TypeAlias = Literal["epoch", "step", "hours"]
_HOUR = 3600.0
_NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


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
    evaluated: tuple[float, ...] = ()  # of a curve of many values: where on `x` the encoder was evaluated


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that can be drawn; accuracies are fractions, whatever unit a screen shows."""

    name: str
    title: str
    unit: str
    per_step: bool  # one value per step or report; else one per evaluation or diagnostics sample


QUANTITIES: Mapping[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("loss", "Loss", "", True),
        Quantity("knn", "k-NN accuracy", "fraction", False),
        Quantity("linear", "Linear accuracy", "fraction", False),
        Quantity("lr", "Learning rate", "", True),
        Quantity("images_per_second", "Throughput", "images/s", True),
        Quantity("gpu_utilisation", "GPU utilisation", "fraction", True),
        Quantity("gpu_memory", "GPU memory", "GB", True),
        Quantity("gpu_temperature", "GPU temperature", "°C", True),
        Quantity("gpu_power", "GPU power", "W", True),
        Quantity("cpu", "CPU", "cores", True),
        Quantity("memory", "Memory", "GB", True),
        *(Quantity(note.name, note.title, note.unit, False) for note in DIAGNOSTIC_NOTES.values()),
    )
}


def curve(
    state: RunState,
    quantity: str,
    *,
    axis: Axis = "epoch",
    columns: int = 240,
    window: tuple[float, float] | None = None,
    smoothing: float = 0.0,
    label: str = "",
    space: str = "projector",
    rank: int | None = None,
) -> Curve:
    """The values of `quantity` in the run so far.

    Args:
        state: the run.
        quantity: a name in QUANTITIES.
        axis: what x is: epochs, steps, or hours of the trainers' time (`RunState.elapsed`).
        columns: buckets at most; more cannot be seen.
        window: only from this x to that one, in as many buckets; None: the whole run.
        smoothing: weight in [0, 1) of what came before in an exponential moving average, corrected for its
            beginning. It runs over the buckets of loss and throughput, of those shown; the extremes of the
            buckets stay as they are. Quantities with a value now and then are never smoothed.
        label: of the curve; the quantity's title where it is empty.
        space: whose embeddings, for the quantities of diagnostics: projector, features or encoder.
        rank: of several, for what is used of the machine; None: as `Resources` has it.
    """
    ruler = _Ruler(state, axis)
    first, last = (0, None) if window is None else ruler.steps_between(*window)
    label = label or QUANTITIES[quantity].title
    evaluated = tuple(
        ruler.x(one.step)
        for one in state.evaluations
        if one.step >= first and (last is None or one.step <= last)
    )
    match quantity:
        case "loss":
            drawn = _loss(state, ruler, first, last, columns, smoothing, label)
            return replace(drawn, evaluated=evaluated)
        case "lr":
            drawn = _rate(_until(state.rates, last), ruler, first, columns, label)
            return replace(drawn, evaluated=evaluated)
        case "images_per_second":
            drawn = _speed(_until(state.speeds, last), ruler, first, columns, smoothing, label)
            return replace(drawn, evaluated=evaluated)
        case "knn":
            found = [(e.step, e.knn_top1) for e in state.evaluations]
        case "linear":
            found = [(e.step, e.linear_top1) for e in state.evaluations]
        case "gpu_utilisation" | "gpu_memory" | "gpu_temperature" | "gpu_power" | "cpu" | "memory":
            scale = 1e-9 if QUANTITIES[quantity].unit == "GB" else 1.0
            loads = [(row.step, row if rank is None else row.of_rank(rank)) for row in state.resource_rows]
            read = [(step, getattr(load, quantity, None)) for step, load in loads]
            found = [(step, None if value is None else scale * value) for step, value in read]
            return replace(_points(ruler, (first, last), found, columns, label), points=False)
        case _:
            samples = [event for event in state.diagnostics if event.space == space]
            found = [(event.step, getattr(event, quantity)) for event in samples]
            return _points(ruler, (first, last), found, columns, label, marked=True)
    return _points(ruler, (first, last), found, columns, label)


def has_values(state: RunState, quantity: str) -> bool:
    """Whether the run has a value of `quantity`; of the diagnostics only the newest sample counts."""
    match quantity:
        case "loss":
            return state.loss.last_step > 0
        case "lr":
            return bool(state.rates)
        case "images_per_second":
            return bool(state.speeds)
        case "knn" | "linear":
            return any(getattr(one, f"{quantity}_top1") is not None for one in state.evaluations)
        case _ if quantity in DIAGNOSTIC_NOTES:
            return getattr(state.latest("projector"), quantity, None) is not None
        case _:
            return getattr(state.resources, quantity, None) is not None


def _until(series: SparseSeries, last: int | None) -> SparseSeries:
    return series if last is None else series.truncated(last)


def extent(state: RunState, axis: Axis, *, recent: float | None = None) -> tuple[float, float]:
    """The range of x: the whole run as planned, or the last part of the run so far.

    Hours end at a round number beyond what the run is expected to take, so that the axis does not change.
    """
    ruler = _Ruler(state, axis)
    now = ruler.x(state.step)
    if recent is not None:
        return ruler.x(ruler.first_step(recent)), now
    if axis == "hours":
        left = 0.0 if state.ended else state.seconds_left or 0.0
        return 0.0, _round_up((state.elapsed + min(left, 1e12)) / _HOUR)
    planned = state.total_steps if axis == "step" else state.epochs
    return 0.0, float(max(planned, now)) or 1.0


def reference(
    state: RunState, quantity: str = "loss", *, space: str = "projector"
) -> tuple[tuple[float, str], ...]:
    """Values of y that mean something by themselves, each with a short label.

    The loss that means nothing is learned; the effective rank and the slices' condition number of isotropic
    noise in as many images; 1 for the `feature_std` of unit vectors that are evenly spread; for the other
    diagnostics the value for isotropic noise, where the log has it.
    """
    if quantity == "loss":
        nothing = loss_without_structure(state.summary)
        return () if nothing is None else ((nothing, "no structure"),)
    sample = state.latest(space)
    if sample is None:
        return ()
    if quantity == "effective_rank" and sample.effective_rank_null is not None:
        return ((sample.effective_rank_null, NULL_NAMES["noise"]),)
    if quantity == "feature_std":
        return ((1.0, NULL_NAMES["even"]),)
    floor = slice_floor(sample, state.summary)
    if quantity == "condition_number" and floor is not None:
        return ((floor, NULL_NAMES["noise"]),)
    null = dict(sample.nulls).get(quantity)
    if null is None or quantity == "condition_number":
        return ()
    return ((null, NULL_NAMES[DIAGNOSTIC_NOTES[quantity].null]),)


def step_at(state: RunState, axis: Axis, x: float) -> int:
    """The last step at or before `x` of an axis; 0 before the first."""
    return max(0, _Ruler(state, axis).steps_between(0.0, x)[1])


def x_of_step(state: RunState, axis: Axis, step: int) -> float:
    """Where `step` is on an axis."""
    return _Ruler(state, axis).x(step)


class _Ruler:
    """Steps on an axis, and back."""

    def __init__(self, state: RunState, axis: Axis) -> None:
        self.last = state.step
        self.clock = state.clock
        self.axis = axis
        self.per_epoch = max(1, state.setup.steps_per_epoch) if state.setup is not None else 1

    def x(self, step: float) -> float:
        match self.axis:
            case "step":
                return float(step)
            case "epoch":
                return step / self.per_epoch
            case "hours":
                return (self.clock.at(step) or 0.0) / _HOUR

    def steps_between(self, low: float, high: float) -> tuple[int, int]:
        """The first and the last step between two values of x."""
        if self.axis == "hours":
            first, last = self.clock.first_at(low * _HOUR), self.clock.first_at(high * _HOUR)
            ended = (self.clock.at(first) or 0.0) < low * _HOUR - 1e-6
            return first + ended, last
        scale = self.per_epoch if self.axis == "epoch" else 1
        return math.ceil(low * scale - 1e-6), math.floor(high * scale + 1e-6)

    def first_step(self, recent: float | None) -> int:
        """The first step of the last part of the run so far."""
        if recent is None:
            return 0
        share = 1 - min(max(recent, 0.0), 1.0)
        if self.axis != "hours":
            return math.ceil(self.last * share)
        return self.clock.first_at((self.clock.at(self.last) or 0.0) * share)


def _loss(
    state: RunState,
    ruler: _Ruler,
    first: int,
    last: int | None,
    columns: int,
    smoothing: float,
    label: str,
) -> Curve:
    series = state.loss
    first, last = max(1, first), series.last_step if last is None else min(last, series.last_step)
    level = series.level_for(columns, first, last)
    size = 1 << level
    buckets = series.buckets(level, first, last) if first <= last else ()

    def middle(begin: int) -> float:
        return ruler.x((max(begin, first) + min(begin + size - 1, last)) / 2)

    whole = {
        bucket.first for bucket in buckets if bucket.count > min(bucket.first + size - 1, last) - bucket.first
    }
    begins = range(((first - 1) >> level << level) + 1, last + 1, size)
    return Curve(
        label=label,
        x=tuple(middle(bucket.first) for bucket in buckets),
        y=_smooth([bucket.mean for bucket in buckets], smoothing),
        low=tuple(bucket.minimum for bucket in buckets),
        high=tuple(bucket.maximum for bucket in buckets),
        marks=tuple(middle(begin) for begin in begins if begin not in whole),
    )


def _rate(rates: SparseSeries, ruler: _Ruler, first: int, columns: int, label: str) -> Curve:
    """A schedule has no noise, so some of its values do."""
    picked = rates.picked(columns, first)
    return Curve(
        label=label, x=tuple(ruler.x(step) for step, _ in picked), y=tuple(rate for _, rate in picked)
    )


def _speed(
    speeds: SparseSeries, ruler: _Ruler, first: int, columns: int, smoothing: float, label: str
) -> Curve:
    steps, values = speeds.knots(first)
    drawn = _grouped(steps, values.tolist(), ruler, columns, label, extremes=False)
    return replace(drawn, y=_smooth(drawn.y, smoothing))


def _points(
    ruler: _Ruler,
    between: tuple[int, int | None],
    found: Iterable[tuple[int, float | None]],
    columns: int,
    label: str,
    *,
    marked: bool = False,
) -> Curve:
    """The values that exist; if `marked`, those that are missing among them are marked."""
    first, last = between
    within = (item for item in found if item[0] >= first and (last is None or item[0] <= last))
    shown = sorted(within, key=lambda item: item[0])
    known = [(step, value) for step, value in shown if value is not None]
    drawn = _grouped([step for step, _ in known], [value for _, value in known], ruler, columns, label)
    missing = tuple(ruler.x(step) for step, value in shown if value is None)
    marks = missing[:: max(1, len(missing) // columns)] if marked and known else ()
    if len(known) > columns:
        return replace(drawn, marks=marks)
    return replace(drawn, low=(), high=(), marks=marks, points=True)


def _grouped(
    steps: Sequence[float],
    values: Sequence[float],
    ruler: _Ruler,
    columns: int,
    label: str,
    *,
    extremes: bool = True,
) -> Curve:
    """At most `columns` groups of as many values each: their mean, at the middle of their steps."""
    size = max(1, -(-len(steps) // columns))
    begins = range(0, len(steps), size)
    groups = [values[begin : begin + size] for begin in begins]
    return Curve(
        label=label,
        x=tuple(ruler.x((steps[i] + steps[min(i + size, len(steps)) - 1]) / 2) for i in begins),
        y=tuple(sum(group) / len(group) for group in groups),
        low=tuple(map(min, groups)) if extremes else (),
        high=tuple(map(max, groups)) if extremes else (),
    )


def _smooth(values: Sequence[float], weight: float) -> tuple[float, ...]:
    """The exponential moving average of `values`, as if nothing had come before the first."""
    if not 0 < weight < 1:
        return tuple(values)
    smoothed, mean, share = [], 0.0, 1.0
    for value in values:
        mean = weight * mean + (1 - weight) * value
        share *= weight
        smoothed.append(mean / (1 - share))
    return tuple(smoothed)


def _round_up(hours: float) -> float:
    """The next round number; a hundredth of an hour at least."""
    scale = 10.0 ** math.floor(math.log10(max(hours, 0.01)))
    return next(nice * scale for nice in _NICE if nice * scale >= hours * (1 - 1e-9))
