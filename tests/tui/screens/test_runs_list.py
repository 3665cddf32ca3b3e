"""The list of the Runs screen, live, and the screen without runs."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from monitor_screen import run_of
from runs_screen import DAY, current, listed, messages, table
from textual.pilot import Pilot

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import MarkPicker
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.screens.runs import RunsScreen

pytestmark = pytest.mark.asyncio

MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


async def test_every_run_is_listed_with_its_values(
    on_runs: OnRuns, every_state: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("run-unknown", size=(160, 40)) as (app, _):
        rows = screen_text(app).splitlines()
        assert listed(app) == [run.id for run in every_state.values()]
        for state, run in every_state.items():
            (row,) = [row for row in rows[3:14] if run.id in row]
            assert state in row.replace(run.id, "")
        (row,) = [row for row in rows[3:14] if "run-completed" in row]
        for text in ("quickstart", "w_mse", "patterns", "4/4", "81.25", "87.50", "gpu-a", "█▇"):
            assert text in row
        assert "11 runs · 4 being trained" in rows[1]


async def test_at_eighty_columns_the_most_useful_columns_are_left(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, _):
        rows = screen_text(app).splitlines()
        assert rows[2].split() == ["Run", "State", "Method", "Epoch", "Curve", "k-NN%", "Lin.%", "Age▲"]
        assert rows[3].split()[:4] == ["new", "completed", "w_mse", "4/4"]


async def test_copied_runs_are_in_the_order_of_the_ages_that_are_shown(
    on_runs: OnRuns, make_run: MakeRun, until: Until
) -> None:
    for days, name in ((2, "a"), (5, "b"), (1, "c"), (3, "d")):
        run = make_run(name, started=1.7e9 - DAY * days)
        os.utime(run.config)  # as `cp -r` does
    async with on_runs("c") as (app, pilot):
        assert listed(app) == ["c", "a", "d", "b"]
        await pilot.press("2", "enter")  # the newest
        await until(pilot, lambda: app.services.selection.monitored is not None)
        assert run_of(app).id == "c"


async def test_the_run_under_the_cursor_is_previewed_and_columns_are_chosen(
    on_runs: OnRuns, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    make_run("small", overrides=("seed=3", "optimizer.lr=0.5"))
    async with on_runs("small", size=(120, 40)) as (app, pilot):
        await until(
            pilot,
            lambda: "unlike quickstart: seed 3, optimizer.lr 0.5, schedule" in screen_text(app),
        )
        assert "last 81.25 % 5-NN, 87.50 % linear · best 81.25 % 5-NN, 87.50 % linear" in screen_text(app)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, MarkPicker))
        await pilot.press("j", "j", "space", "G", *"kkkkkkk", "space", "j", "space", "enter")
        await until(pilot, lambda: not isinstance(app.screen, MarkPicker))
        heading = screen_text(app).splitlines()[2].split()
        assert "Preset" not in heading
        assert heading[-2:] == ["Seed", "lr"]
        row = screen_text(app).splitlines()[3].split()
        assert row[-2:] == ["3", "0.5"]
        assert app.services.saved.current.runs.columns[-2:] == ["seed", "lr"]


async def test_a_run_that_begins_appears_and_the_cursor_stays_on_its_run(
    on_runs: OnRuns, dated: dict[str, RunDirectory], make_run: MakeRun, until: Until
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("j")
        assert current(app) == "middle"
        make_run("newest", "running")
        await until(pilot, lambda: listed(app)[0] == "newest")
        assert current(app) == "middle"


async def test_until_it_is_moved_the_cursor_is_on_the_newest_run(
    on_runs: OnRuns, dated: dict[str, RunDirectory], make_run: MakeRun, until: Until
) -> None:
    async with on_runs("old") as (app, pilot):
        make_run("newest", "running")
        await until(pilot, lambda: current(app) == "newest")


async def test_the_state_of_a_run_changes_on_the_screen(
    on_runs: OnRuns, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("mine", "running")
    async with on_runs("running") as (app, pilot):
        ending = make_run("pattern", "stopped").events.read_text()
        run.events.write_text(ending)
        await until(
            pilot, lambda: any("mine" in row and "stopped" in row for row in screen_text(app).split("\n"))
        )


async def test_keys_move_the_cursor(on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText) -> None:
    for number in range(30):
        make_run(f"run-{number:02}", started=1.7e9 - number)
    async with on_runs("run-00") as (app, pilot):
        assert screen_text(app).splitlines()[2].split()[-1] == "Age▲", "beside the scrollbar"
        seen = {}
        for keys in (
            "j", "down", "k", "up", "G", "k", "g", "pagedown", "pageup", "end", "home", "ctrl+d",
            "ctrl+u", "k",
        ):  # fmt: skip
            await pilot.press(keys)
            seen[keys] = current(app)
        assert seen == {
            "j": "run-01", "down": "run-02", "k": "run-00", "up": "run-00", "G": "run-29", "g": "run-00",
            "pagedown": "run-14", "pageup": "run-00", "end": "run-29", "home": "run-00", "ctrl+d": "run-14",
            "ctrl+u": "run-00",
        }  # fmt: skip


async def test_the_cursor_is_always_in_sight(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    for number in range(30):
        make_run(f"run-{number:02}", started=1.7e9 - number)
    async with on_runs("run-00") as (app, pilot):
        await pilot.press("G")
        assert "run-29" in screen_text(app)
        assert "run-00" not in screen_text(app)
        await pilot.resize_terminal(80, 20)
        await pilot.pause()
        assert "run-29" in screen_text(app)


async def test_the_list_reports_logs_being_read_and_answers_keys_meanwhile(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, pilot):
        screen = app.screen
        known = table(app).rows
        app.services.feed.unwatch_list(screen)
        screen.post_message(CatalogueChanged(known, 9))
        await pilot.press("j")
        assert "reading 3 of 12 runs" in screen_text(app)
        assert current(app) == "middle"


async def test_without_runs_enter_leads_to_quickstart(
    on_runs: OnRuns, runs_root: Path, screen_text: ScreenText, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Experiment, str]] = []

    async def open_configure(_: WmseApp, experiment: Experiment, preset: str = "") -> None:
        opened.append((experiment, preset))

    monkeypatch.setattr(WmseApp, "open_configure", open_configure)
    async with on_runs("There are no runs yet.", size=(120, 40)) as (app, pilot):
        assert f"read from {runs_root}" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: opened)
    assert opened[0][1] == "quickstart"
    assert opened[0][0].dataset.name == "patterns"


async def test_keys_reach_the_list_that_was_empty_before(
    on_runs: OnRuns, make_run: MakeRun, until: Until
) -> None:
    async with on_runs("There are no runs yet.") as (app, pilot):
        make_run("old", started=1.7e9)
        make_run("new", started=1.7e9 + DAY)
        await until(pilot, lambda: listed(app) == ["new", "old"])
        await pilot.press("j")
        assert current(app) == "old"


async def test_actions_without_runs_do_nothing(on_runs: OnRuns) -> None:
    async with on_runs("There are no runs yet.") as (app, pilot):
        await pilot.press(
            "m", "i", "asterisk", "c", "s", "e", "r", "d", "t", "n", "N", "y", "j", "G", "o", "O"
        )
        assert isinstance(app.screen, RunsScreen)
        assert messages(app) == "|Mark the runs to compare with Space, two at least, then press c."


async def test_a_folder_that_cannot_be_listed_is_reported(on_runs: OnRuns, runs_root: Path) -> None:
    runs_root.write_text("a file")
    async with on_runs("cannot list the runs", size=(160, 40)):
        pass
