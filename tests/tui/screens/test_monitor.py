"""The Monitor screen: the run that it shows, and how it follows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from monitor_screen import append, header, lines, messages, plots, screen_of, state_of
from textual.pilot import Pilot

from tests.tui.conftest import QUICK
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Notice, Steps
from wmse_tui.runs.state.run import RunState
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.dialogs import RunPicker
from wmse_tui.tui.feed import RunChanged
from wmse_tui.tui.widgets.monitor.text_lines import TextLines
from wmse_tui.tui.widgets.monitor.text_row import TextRow

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRun = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


async def test_a_run_is_shown_with_its_header_and_its_curves(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    async with on_run(make_run("small", "running")) as (app, pilot):
        await until(pilot, lambda: "no structure" in screen_text(app))
        assert header(app).splitlines()[0].startswith("small   ● running   attempt 1   CPU, 2 threads")
        assert "2/4" in header(app)
        assert "best 81.25 % at 2, 87.50 % at 2" in header(app)
        assert [plot.drawing.text.split("  ")[0] for plot in plots(app)] == ["▸ Loss", "Accuracy %"]
        assert "● k-NN  ▲ Linear" in screen_text(app)


async def test_text_from_files_is_sanitised(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    hostile = "[/red][@click=app.quit]x[/] \x1b]52;c;aGk=\x07 \u202eabc"
    shown = "[/red][@click=app.quit]x[/] \\x1b]52;c;aGk=\\x07 \\u202eabc"
    run = make_run("small", "running", overrides=["title=[/red][@click=app.quit]x"])
    append(run, Notice("warning", "W", hostile))
    async with on_run(run, size=(160, 44)) as (app, pilot):
        await until(pilot, lambda: f"warning  {shown}" in screen_text(app))
        assert "[/red][@click=app.quit]x" in header(app)
        assert "\x1b" not in screen_text(app)
        await pilot.press("C")
        await until(pilot, lambda: "title: '[/red][@click=app.quit]x'" in screen_text(app))


async def test_a_log_that_cannot_be_read_is_reported_and_the_state_stays(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        run.events.unlink()
        run.events.mkdir()
        await until(pilot, lambda: "cannot read the run's log" in header(app))
        assert "2/4" in header(app)


async def test_while_a_long_log_is_read_again_the_state_does_not_go_back(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, _):
        before = state_of(app)
        early = RunState(run_id="small", status="running", seq=3)
        screen_of(app).on_run_changed(RunChanged(run, early, 0.2))
        assert state_of(app) is before
        screen_of(app).on_run_changed(RunChanged(run, before, 0.9))
        assert "reading its log: 90%" in header(app)


async def test_unchanged_widgets_are_not_drawn_again(
    on_run: OnRun, make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("small", "running")
    async with on_run(run, size=(200, 60)) as (app, pilot):
        await until(pilot, lambda: lines(app, "log"))
        await pilot.pause(0.1)
        updates: list[object] = []
        monkeypatch.setattr(TextRow, "update", lambda line, content, **_: updates.append(content))
        monkeypatch.setattr(Plot, "redraw", lambda plot: updates.append(plot))
        monkeypatch.setattr(TextLines, "refresh", lambda widget, *_, **__: updates.append(widget))
        before = state_of(app)
        assert before.updated is not None
        later = replace(before, updated=before.updated + 1)
        screen_of(app).on_run_changed(RunChanged(run, later, None))
        await pilot.pause(0.1)
        assert state_of(app) == later
        assert updates == []


async def test_a_frozen_display_does_not_change_until_it_is_released(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        await pilot.press("F")
        append(run, Steps(first=11, loss=(0.125,), lr=(0.001,)))
        await pilot.pause(0.2)
        assert "loss 1.2 " in header(app)
        await pilot.press("F")
        await until(pilot, lambda: "loss 0.125" in header(app))
        await pilot.press("F")  # while a change waits for its time
        screen_of(app).on_run_changed(RunChanged(run, replace(state_of(app), status="paused"), None))
        await pilot.pause(0.1)
        assert "● running" in header(app)
        await pilot.press("F")
        await until(pilot, lambda: "● paused" in header(app))


async def test_charts_draw_their_first_values_as_soon_as_the_header_shows_them(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run, rates=replace(QUICK, charts=1000.0)) as (app, pilot):
        screen, whole = screen_of(app), state_of(app)
        start = RunState(run_id="small", path=whole.path, status="starting", seq=1)
        for state, shown in (
            (start, "has not begun"),
            (replace(start, setup=whole.setup, seq=2), "no values yet"),
            (replace(start, setup=whole.setup, loss=whole.loss, seq=3), "no structure"),
            (replace(start, seq=4), "has not begun"),
            (replace(start, evaluations=whole.evaluations, seq=5), "no values yet"),
        ):
            screen.on_run_changed(RunChanged(run, state, None))
            await until(pilot, lambda shown=shown: shown in " ".join(plots(app)[0].drawing.text.split()))


async def test_a_hidden_screen_watches_nothing_until_it_is_shown_again(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run, other = make_run("small", "running"), make_run("other", "running")
    async with on_run(run) as (app, pilot):
        app.services.selection.marked = (other,)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("enter")
        await until(pilot, lambda: len(app.services.feed.watched) == 2)
        await pilot.press("3")
        await until(pilot, lambda: not app.services.feed.watched)
        append(run, Steps(first=11, loss=(0.125,), lr=(0.001,)))
        await pilot.press("2")
        await until(pilot, lambda: "loss 0.125" in header(app))
        assert len(app.services.feed.watched) == 2
        await pilot.press("question_mark")
        assert len(app.services.feed.watched) == 2


async def test_brackets_step_through_the_list_of_runs(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    runs = {name: make_run(name, started=1.7e9 - age) for age, name in enumerate(("new", "middle", "old"))}
    async with on_run(runs["middle"]) as (app, pilot):
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: header(app).startswith("old   ■ completed"))
        assert app.services.selection.monitored == runs["old"]
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "This is the oldest run." in messages(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: header(app).startswith("middle   ■ completed"))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: header(app).startswith("new   ■ completed"))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "This is the newest run." in messages(app))
        assert list(app.services.feed.watched) == [runs["new"]]


async def test_another_run_is_shown_from_scratch(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    first = make_run("first", started=1.7e9)
    first.trainer_log.write_text("of the first\n")
    second = make_run("second", "running", started=1.7e9 - 60, overrides=["seed=5"])
    second.trainer_log.write_text("of the second\n")
    async with on_run(first) as (app, pilot):
        await pilot.press("O")
        await until(pilot, lambda: lines(app, "output") == ["of the first"])
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: lines(app, "output") == ["of the second"])
        await pilot.press("C")
        await until(pilot, lambda: "* seed: 5" in screen_text(app))


async def test_without_runs_it_opens_configure(on_run: OnRun, until: Until, screen_text: ScreenText) -> None:
    async with on_run(None) as (app, pilot):
        await until(pilot, lambda: "There are no runs yet." in screen_text(app))
        assert "quickstart" in screen_text(app)
        await pilot.press("S", "W", "m")
        assert app.current_mode == "monitor"
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "configure")


async def test_without_a_chosen_run_enter_watches_the_newest(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    make_run("old", started=1.7e9)
    newest = make_run("newest", started=1.7e9 + 60)
    async with on_run(None) as (app, pilot):
        await until(pilot, lambda: "Enter watches the newest of 2 runs: newest." in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: header(app).startswith("newest   ■ completed"))
        assert app.services.selection.monitored == newest
