"""Groups of runs in the list, and columns of any option or result."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from runs_screen import current, press, table
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Ask, MarkPicker
from wmse_tui.tui.widgets.runs.board import RunBoard

pytestmark = pytest.mark.asyncio

MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


def line_of(text: str, start: str) -> str:
    """The line of the list that begins with `start`."""
    (found,) = [line for line in text.splitlines()[3:] if line.strip().startswith(start)][:1]
    return found


async def test_runs_are_grouped_by_seed_with_means_and_any_option_is_a_column(
    on_runs: OnRuns, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    first = make_run("first", overrides=("seed=1",), started=1.6e9)
    second = make_run("second", overrides=("seed=2",), started=1.6e9 + 7200)
    second.events.write_text(second.events.read_text().replace("0.8125", "0.7725"))
    make_run("third", "stopped", overrides=("seed=3",), started=1.6e9 + 14400)
    make_run("other", overrides=("optimizer.lr=0.5",), started=1.6e9 + 21600)
    shutil.copytree(first.path, first.path.with_name("a-copy"))
    async with on_runs("a-copy", size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: len(table(app).rows) == 5)
        board = app.screen.query_one(RunBoard)
        await press(pilot, "runs-group")
        await until(pilot, lambda: "1 group by seed" in screen_text(app))
        head = line_of(screen_text(app), "▸ quickstart")
        assert "79.25 ± 2.83" in head, "a copy is not counted twice"
        assert "87.50 ± 0.00" in head
        assert "3 of 4" in head

        await pilot.press("G")
        shown = screen_text(app)
        assert "mean over 2 completed runs; 1 copy of them not counted" in shown
        assert "last 79.25 ± 2.83 % 5-NN, 87.50 ± 0.00 % linear · best 79.25 ± 2.83 % 5-NN" in shown
        assert "seeds 1, 2, 3" in shown
        assert "they differ in the seed alone" in shown
        assert [row.run_id for row in board.targets].count("third") == 1
        assert len(board.targets) == 4
        await press(pilot, "runs-duplicate")
        assert "unfold the group with Enter" in "".join(message.message for message in app.messages)

        await pilot.press("enter", "j")
        assert current(app) in ("a-copy", "first", "second", "third")
        assert line_of(screen_text(app), "▾ quickstart")
        await pilot.press("k", "enter", "space")
        assert {row.run_id for row in board.targets} == {"a-copy", "first", "second", "third"}
        assert app.services.saved.current.runs.group == "seed"

        for _ in range(3):  # sweep, tag, not at all
            await press(pilot, "runs-group")
        assert "▸" not in screen_text(app)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, MarkPicker))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"optimizer.lrr")
        assert "did you mean optimizer.lr?" in screen_text(app)
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: not isinstance(app.screen, Ask))
        assert "[x] optimizer.lr" in screen_text(app)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"encoder.eff")
        await until(pilot, lambda: "encoder.effective_rank" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: not isinstance(app.screen, Ask))
        await pilot.press("enter")
        await until(pilot, lambda: "0.5" in line_of(screen_text(app), "other").split())
        assert "48.8" in line_of(screen_text(app), "other").split(), "the effective rank of 64 dimensions"
        assert app.services.saved.current.runs.columns[-2:] == ["optimizer.lr", "encoder.effective_rank"]
