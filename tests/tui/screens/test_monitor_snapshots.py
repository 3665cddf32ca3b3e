"""Snapshots of Monitor: four themes at one size, one theme at the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from events import read_log
from textual.pilot import Pilot
from textual.widgets import Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Artifact, Control, Event, Notice, Record, Resources
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.scatter import Scatter
from wmse_tui.tui.widgets.monitor.panels import Panels

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
Compare = Callable[..., bool]
Until = Callable[..., Awaitable[None]]

THEMES: dict[str, dict[str, Any]] = {
    "dark": {"theme": "dark"},
    "light": {"theme": "light"},
    "terminal": {"theme": "terminal"},
    "ascii": {"theme": "dark", "ascii": True},
}


@pytest.fixture
def running(make_run: MakeRun) -> RunDirectory:
    """A run on a GPU, with a map of its embeddings, a notice and an answered request."""
    run = make_run("small", "running", overrides=["method.whitening_size=128"])
    points = np.random.default_rng(0).normal(size=(60, 2)) + 4 * np.eye(2)[np.arange(60) % 2]
    np.savez(
        run.artifacts / "embedding.npz",
        points=points.astype(np.float32),
        labels=np.arange(60) % 2,
        classes=np.array(["stripes", "rings"]),
        step=10,
        epoch=2,
        method="tsne",
    )
    last = read_log(run.events)[-1]
    events: list[Event] = [
        Artifact(kind="embedding", file="embedding.npz", step=10, epoch=2, seconds=0.1),
        *(
            Resources(
                step=10,
                gpu="NVIDIA H100",
                gpu_utilisation=0.5 + load / 40,
                gpu_memory=2e10,
                gpu_memory_total=8e10,
                gpu_temperature=61.0,
                gpu_power=350.0,
                gpu_power_limit=700.0,
                cpu=1.5,
                cpu_count=16,
                memory=3e9,
                memory_total=128e9,
            )
            for load in range(16)
        ),
        Notice("warning", "W", "the images are read from a slow disk"),
        Control("1", "checkpoint", "done", "step-00000010.pt"),
    ]
    with run.events.open("a") as file:
        for number, event in enumerate(events, 1):
            file.write(encode(Record(1, last.seq + number, last.t, 1, event)) + "\n")
    return run


@pytest.fixture
def compare(snap_compare: Compare, until: Until, running: RunDirectory, make_app: MakeApp) -> Compare:
    """Compares the app on that run after some keys, once everything that threads read is on the screen."""

    def check(size: tuple[int, int], theme: str, *keys: str) -> bool:
        async def settle(pilot: Pilot[Any]) -> None:
            def read() -> bool:
                panels = pilot.app.screen.query_one(Panels)
                shown = {
                    "log": panels.log_lines.lines.lines,
                    "config": panels.config.lines.lines,
                    "map": panels.query_one(Scatter).points,
                }
                drawn = panels.query("#plots Plot").results(Plot)
                plots = [plot for plot in drawn if "plots" in panels.in_sight and plot.display]
                return all(shown[panel] for panel in panels.in_sight & set(shown)) and all(
                    plot.content.curves for plot in plots
                )

            await until(pilot, lambda: pilot.app.screen.query(Panels))
            for key in keys:
                await pilot.press(key)
            await until(pilot, read)
            await pilot.pause()

        return snap_compare(make_app(run=running, **THEMES[theme]), terminal_size=size, run_before=settle)

    return check


@pytest.mark.parametrize("theme", THEMES)
def test_a_running_run_at_120x40(compare: Compare, theme: str) -> None:
    assert compare((120, 40), theme)


def test_a_running_run_at_80x24(compare: Compare) -> None:
    assert compare((80, 24), "dark")


@pytest.mark.parametrize("panel", ["W", "M", "L", "C"])
def test_a_panel_at_80x24(compare: Compare, panel: str) -> None:
    assert compare((80, 24), "dark", panel)


def test_a_large_screen(compare: Compare) -> None:
    assert compare((200, 60), "dark")


def test_the_smallest_screen(compare: Compare) -> None:
    assert compare((60, 18), "dark")


def test_without_a_run(snap_compare: Compare, make_app: MakeApp, until: Until) -> None:
    async def go(pilot: Pilot[Any]) -> None:
        await pilot.press("2")
        text = pilot.app.screen.query_one("#no-run", Static)
        await until(pilot, lambda: "no runs" in str(text.content))

    assert snap_compare(make_app(), terminal_size=(80, 24), run_before=go)
