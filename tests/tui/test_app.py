"""What the five screens share: places, help, palette, freezing, themes, keys, leaving, an error inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import SystemCommand
from textual.dom import DOMNode
from textual.widgets import Button

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import pending
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Choose
from wmse_tui.tui.feed import RunChanged
from wmse_tui.tui.screen_names import SCREENS
from wmse_tui.tui.screens.help import HelpScreen
from wmse_tui.tui.themes import NAMES

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
Until = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.asyncio


def toasts(app: WmseApp) -> list[str]:
    return [notification.message for notification in app.messages]


async def test_without_runs_the_app_opens_where_one_begins(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.current_mode == "configure"


async def test_with_runs_it_opens_on_their_list_and_with_one_on_that(
    make_app: MakeApp, make_run: MakeRun
) -> None:
    run = make_run("a")
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.current_mode == "runs"
    app = make_app(run=run)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert (app.current_mode, app.services.selection.monitored) == ("monitor", run)


async def test_number_keys_show_the_five_screens(
    make_app: MakeApp, screen_text: Callable[[WmseApp], str]
) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        for key, name, title in SCREENS:
            app.screen.set_focus(None)
            await pilot.press(key)
            await pilot.pause()
            assert app.current_mode == name
            assert title in screen_text(app).splitlines()[0]


async def test_help_lists_the_keys_in_groups_and_closes_again(
    make_app: MakeApp, screen_text: Callable[[WmseApp], str]
) -> None:
    app = make_app()
    async with app.run_test(size=(100, 100)) as pilot:
        app.screen.set_focus(None)
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        text = screen_text(app)
        assert "Leave the app; trainers continue" in text
        assert "Find an action, run, preset or option by its name" in text
        assert "go-paper" not in text, "ids are in the reference"
        assert "Everywhere" in text
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_the_palette_offers_every_key_that_has_an_id_and_runs_it(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.pause()
        commands: dict[str, SystemCommand] = {c.title: c for c in app.get_system_commands(app.screen)}
        assert {"Configure", "Monitor", "Runs", "Compare", "Paper", "Help", "Freeze", "Quit"} <= set(commands)
        await commands["Paper"].callback()
        await pilot.pause()
        assert app.current_mode == "paper"


async def test_a_frozen_display_gets_no_message_until_it_is_unfrozen(
    make_app: MakeApp, make_run: MakeRun, until: Until, screen_text: Callable[[WmseApp], str]
) -> None:
    run = make_run("a", "running")
    app = make_app()
    heard: list[Any] = []

    class Listener:
        def post_message(self, message: Any) -> None:
            heard.append(message)

    async with app.run_test() as pilot:
        app.screen.set_focus(None)
        await pilot.press("F")
        await pilot.pause()
        assert "FROZEN" in screen_text(app)
        app.services.feed.watch(run, Listener())  # type: ignore[arg-type]
        for _ in range(20):
            await pilot.pause(0.01)
        assert heard == []
        await pilot.press("F")
        await until(pilot, lambda: heard)
        assert isinstance(heard[0], RunChanged)
        assert "FROZEN" not in screen_text(app)


async def test_the_theme_key_goes_through_all_three(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        seen = []
        for _ in NAMES:
            await pilot.press("ctrl+t")
            seen.append(app.theme)
        assert sorted(seen) == sorted(NAMES.values())


async def test_a_hidden_screen_has_a_new_theme_when_it_is_shown_again(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        looks = []
        for key in ("5", "3", "5"):
            await pilot.press(key)
            await pilot.pause()
            looks.append((app.screen.styles.background, app.screen.query_one("#topbar").styles.background))
        assert looks[0] == looks[2]
        await pilot.press("3", "ctrl+t")  # dark to light, in Runs
        await pilot.pause()
        changed = app.screen.styles.background
        await pilot.press("5")
        await pilot.pause()
        assert (app.current_mode, app.screen.styles.background) == ("paper", changed)
        assert changed != looks[0][0]
        assert app.screen.query_one("#topbar").styles.background != looks[0][1]


async def test_a_screen_that_comes_back_is_not_styled_anew(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("5", "3")
        await pilot.pause()
        styled: list[object] = []
        update = app.update_styles

        def counted(node: DOMNode, *, animate: bool = True) -> None:
            styled.append(node)
            update(node, animate=animate)

        monkeypatch.setattr(app, "update_styles", counted)
        await pilot.press("5")
        await pilot.pause()
        assert app.current_mode == "paper"
        assert app.screen not in styled


async def test_full_collections_wait_until_no_key_is_pressed(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[float] = []
    monkeypatch.setattr("wmse_tui.tui.app.gc.collect", lambda: collected.append(1))
    now = 1000.0
    monkeypatch.setattr("wmse_tui.tui.app.time.monotonic", lambda: now)
    app = make_app()
    app._last_key = 996.0
    app._tidy()
    assert not collected
    app._last_key = 994.0
    app._tidy()
    assert collected


@pytest.mark.parametrize("theme", list(NAMES))
async def test_the_setting_chooses_the_theme(make_app: MakeApp, theme: str) -> None:
    app = make_app(theme=theme)
    async with app.run_test():
        assert app.theme == NAMES[theme]


async def test_a_key_from_the_settings_replaces_the_default(make_app: MakeApp) -> None:
    app = make_app(keys={"go-paper": "ctrl+y"})
    async with app.run_test() as pilot:
        app.screen.set_focus(None)
        await pilot.press("5")
        assert app.current_mode == "configure"
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert app.current_mode == "paper"


async def test_a_key_for_an_unknown_id_is_reported_with_the_nearest_id(
    make_app: MakeApp, until: Until
) -> None:
    app = make_app(keys={"go-papre": "ctrl+y"})
    async with app.run_test() as pilot:
        await until(pilot, lambda: toasts(app))
        assert toasts(app) == ["keys: no binding is called 'go-papre'; did you mean go-paper?"]


async def test_problems_of_the_settings_are_shown_sanitised(make_app: MakeApp) -> None:
    app = make_app(problems=("theme: got '[@click=app.quit]\x1b[31m'",))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert toasts(app) == ["theme: got '[@click=app.quit]\\x1b[31m'"]


async def test_without_active_own_runs_the_app_exits_at_once(make_app: MakeApp, make_run: MakeRun) -> None:
    make_run("somebody-elses", "running")
    app = make_app()
    async with app.run_test() as pilot:
        app.screen.set_focus(None)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 0


@pytest.mark.parametrize(
    ("key", "leaves", "stops"), [("l", True, False), ("s", True, True), ("escape", False, False)]
)
async def test_quitting_with_an_active_own_run_opens_a_dialog(
    make_app: MakeApp, make_run: MakeRun, key: str, leaves: bool, stops: bool
) -> None:
    run = make_run("mine", "running")
    app = make_app(run=run, own=True)
    async with app.run_test() as pilot:
        await pilot.pause()
        app.screen.set_focus(None)
        await pilot.press("ctrl+c")
        assert isinstance(app.screen, Choose)
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, Choose) is False
    assert (app.return_value == 0) is leaves
    assert [request.command for request in pending(run)] == (["stop"] if stops else [])


async def test_the_buttons_of_that_question_answer_too(make_app: MakeApp, make_run: MakeRun) -> None:
    run = make_run("mine", "running")
    app = make_app(run=run, own=True)
    async with app.run_test() as pilot:
        await pilot.pause()
        app.action_leave()
        await pilot.pause()
        app.screen.query_one("#answer-s", Button).press()
        await pilot.pause()
    assert app.return_value == 0
    assert [request.command for request in pending(run)] == ["stop"]


async def test_a_terminal_that_is_too_small_says_so_and_what_is_needed(
    make_app: MakeApp, screen_text: Callable[[WmseApp], str]
) -> None:
    app = make_app()
    async with app.run_test(size=(50, 12)) as pilot:
        await pilot.pause()
        assert "50 x 12 is too small." in screen_text(app)
        for key in ("2", "F", "question_mark", "ctrl+p"):
            await pilot.press(key)
            assert (app.current_mode, app.frozen, len(app.screen_stack)) == ("configure", False, 1)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "too small" not in screen_text(app)
        await pilot.press("2")
        assert app.current_mode == "monitor"
        await pilot.resize_terminal(50, 12)
        await pilot.press("q")
    assert app.return_value == 0


@pytest.mark.parametrize("key", "12345")
async def test_help_and_quit_are_in_the_footer_of_every_screen(
    make_app: MakeApp, make_run: MakeRun, screen_text: Callable[[WmseApp], str], key: str
) -> None:
    app = make_app(run=make_run("small", "running"))
    async with app.run_test(size=(200, 24)) as pilot:
        await pilot.press(key)
        for width in (80, 60):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            await pilot.pause()
            footer = screen_text(app).rstrip().splitlines()[-1]
            assert "? Help" in footer
            assert "q Quit" in footer


async def test_an_error_inside_ends_the_app_with_a_file_and_a_status(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = make_app()

    def fail() -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(app, "action_freeze", fail)
    with pytest.raises(RuntimeError, match="planted"):  # noqa: PT012 (the pilot raises what the app died of)
        async with app.run_test() as pilot:
            app.screen.set_focus(None)
            await pilot.press("F")
            await pilot.pause()
    assert app.return_code == 1
    assert app.crash_file is not None
    assert app.crash_file.is_relative_to(tmp_path)
    assert "RuntimeError: planted" in app.crash_file.read_text()
    assert app.crash_file.stat().st_mode & 0o777 == 0o600


async def test_in_ascii_mode_nothing_else_reaches_the_terminal(
    make_app: MakeApp, make_run: MakeRun, screen_text: Callable[[WmseApp], str]
) -> None:
    make_run("a")
    app = make_app(ascii=True)
    async with app.run_test(size=(120, 40)) as pilot:
        for key, _, _ in SCREENS:
            app.screen.set_focus(None)
            await pilot.press(key)
            await pilot.pause(0.1)
            strips = app.screen._compositor.render_strips()
            filtered = [
                segment.text
                for strip in strips
                for segment in strip.apply_filter(app._filters[-1], app.screen.background_colors[1])
            ]
            assert "".join(filtered).isascii()
