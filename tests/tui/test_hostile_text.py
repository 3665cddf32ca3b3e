"""Whatever the files of a run say, the app draws it as text, and no part of it can be clicked into action."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from hostile import NASTY, acts, hostile_events

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.screens.monitor import MonitorScreen

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
    until: Callable[..., Awaitable[None]],
) -> None:
    events = [(float(second), event) for second, event in enumerate(hostile_events())]
    run = make_run("hostile", "failed", events=events)
    other = make_run("other", "failed", events=events)
    for each in (run, other):
        each.config.write_text(
            each.config.read_text().replace("title: ", "title: [/foo][@click=app.quit]x ", 1)
        )
        each.trainer_log.write_text(NASTY + "\n")
        each.annotations.write_text(json.dumps({"v": 1, "tags": ["fine"], "note": NASTY}))
    app = make_app(run=run)
    seen = ""
    async with app.run_test(size=(140, 50)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and "failed" in drawn(app)[0])
        for key in (
            "",
            *"lL",
            "tab",
            "tab",
            "question_mark",
            "escape",
            "3",
            "space",
            "down",
            "space",
            "4",
            "5",
            "1",
        ):
            if key:
                await pilot.press(key)
            await pilot.pause()
            text, actions = drawn(app)
            seen += text
            assert not acts(text), f"after {key!r}: {acts(text)}"
            assert not any("quit" in action or "passwd" in action for action in actions), key
            assert app.return_code in (None, 0)
        app.notify(NASTY[:60], markup=False)
    assert "[/foo]" in seen, "shown as it is, not as markup"


async def test_the_detector_detects() -> None:
    assert acts(NASTY) == {"\x1b", "\x9b", "\x07", "\x00", "\x7f", "\u202e", "\u2066", "\u200b"}
