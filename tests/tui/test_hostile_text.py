"""Whatever the files of a run contain, the app draws it as text that cannot be clicked into action."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from hostile import HOSTILE, control_characters, hostile_events

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp

pytestmark = pytest.mark.asyncio


def drawn(app: WmseApp) -> tuple[str, list[str]]:
    """All text on the screen, a row a line, and the actions that a click on it would run."""
    rows, actions = [], []
    for strip in app.screen._compositor.render_strips():
        rows.append("".join(segment.text for segment in strip))
        for segment in strip:
            if segment.style is not None and (action := segment.style.meta.get("@click")):
                actions.append(str(action))
            if segment.style is not None and segment.style.link:
                actions.append(segment.style.link)
    return "\n".join(rows), actions


async def test_every_screen_draws_a_hostile_run_as_text(
    make_app: Callable[..., WmseApp],
    make_run: Callable[..., RunDirectory],
    act: Callable[..., Awaitable[None]],
    until: Callable[..., Awaitable[None]],
) -> None:
    events = [(float(second), event) for second, event in enumerate(hostile_events())]
    run = make_run("hostile", "failed", events=events)
    other = make_run("other", "failed", events=events)
    for each in (run, other):
        each.config.write_text(
            each.config.read_text().replace("title: ", "title: [/foo][@click=app.quit]x ", 1)
        )
        each.trainer_log.write_text(HOSTILE + "\n")
        each.annotations.write_text(json.dumps({"v": 1, "tags": ["fine"], "note": HOSTILE}))
    app = make_app(run=run)
    seen: dict[str, str] = {}
    async with app.run_test(size=(140, 50)) as pilot:

        async def draws(what: str, *actions: str, shows: Callable[[str], bool]) -> None:
            """Act; wait until the screen shows what this step is about; it must be harmless text."""
            await act(pilot, *actions)
            await until(pilot, lambda: shows(drawn(app)[0]))
            seen[what], clicks = drawn(app)
            assert not control_characters(seen[what]), f"{what}: {control_characters(seen[what])}"
            assert not any("quit" in click or "passwd" in click for click in clicks), what
            assert app.return_code in (None, 0)

        await draws("Monitor", shows=lambda text: "failed" in text)
        await draws("log", "pane-log", shows=lambda text: "Log" in text)
        await draws("output", "pane-output", shows=lambda text: "\\x1b" in text)
        await draws("help", "help", shows=lambda text: "Help" in text)
        await pilot.press("escape")
        await draws("Runs", "go-runs", shows=lambda text: "hostile" in text and "other" in text)
        await act(pilot, "runs-mark", "runs-mark")
        await draws("Compare", "runs-compare", shows=lambda text: "hostile" in text and "other" in text)
        assert app.current_mode == "compare"
        assert set(app.services.selection.marked) == {run, other}
        await draws("Paper", "go-paper", shows=lambda text: "W-MSE" in text)
        await draws("Configure", "go-configure", shows=lambda text: "Presets" in text)
    shown = [what for what, text in seen.items() if "[/foo]" in text]
    assert shown == ["Monitor", "log", "output", "Runs"], "shown as it is, not as markup"


async def test_the_detector_detects() -> None:
    found = control_characters(HOSTILE)
    assert found == {"\x1b", "\x9b", "\x07", "\x00", "\x7f", "\u202e", "\u2066", "\u200b"}
