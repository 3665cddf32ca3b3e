"""The Runs screen, opened by a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from runs_screen import DAY
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp

OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


@pytest.fixture
def dated(make_run: Callable[..., RunDirectory]) -> dict[str, RunDirectory]:
    """Completed runs: `new`, `middle` and `old`, a day between two."""
    return {
        name: make_run(name, started=1.7e9 - DAY * age) for age, name in enumerate(("new", "middle", "old"))
    }


@pytest.fixture
def on_runs(
    make_app: Callable[..., WmseApp],
    until: Callable[..., Awaitable[None]],
    screen_text: Callable[[WmseApp], str],
) -> OnRuns:
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
