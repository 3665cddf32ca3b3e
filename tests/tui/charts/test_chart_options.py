"""The options that the charts of a screen share: one x axis for all runs, zoomed or not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from events import attempt

from wmse_tui.runs.log.events import Record, Steps
from wmse_tui.runs.state.curves import Axis, curve
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState
from wmse_tui.tui.charts.chart_options import ChartOptions, x_range


def run_of(done: int) -> RunState:
    records = [Record(1, 1, 0.0, 1, attempt(epochs=10, steps_per_epoch=10))]
    records += [Record(1, 2 + n, 60.0 * n, 1, Steps(1 + n, (1.0,), (0.1,))) for n in range(done)]
    return fold(RunState(), records)


@pytest.mark.parametrize("axis", ["epoch", "step", "hours"])
def test_a_zoom_has_the_same_ends_for_a_long_run_and_a_short_one(axis: Axis) -> None:
    long, short = run_of(100), run_of(20)
    options = replace(ChartOptions(), axis=axis, recent=0.5)
    limits = x_range((short, long), options)
    assert limits == x_range((long,), options)
    assert limits is not None
    for state in (long, short):
        drawn = curve(state, "loss", axis=axis, window=limits)
        assert all(limits[0] - 1e-9 <= x <= limits[1] + 1e-9 for x in drawn.x)
    assert not curve(short, "loss", axis=axis, window=limits).x, "it ended before the zoomed part"
