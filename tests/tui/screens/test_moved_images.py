"""Where images were moved, Monitor and Runs ask for them before a run is resumed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from monitor_screen import messages, state_of
from textual.pilot import Pilot

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.rebind import missing_folders
from wmse_tui.runs.state.config import load_configuration
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Ask

pytestmark = pytest.mark.asyncio
MakeRun = Callable[..., RunDirectory]
OnScreen = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]
Until = Callable[..., Awaitable[None]]


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """Where the images are now."""
    folder = tmp_path / "new place" / "images"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def gone(tmp_path: Path) -> Path:
    """Where the configurations say that they are."""
    return tmp_path / "images"


@pytest.fixture
def stopped_on(make_run: MakeRun, gone: Path) -> Callable[[str], RunDirectory]:
    def make(name: str) -> RunDirectory:
        run = make_run(name, "stopped")
        overrides = ("dataset.name=folder", f"dataset.root={gone}", "dataset.train_images=null")
        experiment = load_experiment(preset="quickstart", overrides=(*overrides, "dataset.test_images=null"))
        run.config.write_text(dump_experiment(experiment), encoding="utf-8")
        return run

    return make


def root_of(run: RunDirectory) -> Path | None:
    return load_configuration(run).dataset.root


async def answer(app: WmseApp, pilot: Pilot[Any], until: Until, text: str) -> None:
    await until(pilot, lambda: isinstance(app.screen, Ask))
    app.screen.query_one("Input").value = text  # type: ignore[attr-defined]
    await pilot.press("enter")


async def test_monitor_asks_where_the_images_are(
    on_run: OnScreen,
    stopped_on: Callable[[str], RunDirectory],
    screen_text: Callable[[WmseApp], str],
    standin: Path,
    until: Until,
    gone: Path,
    moved: Path,
) -> None:
    run = stopped_on("mine")
    assert missing_folders(run) == {"dataset.root": gone}
    async with on_run(run, size=(120, 40), trainer=standin) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        assert "Where are its images now?" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert state_of(app).attempt == 1
        assert root_of(run) == gone
        await pilot.press("r")
        await answer(app, pilot, until, str(moved / "absent"))
        assert "There is no such folder." in screen_text(app)
        await answer(app, pilot, until, str(moved))
        await until(pilot, lambda: state_of(app).attempt == 2)
        assert "mine is starting again." in messages(app)
    assert root_of(run) == moved
    assert missing_folders(run) == {}


async def test_runs_asks_once_for_several_runs(
    on_runs: OnScreen,
    stopped_on: Callable[[str], RunDirectory],
    standin: Path,
    until: Until,
    moved: Path,
) -> None:
    runs = [stopped_on("a"), stopped_on("b")]
    async with on_runs("stopped", trainer=standin) as (app, pilot):
        await pilot.press("asterisk", "r", "y")
        await answer(app, pilot, until, str(moved))
        await until(pilot, lambda: "Resumed: " in messages(app))
    assert [root_of(run) for run in runs] == [moved, moved]


async def test_a_folder_that_is_downloaded_to_need_not_exist(make_run: MakeRun, gone: Path) -> None:
    run = make_run("mine", "stopped")
    experiment = load_experiment(preset="cifar10", overrides=(f"dataset.root={gone}",))
    run.config.write_text(dump_experiment(experiment), encoding="utf-8")
    assert missing_folders(run) == {}
