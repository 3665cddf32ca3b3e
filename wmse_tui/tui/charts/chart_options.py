"""How the charts of a screen are drawn: over which x, how much of it, and how smooth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from wmse_tui.runs.state.curves import Axis, Curve, extent
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.axis import Limits

Item = TypeVar("Item")

_AXES: tuple[Axis, ...] = ("epoch", "step", "hours")
_RECENT: tuple[float | None, ...] = (None, 0.5, 0.2, 0.05)
_SMOOTHING = (0.0, 0.6, 0.9, 0.97)


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """What a person can change about charts.

    Attributes:
        axis: what x is.
        recent: the share of x up to its end that is drawn; None: all of it.
        smoothing: weight of the past in an exponential moving average; 0: none.
        window: the ends of x that were zoomed to; None: those that `recent` gives.
        cursor: the x whose values are shown; None: there is no cursor.
    """

    axis: Axis = "epoch"
    recent: float | None = None
    smoothing: float = 0.0
    window: Limits | None = None
    cursor: float | None = None

    @property
    def zoomed(self) -> bool:
        """Whether only a part of x is drawn."""
        return self.recent is not None or self.window is not None

    def next(self, option: Literal["axis", "recent", "smoothing"], by: int = 1) -> ChartOptions:
        """These options with the next value of one of them."""
        match option:
            case "axis":
                return replace(self, axis=next_of(_AXES, self.axis, by), window=None, cursor=None)
            case "recent":
                return replace(self, recent=next_of(_RECENT, self.recent, by), window=None)
            case "smoothing":
                return replace(self, smoothing=next_of(_SMOOTHING, self.smoothing, by))


def options_of(axis: str, smoothing: float) -> ChartOptions:
    """The options with these values; those that there are not are left out."""
    found = next((one for one in _AXES if one == axis), _AXES[0])
    return ChartOptions(axis=found, smoothing=smoothing if smoothing in _SMOOTHING else 0.0)


def moved_cursor(options: ChartOptions, limits: Limits, share: float) -> ChartOptions:
    """The cursor moved by a share of `limits`, not beyond them; a new one begins at the right end."""
    low, high = limits
    at = high if options.cursor is None else options.cursor + share * (high - low)
    return replace(options, cursor=min(max(at, low), high))


def magnified(
    options: ChartOptions, limits: Limits, whole: Limits, factor: float, around: float | None = None
) -> ChartOptions:
    """`factor` times as much of x as `limits`, around an x (the cursor, or the end), within `whole`."""
    low, high = limits
    centre = around if around is not None else high if options.cursor is None else options.cursor
    length = (high - low) * factor
    if length >= whole[1] - whole[0]:
        return replace(options, window=None, recent=None)
    begin = centre - (centre - low) / (high - low) * length
    return replace(options, window=_within(begin, length, whole))


def panned(options: ChartOptions, limits: Limits, whole: Limits, share: float) -> ChartOptions:
    """x moved by a share of `limits`, not beyond `whole`."""
    length = limits[1] - limits[0]
    return replace(options, window=_within(limits[0] + share * length, length, whole))


def _within(begin: float, length: float, whole: Limits) -> Limits:
    begin = min(max(begin, whole[0]), whole[1] - length)
    return begin, begin + length


def next_of(values: Sequence[Item], value: Item, by: int = 1) -> Item:
    """The value `by` positions after `value`, cyclically."""
    return values[(values.index(value) + by) % len(values)]


def x_range(runs: Iterable[RunState], options: ChartOptions) -> Limits | None:
    """The x axis of all of `runs`, one for them all also where it is zoomed; None without any."""
    ranges = [extent(run_state, options.axis, recent=options.recent) for run_state in runs]
    if not ranges:
        return None
    if options.window is not None:
        return options.window
    if options.recent is not None:  # of the run that is farthest
        return max(ranges, key=lambda ends: ends[1])
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def in_percent(curve: Curve) -> Curve:
    """A curve of fractions in percent."""
    y, low, high = (tuple(100 * value for value in values) for values in (curve.y, curve.low, curve.high))
    return replace(curve, y=y, low=low, high=high)
