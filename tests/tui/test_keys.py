"""The table of keys: all it declares can be reached, the palette lists it, and texts name it."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from textual.binding import Binding
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets._footer import FooterKey

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.config.fields import groups
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.embedding import EmbeddingMap
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.keys import (
    GROUPS,
    KEYS_OF,
    MOVING,
    KeyNames,
    actions_of,
    group_of,
    key_name,
    unknown_ids,
)
from wmse_tui.tui.screen_names import ScreenName
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.screens.monitor import MonitorScreen
from wmse_tui.tui.widgets.compare.chart import OverlaidCharts
from wmse_tui.tui.widgets.configure.sections import SectionPanel
from wmse_tui.tui.widgets.monitor.map_panel import MapPanel
from wmse_tui.tui.widgets.runs.board import RunBoard
from wmse_tui.tui.widgets.runs.run_table import RunTable

PACKAGE = Path(__file__).parents[2] / "wmse_tui" / "tui"
Act = Callable[..., Awaitable[None]]
Until = Callable[..., Awaitable[None]]
SIZES = ((200, 60), (80, 24))

_SKIPPED = "a list or part passes the key on where Textual's own scrolling has nothing to scroll"
UNREACHABLE: dict[tuple[str, str, str], str] = {
    ("runs", "runs-filter-accept", "down"): _SKIPPED,
    ("everywhere", "quit", "ctrl+c"): "every screen copies what is selected, and leaves where nothing is",
}
"""Keys that nothing focused on a screen leads to: screen, binding id, key, and why that is right."""


UNDOES = {"configure", "runs"}
"""Screens on which ctrl+z takes back the last change first, and suspends where there is none."""


def declared(screen: str) -> set[tuple[str, str]]:
    """The pairs of binding id and key that the table declares for a screen."""
    return {
        (binding.id, key)
        for table in KEYS_OF[screen]
        for binding in table
        if isinstance(binding, Binding) and binding.id
        for key in binding.key.split(",")
    }


def reached(screen: Screen[Any]) -> set[tuple[str, str]]:
    """The pairs that work on `screen` with the focus where it is."""
    return {
        (active.binding.id, key)
        for key, active in screen.active_bindings.items()
        if active.binding.id and active.enabled
    }


async def every_focus(pilot: Pilot[Any]) -> set[tuple[str, str]]:
    """The pairs that work with some widget of the screen in focus, and the palette lists what works."""
    screen = pilot.app.screen
    before = screen.focused
    found = reached(screen)
    visited = set()  # a form has many rows of a kind: the app comes to rest on the first of each
    for widget in list(screen.query("*")):
        if widget.focusable and widget.is_on_screen:
            screen.set_focus(widget)
            here = reached(screen)
            if (type(widget), frozenset(here)) not in visited:
                visited.add((type(widget), frozenset(here)))
                await pilot.pause()
                here = reached(screen)
            found |= here
            offered = {binding.id for _, binding in actions_of(screen)}
            assert {name for name, _ in here} <= offered, f"with {widget} in focus the palette lacks actions"
    screen.set_focus(before)
    await pilot.pause()
    return found


async def configure(pilot: Pilot[Any], act: Act, until: Until) -> AsyncIterator[None]:
    yield
    sections = pilot.app.screen.query_one(SectionPanel)
    for group in (groups()[0], next(group for group in groups() if group.name == "backbone")):
        sections.choose(group.name)
        sections.post_message(SectionPanel.Chosen(group.name))
        await pilot.pause()
        yield
    await act(pilot, "configure-forward", "configure-forward", "configure-back")
    pilot.app.screen.go_to("schedule.epochs")  # type: ignore[attr-defined]
    await pilot.pause()
    yield
    await act(pilot, "field-edit")
    yield
    await act(pilot, "field-cancel")
    pilot.app.screen.set_focus(sections.list)
    await pilot.pause()
    await act(pilot, "configure-filter")
    yield


async def monitor(pilot: Pilot[Any], act: Act, until: Until) -> AsyncIterator[None]:
    yield
    if cast("WmseApp", pilot.app).services.selection.monitored is None:
        return
    await until(pilot, lambda: any(name == "pane-log" for name, _ in reached(pilot.app.screen)))
    yield
    await act(pilot, "pane-log")
    yield
    await act(pilot, "search")
    yield
    await act(pilot, "search-end", "pane-plots", "plot-cursor-left")
    yield
    await act(pilot, "pane-whitening", "whitening-describe")
    yield
    points, classes = ((0.0, 0.0), (1.0, 1.0)), ("cat", "dog")
    drawn = EmbeddingMap(points=points, labels=(0, 1), classes=classes, step=5, epoch=1, method="pca")
    pilot.app.screen.query_one(MapPanel).show(drawn)
    await act(pilot, "pane-map", "map-next")
    yield


async def runs(pilot: Pilot[Any], act: Act, until: Until) -> AsyncIterator[None]:
    await until(pilot, lambda: pilot.app.screen.query_one(RunTable).current)
    yield
    await act(pilot, "runs-filter")
    yield


async def compare(pilot: Pilot[Any], act: Act, until: Until) -> AsyncIterator[None]:
    yield
    charts = pilot.app.screen.query_one(OverlaidCharts)
    await until(pilot, lambda: len(list(charts.states)) == 2)
    charts.focus()
    await pilot.pause()
    await act(pilot, "plot-cursor-left")
    yield


async def as_it_opens(pilot: Pilot[Any], act: Act, until: Until) -> AsyncIterator[None]:
    yield


STATES: dict[ScreenName, Callable[[Pilot[Any], Act, Until], AsyncIterator[None]]] = {
    "configure": configure,
    "monitor": monitor,
    "runs": runs,
    "compare": compare,
    "paper": as_it_opens,
}


@pytest.mark.asyncio
@pytest.mark.parametrize("screen", STATES)
async def test_every_declared_key_is_reached_somewhere_on_its_screen(
    make_app: MakeApp, every_state: dict[str, RunDirectory], act: Act, until: Until, screen: ScreenName
) -> None:
    found: set[tuple[str, str]] = set()
    watched = ("running", "completed") if screen == "monitor" else ()
    for size in SIZES:
        app = make_app(screen=screen)
        if screen == "compare":
            app.services.selection.marked = (every_state["running"], every_state["completed"])
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            async for _ in STATES[screen](pilot, act, until):
                found |= await every_focus(pilot)
            for state in watched:
                await app.open_run(every_state[state])
                await pilot.pause()
                async for _ in STATES[screen](pilot, act, until):
                    found |= await every_focus(pilot)
    lacking = {
        (where, name, key) for where in ("everywhere", screen) for name, key in declared(where) - found
    }
    taken = {("everywhere", "suspend", "ctrl+z")} if screen in UNDOES else set()
    assert lacking == taken | {row for row in UNREACHABLE if row[0] in ("everywhere", screen)}


@pytest.mark.asyncio
async def test_the_palette_lists_the_actions_of_the_whole_screen(
    make_app: MakeApp, make_run: MakeRun
) -> None:
    make_run("small")
    app = make_app(screen="runs")
    async with app.run_test() as pilot:
        await pilot.pause()
        app.screen.set_focus(None)
        await pilot.pause()
        offered = {command.help for command in app.get_system_commands(app.screen)}
        for table in (*KEYS_OF["runs"], *KEYS_OF["everywhere"]):
            for binding in table:
                assert isinstance(binding, Binding)
                if binding.id == "palette":  # it is open
                    continue
                if binding.id and not binding.id.startswith("runs-filter-"):  # while the filter is typed
                    assert any(text.endswith(f"({key_name(binding.key.split(',')[0])})") for text in offered)


def test_no_two_actions_of_a_screen_share_an_id() -> None:
    for screen, tables in KEYS_OF.items():
        names = [b.id for table in tables for b in table if isinstance(b, Binding) and b.id]
        assert len(names) == len(set(names)), screen


def test_every_text_names_a_binding_there_is() -> None:
    known = {name for screen in KEYS_OF for name, _ in declared(screen)}
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "keys.py"}
    pattern = re.compile(r"""\{key:([\w-]+)\}|keys\.name\(["']([\w-]+)["']\)""")
    named = {(path.name, a or b) for path, text in texts.items() for a, b in pattern.findall(text)}
    assert named
    assert not {(path, name) for path, name in named if name not in known}


SPELLED = re.compile(r"\b(?:press|with) (?:[b-zA-Z?/]|space|enter)(?=[ .,;)]|$)|\b\w+ \([1-5a-zA-Z?]\)")


def texts_of(path: Path) -> Iterator[ast.Constant]:
    """The strings of a module but for its docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def test_no_text_spells_a_key() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{text.lineno}: {SPELLED.findall(str(text.value))}"
        for path in PACKAGE.rglob("*.py")
        for text in texts_of(path)
        if SPELLED.search(str(text.value))
    ]
    assert not found, "\n".join(found)


def test_texts_fill_in_the_users_key() -> None:
    names = KeyNames({"runs-mark": "ctrl+k,f9"})
    assert names.fill("{key:runs-mark} marks, {key:runs-open} opens, {other} stays") == (
        "ctrl+k marks, Enter opens, {other} stays"
    )
    assert (names.name("runs-filter"), names.name("help")) == ("/", "?")
    with pytest.raises(KeyError):
        names.name("no-such-binding")


def test_ids_that_nothing_has_are_reported_with_the_nearest() -> None:
    assert unknown_ids({"quit": "x"}) == ()
    assert unknown_ids({"qit": "x"}) == ("keys: no binding is called 'qit'; did you mean quit?",)


def labels() -> dict[str, set[str]]:
    """The labels of each key that does not move, over all screens."""
    found: dict[str, set[str]] = {}
    for tables in KEYS_OF.values():
        for binding in (each for table in tables for each in table):
            assert isinstance(binding, Binding)
            for key in set(binding.key.split(",")) - MOVING:
                found.setdefault(key, set()).add(binding.description)
    return found


def test_a_key_means_the_same_on_every_screen() -> None:
    several = {key: names for key, names in labels().items() if len(names) > 1}
    assert several == {"ctrl+z": {"Undo", "Suspend"}}  # undo first, and suspend where nothing is left


DESTRUCTIVE = ("Stop", "Stop after epoch", "Delete")


def test_what_destroys_is_on_a_capital() -> None:
    found = labels()
    keys = [key for key, names in found.items() if names & set(DESTRUCTIVE) and len(key) == 1]
    assert len(keys) == len(DESTRUCTIVE)
    assert all(key.isupper() for key in keys)


def test_every_id_is_in_one_group_of_the_help() -> None:
    for screen in KEYS_OF:
        for name, _ in declared(screen):
            assert group_of(name) in GROUPS.values()


@pytest.mark.asyncio
async def test_escape_goes_back_through_the_screens(make_app: MakeApp, make_run: MakeRun) -> None:
    make_run("small")
    app = make_app(screen="paper")
    async with app.run_test() as pilot:
        await pilot.pause()
        await pilot.press("3", "4", "3")
        for before in ("compare", "runs", "paper", "paper"):
            await pilot.press("escape")
            await pilot.pause()
            assert app.current_mode == before


WATCHED = {"Stop", "Pause", "Resume", "Duplicate"}


def in_footer(app: WmseApp) -> set[str]:
    return {key.description for key in app.screen.query(FooterKey)}


@pytest.mark.asyncio
async def test_the_footer_offers_what_the_state_of_the_run_allows(
    make_app: MakeApp, every_state: dict[str, RunDirectory], until: Until
) -> None:
    wanted: dict[str, set[str]] = {
        "completed": set(),
        "failed": {"Resume"},
        "stopped": {"Resume"},
        "running": {"Stop", "Pause"},
        "paused": {"Stop", "Pause"},
        "new": {"Resume"},
    }
    app = make_app(run=every_state["new"])
    async with app.run_test(size=(160, 40)) as pilot:
        for state, offered in wanted.items():
            await app.open_run(every_state[state])

            def shown(
                state: str = state, everything: frozenset[str] = frozenset({"Duplicate", *offered})
            ) -> bool:
                run_state = cast("MonitorScreen", app.screen).run_state
                read = run_state is not None and run_state.status == state
                return read and in_footer(app) & WATCHED == everything

            await until(pilot, shown)
        await pilot.press("4")
        await until(pilot, lambda: in_footer(app) == {"Compare", "Help", "Quit"})  # no run is compared
        await pilot.press("3", "g")
        board = app.screen.query_one(RunBoard)
        active = {state: {"Stop"} for state in ("starting", "running", "stalled", "unknown")}
        ended = {state: {"Resume"} for state in ("new", "stopped", "crashed", "failed", "diverged")}
        listed: dict[str, set[str]] = {
            "completed": set(), "paused": {"Stop", "Resume"}, **active, **ended
        }  # fmt: skip
        for _ in every_state:
            assert board.current is not None
            offered = listed[board.current.status]
            await until(pilot, lambda offered=offered: in_footer(app) & {"Stop", "Resume"} == offered)
            await pilot.press("j")


def test_the_name_of_a_printable_key_is_the_key() -> None:
    """Textual has its own names for them: `at`, `circumflex_accent`."""
    for character in string.printable.strip():
        assert key_name(_character_to_key(character)) == character


@pytest.mark.asyncio
async def test_no_screen_gives_the_focus_to_what_it_hides(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is typed ahead would be written into a filter that is not shown."""
    focused: dict[str, list[bool]] = {}
    set_focus = AppScreen.set_focus

    def recorded(screen: AppScreen, widget: Widget | None, *args: Any, **more: Any) -> None:
        if widget is not None:
            focused.setdefault(type(screen).__name__, []).append(widget.display)
        set_focus(screen, widget, *args, **more)

    monkeypatch.setattr(AppScreen, "set_focus", recorded)
    app = make_app(screen="configure")
    async with app.run_test(size=(120, 40)) as pilot:
        for key in "1345":
            await pilot.press(key)
            await pilot.pause()
    assert set(focused) >= {"ConfigureScreen", "RunsScreen", "PaperScreen"}
    assert all(all(shown) for shown in focused.values()), focused
