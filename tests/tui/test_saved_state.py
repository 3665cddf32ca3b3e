"""What the screens show survives quitting, whatever happens to the file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.saved_state import ConfigurePart, RunsPart, SavedState
from wmse_tui.tui.widgets.compare.chart import OverlaidCharts, OverlaidCurves
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.table import CellTable

Act = Callable[..., Awaitable[None]]
Until = Callable[..., Awaitable[None]]
ScreenText = Callable[[WmseApp], str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "screens.json"


@pytest.fixture
def start(make_app: MakeApp, file: Path) -> Callable[..., WmseApp]:
    """An app that restores what the one before has saved: `start(screen="runs")`."""

    def make(**options: Any) -> WmseApp:
        return make_app(saved=SavedState(file), **options)

    return make


@pytest.mark.asyncio
async def test_the_draft_of_configure_survives_quitting(
    start: Callable[..., WmseApp], until: Until, file: Path
) -> None:
    app = start(screen="configure")
    async with app.run_test() as pilot:
        await pilot.pause()
        app.screen.library.choose("cifar10")  # type: ignore[attr-defined]
        app.screen.library.edit("schedule.epochs", "7")  # type: ignore[attr-defined]
        app.screen.library.edit("optimizer.lr", "fast")  # type: ignore[attr-defined]
        app.screen.redraw()  # type: ignore[attr-defined]
        await pilot.press("asterisk")  # show all options
        await pilot.pause()
    assert file.stat().st_mode & 0o777 == 0o600
    app = start(screen="configure")
    async with app.run_test() as pilot:
        await pilot.pause()
        library = app.screen.library  # type: ignore[attr-defined]
        assert library.key == "cifar10"
        assert dict(library.draft.changes) == {"schedule.epochs": 7, "optimizer.lr": "fast"}
        await pilot.press("asterisk")
        assert any("only the options that have an effect" in message.message for message in app.messages)


@pytest.mark.asyncio
async def test_a_draft_whose_preset_was_removed_is_reported(
    start: Callable[..., WmseApp], file: Path
) -> None:
    state = SavedState(file)
    state.change(drafts={"mine": {"seed": 3}}, configure=ConfigurePart(entry="mine"))
    state.save()
    app = start(screen="configure")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.screen.library.key == "quickstart"  # type: ignore[attr-defined]
        assert any("The changes to mine are dropped" in message.message for message in app.messages)


@pytest.mark.asyncio
async def test_marks_filter_and_sort_survive_quitting(
    start: Callable[..., WmseApp],
    make_run: MakeRun,
    runs_root: Path,
    act: Act,
    until: Until,
    screen_text: ScreenText,
) -> None:
    for name in ("alpha-a", "alpha-b", "other"):
        make_run(name)
    app = start(screen="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "3 runs" in screen_text(app))
        await act(pilot, "runs-filter")
        await pilot.press(*"alpha", "enter")
        await act(pilot, "runs-mark", "runs-sort", "runs-turn")
        await until(pilot, lambda: "1 marked" in screen_text(app))
        before = screen_text(app)
    app = start(screen="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "3 runs" in screen_text(app) and "1 marked" in screen_text(app))
        status = next(line for line in before.splitlines() if "3 runs" in line)
        assert status in screen_text(app)
        assert "2 shown for alpha" in status
        assert "by " in status
    for name in ("alpha-a", "alpha-b"):
        shutil.rmtree(runs_root / name)
    app = start(screen="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "other" in screen_text(app))
        assert "shown for" not in screen_text(app), "a filter of runs that are gone is dropped"
        assert "marked" not in screen_text(app)


@pytest.mark.asyncio
async def test_the_layout_of_monitor_survives_quitting_and_its_zoom_does_not(
    start: Callable[..., WmseApp], make_run: MakeRun, act: Act, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("small", "completed")

    def titles(app: WmseApp) -> str:
        return "".join(str(panel.border_title) for panel in app.screen.query("#plots").results(Panel))

    app = start(run=run)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Accuracy" in screen_text(app))
        await act(pilot, "plot-what")
        await pilot.press("down", "down", "space", "enter")  # the learning rate alone
        await act(pilot, "plot-log", "plot-axis", "plot-smooth", "plot-zoom", "plot-cursor-left")
        await act(pilot, "pane-whitening", "pane-whitening", "maximise")
        await until(pilot, lambda: "encoder step 20" in screen_text(app))
    app = start(run=run)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "encoder step 20" in screen_text(app))
        assert "Learning rate" not in screen_text(app)  # the panel is maximised
        await act(pilot, "maximise")
        await until(pilot, lambda: "Learning rate log" in screen_text(app))
        assert "Accuracy" not in screen_text(app)
        assert titles(app) == "Plots by step, smoothing 0.6"


@pytest.mark.asyncio
async def test_the_layout_of_compare_survives_quitting(
    start: Callable[..., WmseApp], make_run: MakeRun, act: Act, until: Until
) -> None:
    runs = (make_run("first"), make_run("second", overrides=("seed=1",), started=1.7e9))
    lines = []
    for again in (False, True):
        app = start(screen="compare")
        app.services.selection.marked = runs
        async with app.run_test(size=(120, 40)) as pilot:
            screen = app.screen
            await until(pilot, lambda screen=screen: getattr(screen, "loaded", False))
            if not again:
                await act(pilot, "plot-what")
                await pilot.press("down", "down", "space", "down", "space", "enter")
                await act(
                    pilot,
                    "plot-log",
                    "plot-axis",
                    "plot-zoom",
                    "compare-join",
                    "compare-sort",
                    "compare-turn",
                )
                await act(pilot, "plot-zoom", "plot-zoom", "plot-zoom")  # all of it again
            await pilot.pause()
            heading = [cell.text for cell in screen.query_one("#results", CellTable).sheet.heading]
            shown = [one.quantity for one in screen.query(OverlaidCurves) if one.display]
            lines.append((str(screen.query_one("#compare-status", Static).content), heading[0], shown))
    assert lines[0] == lines[1]
    assert lines[0] == (
        "by step, log y, not smoothed, the whole run, mean ± deviation over seeds",
        "run ▼",
        ["linear", "lr"],
    )


@pytest.mark.parametrize("layout", [{"panel": "nothing"}, {"charts": ["x"], "axis": "y", "space": "z"}])
@pytest.mark.asyncio
async def test_a_layout_of_things_that_there_are_not_is_the_usual_one(
    start: Callable[..., WmseApp],
    make_run: MakeRun,
    file: Path,
    until: Until,
    screen_text: ScreenText,
    layout: dict[str, Any],
) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"v": 1, "monitor": layout, "compare": {"quantities": ["x"], "column": "y"}}))
    app = start(run=make_run("small", "completed"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Accuracy" in screen_text(app) and "projector step" in screen_text(app))
        await pilot.press("4")
        await pilot.pause()
        assert app.screen.query_one(OverlaidCharts).chosen == ()


@pytest.mark.asyncio
async def test_the_chosen_theme_survives_unless_the_settings_name_one(
    start: Callable[..., WmseApp], act: Act
) -> None:
    app = start()
    async with app.run_test() as pilot:
        await act(pilot, "theme")
        chosen = app.theme
    assert start().theme == chosen != start(theme="dark").theme


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[1]", "it has no version"),
        (b'{"v": "x"}', "it has no version"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"v": 1, "runs": {"filter": 3}}', "runs is not what was expected"),
        (b'{"v": 1, "drafts": []}', "drafts is not what was expected"),
        (b'{"v": 1, "marks": {"/x": [1]}}', "marks is not what was expected"),
        (b'{"v": 99}', "newer version"),
        (b"x" * (5 << 20), "it is too large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_content_is_ignored_with_a_sentence(file: Path, content: bytes, sentence: str) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    state = SavedState(file)
    assert [sentence in problem for problem in state.problems] == [True]
    assert str(file) in state.problems[0]
    state.change(theme="light")
    state.save()
    if b"99" in content:
        assert file.read_bytes() == content
    else:
        assert SavedState(file).problems == ()
        assert SavedState(file).current.theme == "light"


def test_a_bad_part_leaves_the_others(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"v": 1, "theme": "light", "runs": 3, "marks": {"/r": ["a"]}, "later": 1}))
    state = SavedState(file)
    assert (state.current.theme, state.current.runs, state.of_root("marks", Path("/r"))) == (
        "light",
        RunsPart(),
        ["a"],
    )


def test_something_that_is_no_file_is_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        assert len(SavedState(path).problems) == 1


def test_two_apps_at_once_save_each_their_own_changes(file: Path) -> None:
    first, second = SavedState(file), SavedState(file)
    first.change_of_root("marks", Path("/a"), ["/a/x"])
    first.change(drafts={"stl10": {"seed": 1}}, runs=RunsPart(filter="x"))
    second.change_of_root("marks", Path("/b"), ["/b/y"])
    second.change(drafts={"cifar10": {"seed": 2}}, theme="light", runs=RunsPart(column="knn"))
    for _ in range(2):
        first.save()
        second.save()
    both = SavedState(file).current
    assert both.marks == {"/a": ["/a/x"], "/b": ["/b/y"]}
    assert both.drafts == {"stl10": {"seed": 1}, "cifar10": {"seed": 2}}
    assert both.runs == RunsPart(filter="x", column="knn")
    assert both.theme == "light"
    first.change_of_root("marks", Path("/a"), [])
    first.save()
    assert SavedState(file).current.marks == {"/b": ["/b/y"]}


def test_a_state_that_did_not_change_is_not_written(file: Path) -> None:
    SavedState(file).save()
    assert not file.exists()


@pytest.mark.asyncio
async def test_a_file_that_cannot_be_written_is_reported_once(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "no-folder").touch()
    saved = SavedState()
    app = make_app(saved=saved)
    app.services = replace(app.services, saved=SavedState(tmp_path / "no-folder" / "screens.json"))
    async with app.run_test() as pilot:
        await pilot.pause()
        app.services.saved.change(theme="light")
        app.save_state()
        app.save_state()
        await pilot.pause()
        assert len([m for m in app.messages if "cannot be saved" in m.message]) == 1
