"""What the Runs screen draws again, and what it never does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from runs_screen import current, listed, table
from textual.binding import Binding
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.keys import actions_of
from wmse_tui.tui.screens.runs import RunsScreen
from wmse_tui.tui.widgets.runs.ages import now_minute
from wmse_tui.tui.widgets.runs.board import RunBoard
from wmse_tui.tui.widgets.runs.run_table import RunTable

pytestmark = pytest.mark.asyncio

MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


async def test_hostile_text_is_shown_harmlessly(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    make_run(
        "mine",
        overrides=("title=[@click=app.quit]\u202e[/red]\x1b]52;c;aGk=\x07",),
        note="[bold]\x1b[2J\u2066",
    )
    async with on_runs("mine", size=(160, 40)) as (app, _):
        text = screen_text(app)
        assert "[@click=app.quit]\\u202e[/red]\\x1b]52;c;aGk=\\x07" in text
        assert "[bold]\\x1b[2J\\u2066" in text


async def test_a_refresh_without_a_change_draws_nothing(
    on_runs: OnRuns, dated: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        rows = table(app).rows
        app.services.feed.unwatch_list(screen)
        drawn: list[Any] = []
        for widget in screen.walk_children():
            monkeypatch.setattr(widget, "refresh", lambda *regions, **_: drawn.append(regions))
        screen.post_message(CatalogueChanged(rows, 0))
        screen.update_ages()
        await pilot.pause()
        assert drawn == []


async def test_only_changed_cells_are_drawn(
    on_runs: OnRuns, dated: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.pause()
        shown = table(app)
        app.services.feed.unwatch_list(app.screen)
        drawn: list[Region] = []
        refresh = shown.refresh

        def note(*regions: Region, **options: bool) -> RunTable:
            drawn.extend(regions)
            return refresh(*regions, **options)

        monkeypatch.setattr(shown, "refresh", note)
        new, middle, old = table(app).rows
        changed = RunRow(**{name: getattr(old, name) for name in old.__dataclass_fields__} | {"epoch": 3})
        app.screen.post_message(CatalogueChanged((new, middle, changed), 0))
        await pilot.pause()
        assert [(region.y, region.height) for region in drawn] == [(3, 1)]
        assert drawn[0].width < 10
        await pilot.pause()
        drawn.clear()
        await pilot.press("j")
        assert sorted(region.y for region in drawn) == [1, 2]


async def test_ages_change_with_the_minute(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("mine", started=now_minute() * 60.0 - 60)
    async with on_runs("1 min") as (app, pilot):
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        later = now_minute() + 10
        monkeypatch.setattr("wmse_tui.tui.widgets.runs.board.now_minute", lambda: later)
        app.frozen = True
        screen.update_ages()
        await pilot.pause()
        assert " 1 min" in screen_text(app)
        app.frozen = False
        screen.update_ages()
        await pilot.pause()
        assert "11 min" in screen_text(app)


async def test_the_list_does_not_change_under_a_dialog(
    on_runs: OnRuns, dated: dict[str, RunDirectory], make_run: MakeRun, until: Until
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("question_mark")
        make_run("newest", "running")
        await until(pilot, lambda: len(app.services.feed.rows) == 4)
        assert len(app.screen_stack[0].query_one(RunTable).rows) == 3
        await pilot.press("escape")
        await until(pilot, lambda: len(listed(app)) == 4)
        await pilot.press("F", "question_mark", "escape")
        assert app.services.feed.frozen


async def test_a_hidden_list_is_not_updated(
    on_runs: OnRuns, dated: dict[str, RunDirectory], subscriptions: Any
) -> None:
    async with on_runs("old") as (app, pilot):
        screen = app.screen
        assert screen in subscriptions.lists
        await pilot.press("question_mark")
        assert screen in subscriptions.lists
        await pilot.press("escape", "4")
        await pilot.pause()
        assert screen not in subscriptions.lists
        await pilot.press("3")
        await pilot.pause()
        assert screen in subscriptions.lists


async def test_a_thousand_runs_answer_a_key_with_two_rows(
    on_runs: OnRuns, dated: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_runs("old") as (app, pilot):
        app.services.feed.unwatch_list(app.screen)
        many = tuple(RunRow(run_id=f"run-{n}", path=f"/runs/{n}", status="completed") for n in range(1000))
        app.screen.post_message(CatalogueChanged(many, 0))
        await pilot.pause()
        shown = table(app)
        rows: list[int] = []
        drawn = shown.render_line

        def note(y: int) -> Strip:
            rows.append(y)
            return drawn(y)

        monkeypatch.setattr(shown, "render_line", note)
        await pilot.press("j")
        await pilot.pause()
        assert sorted(set(rows)) == [1, 2]
        await pilot.press("G")
        await pilot.pause()
        assert current(app) == "run-999"
        assert max(rows) < 24


async def test_help_and_palette_list_every_key(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old", size=(120, 80)) as (app, pilot):
        declared = {
            binding.id
            for widget in (app.screen, app.screen.query_one(RunBoard), table(app))
            for binding in type(widget).BINDINGS
            if isinstance(binding, Binding) and binding.id and binding.id != "runs-show-all"  # of a filter
        }
        active = {active.binding.id for active in app.screen.active_bindings.values()}
        assert declared <= active, "a key of one widget hides that of another"
        actions = {active.binding.action for active in app.screen.active_bindings.values()}
        assert len(actions) >= len(declared)
        offered = {command.title for command in app.get_system_commands(app.screen)}
        await pilot.press("question_mark")
        text = screen_text(app)
        for _, binding in actions_of(app.screen_stack[0]):
            if binding.id in declared and binding.tooltip:
                assert " ".join(str(binding.tooltip).split()[:3]) in text
        assert {"Pause", "First", "Queue", "Stop after epoch"} <= offered
