"""Screens as a test opens them: Runs with `on_runs`, Monitor with `on_run` and `trained`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from monitor_screen import state_of
from runs_screen import DAY
from textual.message_pump import MessagePump
from textual.pilot import Pilot

from wmse_tui.config.loading import load_experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.feed import Feed
from wmse_tui.tui.refresh import RefreshRates
from wmse_tui.tui.screens.monitor import MonitorScreen

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
Until = Callable[..., Awaitable[None]]
OnScreen = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


@pytest.fixture
def dated(make_run: MakeRun) -> dict[str, RunDirectory]:
    """Completed runs: `new`, `middle` and `old`, a day between two."""
    return {
        name: make_run(name, started=1.7e9 - DAY * age) for age, name in enumerate(("new", "middle", "old"))
    }


@pytest.fixture
def on_runs(make_app: MakeApp, until: Until, screen_text: Callable[[WmseApp], str]) -> OnScreen:
    """Opens the app on the list and waits for a text on it: `async with on_runs("new") as (app, pilot)`."""

    @asynccontextmanager
    async def open_on_runs(
        text: str, *, size: tuple[int, int] = (80, 24), **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        app = make_app(**options)
        async with app.run_test(size=size) as pilot:
            await pilot.press("3")
            await until(pilot, lambda: text in screen_text(app))
            yield app, pilot

    return open_on_runs


@pytest.fixture
def on_run(make_app: MakeApp, until: Until) -> OnScreen:
    """Opens the app on a run and waits for its state: `async with on_run(run) as (app, pilot)`."""

    @asynccontextmanager
    async def open_on_run(
        run: RunDirectory | None, *, size: tuple[int, int] = (80, 24), **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        app = make_app(run=run, **options)
        async with app.run_test(size=size) as pilot:
            if run is None:
                await pilot.press("2")
            await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
            if run is not None:
                await until(pilot, lambda: state_of(app).status != "new" or view_run(run).status == "new")
            yield app, pilot

    return open_on_run


@pytest.fixture
def trained(make_app: MakeApp, until: Until, standin: Path, monkeypatch: pytest.MonkeyPatch) -> OnScreen:
    """Opens the app on a run that a stand-in trains: `async with trained() as (app, pilot)`."""

    @asynccontextmanager
    async def open_trained(
        *, size: tuple[int, int] = (80, 24), **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        monkeypatch.setenv("STANDIN_STEP", "0.05")
        app = make_app(trainer=standin, rates=RefreshRates("local", 0.05, 0.05, 0.5, 1.0), **options)
        run = app.services.trainers.start(
            load_experiment(preset="quickstart"), preset="quickstart", name="mine"
        )
        async with app.run_test(size=size) as pilot:
            await app.open_run(run)
            await until(pilot, lambda: state_of(app).status == "running" and state_of(app).step > 0)
            yield app, pilot

    return open_trained


@dataclass
class Subscriptions:
    """The screens that follow the list, and the runs that are followed."""

    lists: set[MessagePump] = field(default_factory=set)
    runs: set[RunDirectory] = field(default_factory=set)


@pytest.fixture
def subscriptions(monkeypatch: pytest.MonkeyPatch) -> Subscriptions:
    """The current subscriptions to the feed of the app, by the calls of its methods."""
    current = Subscriptions()
    watch, unwatch = Feed.watch, Feed.unwatch
    watch_list, unwatch_list = Feed.watch_list, Feed.unwatch_list

    def note_watch(feed: Feed, run: RunDirectory, listener: MessagePump) -> None:
        current.runs.add(run)
        watch(feed, run, listener)

    def note_unwatch(feed: Feed, run: RunDirectory, listener: MessagePump) -> None:
        current.runs.discard(run)
        unwatch(feed, run, listener)

    def note_watch_list(feed: Feed, listener: MessagePump, *, seldom: bool = False) -> None:
        current.lists.add(listener)
        watch_list(feed, listener, seldom=seldom)

    def note_unwatch_list(feed: Feed, listener: MessagePump) -> None:
        current.lists.discard(listener)
        unwatch_list(feed, listener)

    for name, method in (
        ("watch", note_watch),
        ("unwatch", note_unwatch),
        ("watch_list", note_watch_list),
        ("unwatch_list", note_unwatch_list),
    ):
        monkeypatch.setattr(Feed, name, method)
    return current
