"""What the screens show survives quitting, whatever happens to the file."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.saved_state import ConfigurePart, RunsPart, SavedState

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
        await pilot.pause()
    assert file.stat().st_mode & 0o777 == 0o600
    app = start(screen="configure")
    async with app.run_test() as pilot:
        await pilot.pause()
        library = app.screen.library  # type: ignore[attr-defined]
        assert library.key == "cifar10"
        assert dict(library.draft.changes) == {"schedule.epochs": 7, "optimizer.lr": "fast"}


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
    start: Callable[..., WmseApp], make_run: MakeRun, act: Act, until: Until, screen_text: ScreenText
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
