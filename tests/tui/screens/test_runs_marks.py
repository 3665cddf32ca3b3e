"""Filter, order and marks of the Runs screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from runs_screen import DAY, current, listed
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp

pytestmark = pytest.mark.asyncio

MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


async def test_the_filter_narrows_the_list_while_one_types(
    on_runs: OnRuns, every_state: dict[str, RunDirectory], screen_text: ScreenText, until: Until
) -> None:
    async with on_runs("run-unknown") as (app, pilot):
        await pilot.press("slash", *"state:")
        assert len(listed(app)) == 11
        await pilot.press(*"st")
        assert listed(app) == ["run-starting", "run-stalled", "run-stopped"]
        await pilot.press("a", "enter")
        await until(pilot, lambda: listed(app) == ["run-starting", "run-stalled"])
        assert "shown for state:sta" in screen_text(app)
        await pilot.press("j")
        assert current(app) == "run-stalled"
        await pilot.press("escape")
        assert len(listed(app)) == 11
        assert current(app) == "run-stalled"


async def test_a_filter_without_a_match_is_reported(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("slash", *"qqq:1")
        assert "no field is called qqq" in screen_text(app)
        assert "No run matches 'qqq:1'. Escape shows all." in screen_text(app)
        await pilot.press("escape")
        assert listed(app) == ["new", "middle", "old"]


async def test_the_order_changes_by_key_and_is_shown(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    make_run("b", started=1.7e9)
    make_run("a", started=1.7e9 - DAY, overrides=("method={name: byol}",))
    async with on_runs("byol", size=(160, 30)) as (app, pilot):
        assert "Age▲" in screen_text(app)
        await pilot.press("full_stop", "full_stop", "full_stop")  # tags, host, run
        assert "Run▲" in screen_text(app)
        assert listed(app) == ["a", "b"]
        await pilot.press("R")
        assert "Run▼" in screen_text(app)
        assert listed(app) == ["b", "a"]
        await pilot.press("l", "l", "l", "h", "right")
        assert "Method▲" in screen_text(app)
        assert listed(app) == ["a", "b"]


async def test_marks_are_counted_and_stay(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("space", "space")
        assert current(app) == "old"
        assert "3 runs · 2 marked" in screen_text(app)
        assert [row[1] for row in screen_text(app).split("\n")[3:6] if row] == ["●", "●", " "]
        await pilot.press("slash", *"old", "enter")
        assert "2 marked (2 not shown)" in screen_text(app)
        await pilot.press("asterisk", "escape", "tilde")
        assert "marked" not in screen_text(app).split("\n")[1]
        await pilot.press("asterisk", "underscore")
        assert "marked" not in screen_text(app).split("\n")[1]


async def test_the_mouse_moves_marks_sorts_and_opens(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    async def open_run(_: WmseApp, run: RunDirectory) -> None:
        opened.append(run.id)

    monkeypatch.setattr(WmseApp, "open_run", open_run)
    async with on_runs("old") as (app, pilot):
        await pilot.click("#runs-table", offset=(10, 2))
        assert current(app) == "middle"
        await pilot.click("#runs-table", offset=(2, 3))
        assert "1 marked" in screen_text(app)
        await pilot.click("#runs-table", offset=(4, 0))
        assert "Run▲" in screen_text(app)
        await pilot.click("#runs-table", offset=(4, 0))
        assert "Run▼" in screen_text(app)
        await pilot.click("#runs-table", offset=(10, 1), times=2)
        await pilot.pause()
        assert opened == ["old"]
