"""Text lines: wrapped, followed, searched, and drawn only where they changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input

from wmse_tui.runs.log.activity import ActivityLine
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.themes import THEMES
from wmse_tui.tui.widgets.monitor.text_lines import TextLines, found_in
from wmse_tui.tui.widgets.monitor.text_panel import TextPanel

pytestmark = pytest.mark.asyncio


class Host(App[None]):
    """An app with one panel of lines."""

    CSS = (
        "TextLines { height: 1fr; overflow-x: hidden; overflow-y: scroll; } .note, .search { dock: bottom; }"
    )

    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.panel = TextPanel(title="Log", id="log", keys=KeyNames({}), empty="Nothing yet.")

    def compose(self) -> ComposeResult:
        yield self.panel

    @property
    def lines(self) -> TextLines:
        return self.query_one(TextLines)

    def drawn(self) -> list[str]:
        """The rows in sight."""
        lines = self.lines
        return [lines.render_line(y).text.rstrip() for y in range(lines.size.height)]


def numbered(numbers: Iterable[int]) -> tuple[ActivityLine, ...]:
    return tuple(ActivityLine(f"line {number}") for number in numbers)


@asynccontextmanager
async def host(
    lines: tuple[ActivityLine, ...] = (), size: tuple[int, int] = (40, 10)
) -> AsyncIterator[tuple[Host, Pilot[Any]]]:
    app = Host()
    async with app.run_test(size=size) as pilot:
        app.panel.show(lines)
        await pilot.pause()
        app.lines.focus()
        await pilot.pause()
        yield app, pilot


async def test_without_lines_there_is_a_sentence() -> None:
    async with host() as (app, _):
        assert app.panel.heading == "Nothing yet."


async def test_it_begins_at_the_end_and_follows_it() -> None:
    async with host(numbered(range(50))) as (app, pilot):
        assert app.drawn()[-1] == "line 49"
        app.panel.show(numbered(range(60)))
        await pilot.pause()
        assert app.drawn()[-1] == "line 59"


async def test_after_scrolling_up_new_lines_do_not_move_it() -> None:
    async with host(numbered(range(50))) as (app, pilot):
        await pilot.press("g")
        assert app.drawn()[0] == "line 0"
        await pilot.press("j", "j")
        app.panel.show(numbered(range(60)))
        await pilot.pause()
        assert app.drawn()[0] == "line 2"
        await pilot.press("G")
        assert app.drawn()[-1] == "line 59"
        app.panel.show(numbered(range(70)))
        await pilot.pause()
        assert app.drawn()[-1] == "line 69"


async def test_keys_scroll() -> None:
    async with host(numbered(range(50))) as (app, pilot):
        height = app.lines.size.height
        await pilot.press("pageup")
        assert app.drawn()[-1] == f"line {49 - height}"
        await pilot.press("k", "up")
        assert app.drawn()[-1] == f"line {47 - height}"
        await pilot.press("home", "pagedown")
        assert app.drawn()[0] == f"line {height}"


async def test_long_lines_are_wrapped_and_indented() -> None:
    text = "12:00:00  one two three four five six seven eight nine ten"
    async with host((ActivityLine(text),)) as (app, pilot):
        assert app.drawn()[:3] == [
            "12:00:00  one two three four five six",
            "          seven eight nine ten",
            "",
        ]
        await pilot.resize_terminal(80, 10)
        await pilot.pause()
        assert app.drawn()[0] == text


async def test_markup_in_lines_is_only_text() -> None:
    async with host((ActivityLine("[@click=app.quit]x[/] [/red] [bold]"),)) as (app, _):
        assert app.drawn()[0] == "[@click=app.quit]x[/] [/red] [bold]"


async def test_the_same_lines_again_are_not_drawn_and_of_others_only_the_changed_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with host(numbered(range(3))) as (app, pilot):
        regions: list[Region] = []
        refresh = app.lines.refresh

        def record(*found: Region, **options: Any) -> Any:
            regions.extend(found)
            return refresh(*found, **options)

        monkeypatch.setattr(app.lines, "refresh", record)
        app.panel.show(numbered(range(3)))
        assert regions == []
        changed = (*numbered(range(2)), ActivityLine("line two"))
        app.panel.show(changed)
        assert [region.y for region in regions] == [2]
        await pilot.pause()
        assert app.drawn()[:3] == ["line 0", "line 1", "line two"]


async def test_a_search_marks_and_goes_from_match_to_match() -> None:
    lines = tuple(
        ActivityLine(f"line {number}" + (" Error here" if number % 20 == 5 else "")) for number in range(60)
    )
    async with host(lines) as (app, pilot):
        await pilot.press("g", "slash", *"error", "enter")
        assert app.panel.search_note.startswith("1 of 3: error")
        assert app.lines.has_focus
        await pilot.press("n")
        assert "line 25 Error here" in app.drawn()
        await pilot.press("n", "n")
        assert app.panel.search_note.startswith("1 of 3")
        await pilot.press("N")
        assert app.panel.search_note.startswith("3 of 3")
        assert "line 45 Error here" in app.drawn()
        await pilot.press("escape")
        assert app.panel.search_note == ""
        assert app.lines.needle == ""


async def test_a_search_without_a_match_reports_it() -> None:
    async with host(numbered(range(5))) as (app, pilot):
        await pilot.press("slash", *"[/x]", "enter")
        assert app.panel.search_note == "not found: [/x]"
        await pilot.press("n")
        assert app.panel.search_note == "not found: [/x]"


async def test_without_a_search_n_begins_one_and_escape_ends_it() -> None:
    async with host(numbered(range(5))) as (app, pilot):
        await pilot.press("n")
        assert isinstance(app.focused, Input)
        await pilot.press("escape")
        assert app.lines.has_focus
        assert not app.query_one(Input).display
        await pilot.press("slash", "enter")
        assert app.lines.has_focus
        assert app.panel.search_note == ""


async def test_a_match_stays_the_current_one_while_lines_come_and_go() -> None:
    async with host(numbered(range(20))) as (app, pilot):
        await pilot.press("slash", *"line 1", "enter")
        await pilot.press("n", "n")
        before = app.lines.position
        app.panel.show((*numbered(range(20)), ActivityLine("line 100")))
        assert app.lines.position == (before[0], before[1] + 1)


@pytest.mark.parametrize(
    ("text", "needle", "spans"),
    [
        ("Error, error", "ERROR", ((0, 5), (7, 12))),
        ("aaa", "aa", ((0, 2),)),
        ("abc", "x", ()),
        ("abc", "", ()),
        ("İx", "x", ((1, 2),)),
    ],
)
async def test_a_needle_is_found_in_any_case(
    text: str, needle: str, spans: tuple[tuple[int, int], ...]
) -> None:
    assert found_in(text, needle) == spans
