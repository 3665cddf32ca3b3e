"""Export of a run from Runs and Monitor: the dialog, the process that writes, its result and its refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.runs.export_formats import EXPORT_FORMATS
from wmse_tui.runs.followers import PositionFile, SentPosition, Target, note_follower
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.export_dialog import ExportDialog

pytestmark = pytest.mark.asyncio

Act = Callable[..., Awaitable[None]]
Until = Callable[..., Awaitable[None]]
ScreenText = Callable[[WmseApp], str]


async def choose_archive(pilot: Pilot[Any], act: Act, until: Until, path: str) -> None:
    await act(pilot, "runs-export")
    await until(pilot, lambda: isinstance(pilot.app.screen, ExportDialog))
    await pilot.press("G", "enter")
    pilot.app.screen.query_one(Input).value = path
    await pilot.press("enter")


def messages(app: WmseApp) -> str:
    return "\n".join(f"{message.title}: {message.message}" for message in app.messages)


async def test_the_list_exports_a_run_asks_before_it_replaces_and_reports_a_refusal(
    make_app: MakeApp, make_run: MakeRun, act: Act, until: Until, screen_text: ScreenText, tmp_path: Path
) -> None:
    make_run("small")
    app = make_app(screen="runs")
    file = tmp_path / "out.tar"
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "1 run" in screen_text(app))
        await choose_archive(pilot, act, until, str(file))
        await until(pilot, lambda: "Exported" in messages(app))
        assert file.stat().st_size
        assert str(file) in messages(app)
        await choose_archive(pilot, act, until, str(file))
        await until(pilot, lambda: "Replace the file?" in screen_text(app))
        await pilot.press("n")
        await choose_archive(pilot, act, until, str(tmp_path / "no" / "folder.tar"))
        await until(pilot, lambda: "Not exported" in messages(app))
        assert "No such file or directory" in messages(app)
        assert "Traceback" not in messages(app)


async def test_monitor_offers_every_format_and_names_the_followers(
    make_app: MakeApp, make_run: MakeRun, act: Act, until: Until, screen_text: ScreenText, tmp_path: Path
) -> None:
    run = make_run("small")
    target = Target.parse("csv")
    note_follower(run, target)
    PositionFile(run, target).write(SentPosition(seq=9, step=1240))
    (run.followers / "damaged.json").write_text("{")
    app = make_app(run=run)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "completed" in screen_text(app))
        await act(pilot, "run-export")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))
        text = screen_text(app)
        assert all(name in text for name in EXPORT_FORMATS)
        assert "Followed by csv up to step 1,240." in text
        assert "not of this encoder: weights" in text
        rows = (name for name, each in EXPORT_FORMATS.items() if not each.of_torchvision)
        first = next(name for name in rows if not EXPORT_FORMATS[name].missing_packages())
        assert f"(x)  {first}" in text
        assert app.screen.query_one(Input).value == f"small{EXPORT_FORMATS[first].suffix}"
        line = app.screen.query_one(Input)
        await pilot.press("g", "enter")
        line.value = str(tmp_path / "out.pth")
        await pilot.press("enter")
        await until(pilot, lambda: "Not exported" in messages(app))
        assert "is missing\n" in messages(app), "a refusal keeps its lines"
        assert "wmse-tui show" not in messages(app), "commands are for the command line"
