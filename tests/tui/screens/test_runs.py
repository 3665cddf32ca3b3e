"""The Runs screen: the list, live, and everything that can be done from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.screens.ask import AskScreen, ConfirmScreen
from wmse_tui.tui.screens.runs import RunsScreen
from wmse_tui.tui.widgets.runs.ages import now_minute
from wmse_tui.tui.widgets.runs.table import RunTable

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]

OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]

DAY = 86400.0


@pytest.fixture
def three(make_run: MakeRun) -> dict[str, RunDirectory]:
    """Completed runs: `new`, `middle` and `old`, a day between two."""
    return {
        name: make_run(name, started=1.7e9 - DAY * age) for age, name in enumerate(("new", "middle", "old"))
    }


@pytest.fixture
def on_runs(make_app: MakeApp, until: Until, screen_text: ScreenText) -> OnRuns:
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


def current(app: WmseApp) -> str:
    """The id of the run under the cursor."""
    found = app.screen.query_one(RunTable).current
    return found.run_id if found is not None else ""


def state(app: WmseApp) -> str:
    """The state of the run under the cursor."""
    found = app.screen.query_one(RunTable).current
    return found.status if found is not None else ""


def shown(app: WmseApp) -> list[str]:
    """The ids on the list, in order."""
    return [digest.run_id for digest in app.screen.query_one(RunTable)._listing.rows]


def told(app: WmseApp) -> str:
    """All messages in the corner."""
    return "\n".join(f"{message.title}|{message.message}" for message in app.messages)


# The list


async def test_every_run_is_on_the_list_with_what_is_known_of_it(
    on_runs: OnRuns, every_state: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("run-unknown", size=(160, 40)) as (app, _):
        rows = screen_text(app).splitlines()
        assert shown(app) == [run.id for run in every_state.values()]
        for state, run in every_state.items():
            (row,) = [row for row in rows[3:14] if run.id in row]
            assert state in row.replace(run.id, "")
        (row,) = [row for row in rows[3:14] if "run-completed" in row]
        for text in ("quickstart", "w_mse", "patterns", "4/4", "81.25", "87.50", "gpu-a", "█▇"):
            assert text in row
        assert "11 runs · 4 being trained" in rows[1]


async def test_at_eighty_columns_the_most_useful_columns_are_left(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, _):
        rows = screen_text(app).splitlines()
        assert rows[2].split() == ["Run", "State", "Method", "Epoch", "Curve", "k-NN%", "Lin.%", "Age▲"]
        assert rows[3].split()[:4] == ["new", "completed", "w_mse", "4/4"]


async def test_a_run_that_begins_appears_and_the_cursor_stays_on_its_run(
    on_runs: OnRuns, three: dict[str, RunDirectory], make_run: MakeRun, until: Until
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("j")
        assert current(app) == "middle"
        make_run("newest", "running")
        await until(pilot, lambda: shown(app)[0] == "newest")
        assert current(app) == "middle"


async def test_before_a_person_moves_the_cursor_is_on_the_newest_run(
    on_runs: OnRuns, three: dict[str, RunDirectory], make_run: MakeRun, until: Until
) -> None:
    async with on_runs("old") as (app, pilot):
        make_run("newest", "running")
        await until(pilot, lambda: current(app) == "newest")


async def test_the_state_of_a_run_changes_on_the_screen(
    on_runs: OnRuns, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("mine", "running")
    async with on_runs("running") as (app, pilot):
        ending = make_run("pattern", "stopped").events.read_text()
        run.events.write_text(ending)
        await until(
            pilot, lambda: any("mine" in row and "stopped" in row for row in screen_text(app).split("\n"))
        )


async def test_keys_move_the_cursor(on_runs: OnRuns, make_run: MakeRun) -> None:
    for number in range(30):
        make_run(f"run-{number:02}", started=1.7e9 - number)
    async with on_runs("run-00") as (app, pilot):
        seen = {}
        for keys in (
            "j", "down", "k", "up", "G", "k", "g", "pagedown", "pageup", "end", "home", "ctrl+d",
            "ctrl+u", "k",
        ):  # fmt: skip
            await pilot.press(keys)
            seen[keys] = current(app)
        assert seen == {
            "j": "run-01", "down": "run-02", "k": "run-00", "up": "run-00", "G": "run-29", "g": "run-00",
            "pagedown": "run-15", "pageup": "run-00", "end": "run-29", "home": "run-00", "ctrl+d": "run-15",
            "ctrl+u": "run-00",
        }  # fmt: skip


async def test_the_cursor_is_always_to_be_seen(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    for number in range(30):
        make_run(f"run-{number:02}", started=1.7e9 - number)
    async with on_runs("run-00") as (app, pilot):
        await pilot.press("G")
        assert "run-29" in screen_text(app)
        assert "run-00" not in screen_text(app)
        await pilot.resize_terminal(80, 20)
        await pilot.pause()
        assert "run-29" in screen_text(app)


async def test_reading_many_logs_is_told_and_keys_are_answered_meanwhile(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, pilot):
        screen = app.screen
        digests = screen.query_one(RunTable)._listing.digests
        app.services.feed.unwatch_list(screen)
        screen.post_message(CatalogueChanged(digests, 9))
        await pilot.press("j")
        assert "reading 3 of 12 runs" in screen_text(app)
        assert current(app) == "middle"


# No runs


async def test_without_runs_enter_leads_to_quickstart(
    on_runs: OnRuns, runs_root: Path, screen_text: ScreenText, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Experiment, str]] = []

    async def open_configure(_: WmseApp, experiment: Experiment, preset: str = "") -> None:
        opened.append((experiment, preset))

    monkeypatch.setattr(WmseApp, "open_configure", open_configure)
    async with on_runs("There are no runs yet.", size=(120, 40)) as (app, pilot):
        assert f"looked for in {runs_root}" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: opened)
    assert opened[0][1] == "quickstart"
    assert opened[0][0].dataset.name == "patterns"


async def test_keys_reach_the_list_that_was_empty_before(
    on_runs: OnRuns, make_run: MakeRun, until: Until
) -> None:
    async with on_runs("There are no runs yet.") as (app, pilot):
        make_run("old", started=1.7e9)
        make_run("new", started=1.7e9 + DAY)
        await until(pilot, lambda: shown(app) == ["new", "old"])
        await pilot.press("j")
        assert current(app) == "old"


async def test_actions_without_runs_do_nothing(on_runs: OnRuns) -> None:
    async with on_runs("There are no runs yet.") as (app, pilot):
        await pilot.press(
            "m", "i", "asterisk", "c", "s", "e", "r", "d", "t", "n", "N", "y", "j", "G", "o", "O"
        )
        assert isinstance(app.screen, RunsScreen)
        assert told(app) == "|Mark the runs to compare with m, two at least, then press c."


async def test_a_folder_that_cannot_be_listed_is_told(on_runs: OnRuns, runs_root: Path) -> None:
    runs_root.write_text("a file")
    async with on_runs("cannot list the runs", size=(160, 40)):
        pass


# Filter, order, marks


async def test_the_filter_narrows_the_list_while_one_types(
    on_runs: OnRuns, every_state: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("run-unknown") as (app, pilot):
        await pilot.press("slash", *"state:")
        assert len(shown(app)) == 11
        await pilot.press(*"st")
        assert shown(app) == ["run-starting", "run-stalled", "run-stopped"]
        await pilot.press("a", "enter")
        assert shown(app) == ["run-starting", "run-stalled"][1:] or shown(app) == [
            "run-starting",
            "run-stalled",
        ]
        assert "shown for state:sta" in screen_text(app)
        await pilot.press("j")
        assert current(app) == "run-stalled"
        await pilot.press("escape")
        assert len(shown(app)) == 11
        assert current(app) == "run-stalled"


async def test_a_filter_that_lets_nothing_through_says_so(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("slash", *"qqq:1")
        assert "no field is called qqq" in screen_text(app)
        assert "No run matches 'qqq:1'. Escape shows all." in screen_text(app)
        await pilot.press("escape")
        assert shown(app) == ["new", "middle", "old"]


async def test_the_order_changes_by_key_and_is_shown(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    make_run("b", started=1.7e9)
    make_run("a", started=1.7e9 - DAY, overrides=("method={name: byol}",))
    async with on_runs("byol", size=(160, 30)) as (app, pilot):
        assert "Age▲" in screen_text(app)
        await pilot.press("o", "o", "o")  # tags, host, run
        assert "Run▲" in screen_text(app)
        assert shown(app) == ["a", "b"]
        await pilot.press("O")
        assert "Run▼" in screen_text(app)
        assert shown(app) == ["b", "a"]
        await pilot.press("l", "l", "l", "h", "right")
        assert "Method▲" in screen_text(app)
        assert shown(app) == ["a", "b"]


async def test_marks_are_counted_and_stay(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("m", "x")
        assert current(app) == "old"
        assert "3 runs · 2 marked" in screen_text(app)
        assert [row[1] for row in screen_text(app).split("\n")[3:6] if row] == ["●", "●", " "]
        await pilot.press("slash", *"old", "enter")
        assert "2 marked (2 not shown)" in screen_text(app)
        await pilot.press("asterisk", "escape", "i")
        assert "marked" not in screen_text(app).split("\n")[1]
        await pilot.press("asterisk", "u")
        assert "marked" not in screen_text(app).split("\n")[1]


async def test_the_mouse_moves_marks_sorts_and_opens(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    async def open_run(_: WmseApp, run: RunDirectory) -> None:
        opened.append(run.id)

    monkeypatch.setattr(WmseApp, "open_run", open_run)
    async with on_runs("old") as (app, pilot):
        await pilot.click("#runs-table", offset=(10, 2))
        assert current(app) == "middle"
        await pilot.click("#runs-table", offset=(2, 3))
        assert "1 marked" in screen_text(app)
        await pilot.click("#runs-table", offset=(4, 0))
        assert "Run▲" in screen_text(app)
        await pilot.click("#runs-table", offset=(4, 0))
        assert "Run▼" in screen_text(app)
        await pilot.click("#runs-table", offset=(10, 1), times=2)
        await pilot.pause()
        assert opened == ["old"]


# Actions


async def test_enter_opens_the_run_under_the_cursor(
    on_runs: OnRuns, three: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[RunDirectory] = []

    async def open_run(_: WmseApp, run: RunDirectory) -> None:
        opened.append(run)

    monkeypatch.setattr(WmseApp, "open_run", open_run)
    async with on_runs("old") as (_, pilot):
        await pilot.press("j", "enter")
    assert opened == [three["middle"]]


async def test_two_to_eight_marked_runs_are_compared(
    on_runs: OnRuns, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[list[str]] = []

    async def open_compare(_: WmseApp, runs: Any) -> None:
        compared.append([run.id for run in runs])

    monkeypatch.setattr(WmseApp, "open_compare", open_compare)
    for number in range(9):
        make_run(f"run-{number}", started=1.7e9 - number)
    async with on_runs("run-8") as (app, pilot):
        await pilot.press("m", "c")
        assert "two at least" in told(app)
        await pilot.press("j", "m", "c")
        await pilot.press("asterisk", "c")
        assert "9 runs are marked; at most 8 can be compared." in told(app)
        await pilot.press("g", "m", "c")
    assert compared == [["run-0", "run-2"], [f"run-{number}" for number in range(1, 9)]]


async def test_stopping_asks_first_and_leaves_a_request(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText, until: Until
) -> None:
    run = make_run("mine", "running")
    make_run("done")
    async with on_runs("done") as (app, pilot):
        await pilot.press("asterisk", "s")
        assert "Stop 1 run now?" in screen_text(app)
        assert "mine  epoch 2/4" in screen_text(app)
        assert "Not stopped|done: it is not running: it is completed" in told(app)
        await pilot.press("n")
        assert pending(run) == ()
        await pilot.press("u", "g", "s", "y")
        await until(pilot, lambda: "Asked to stop now: mine" in told(app))
        await pilot.press("e", "y")
        await until(pilot, lambda: "Asked to stop after the running epoch: mine" in told(app))
    assert [request.command for request in pending(run)] == ["stop", "stop_after_epoch"]


async def test_a_stopped_run_is_resumed_and_stopped_again(
    on_runs: OnRuns, make_run: MakeRun, standin: Path, until: Until
) -> None:
    run = make_run("mine", "stopped")
    async with on_runs("stopped", trainer=standin) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "Resumed: mine" in told(app))
        await until(pilot, lambda: view_run(run).status == "running" and view_run(run).step > 10)
        assert [own.id for own in app.services.trainers.active()] == ["mine"]
        await until(pilot, lambda: state(app) == "running")
        await pilot.press("r")
        assert "Not resumed|mine: it is running already" in told(app)
        await pilot.press("s", "y")
        await until(pilot, lambda: state(app) == "stopped")


async def test_resuming_a_paused_run_asks_its_trainer(
    on_runs: OnRuns, make_run: MakeRun, until: Until
) -> None:
    run = make_run("mine", "paused")
    async with on_runs("paused") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "Resumed: mine" in told(app))
    assert [request.command for request in pending(run)] == ["resume"]


async def test_several_runs_are_resumed_after_a_question(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    make_run("a", "stopped")
    make_run("b", "crashed")
    async with on_runs("crashed") as (app, pilot):
        await pilot.press("asterisk", "r")
        assert "Resume 2 runs?" in screen_text(app)
        assert "share this machine" in screen_text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_deleting_names_runs_and_sizes_and_takes_only_what_is_not_held(
    on_runs: OnRuns, three: dict[str, RunDirectory], make_run: MakeRun, screen_text: ScreenText, until: Until
) -> None:
    (three["new"].checkpoints / "final.pt").write_bytes(b"0" * 5_000_000)
    busy = make_run("busy", "running")
    async with on_runs("old") as (app, pilot):
        await until(pilot, lambda: "busy" in shown(app))
        await pilot.press("asterisk", "j", "j", "m", "d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        text = screen_text(app)
        assert "Delete 2 runs for good?" in text
        assert "new  5.0 MB" in text
        assert "middle" not in text.split("Delete 2 runs")[1]
        assert "MB in all" in text
        assert "Not deleted|busy: it is running; stop it first" in told(app)
        await pilot.press("enter")  # the safe answer has the focus
        assert three["new"].is_run()
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: shown(app) == ["busy", "middle"])
        assert "Deleted: new, old" in told(app)
    assert busy.is_run()
    assert not three["new"].path.exists()


async def test_a_refusal_by_the_run_itself_is_told(
    on_runs: OnRuns, make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("mine")
    (run.path / "thesis.tex").write_text("mine")
    async with on_runs("mine") as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: "the directory holds what no run made" in told(app))
    assert run.is_run()


async def test_tags_and_notes_are_written_and_shown(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText, until: Until
) -> None:
    async with on_runs("old", size=(160, 40)) as (app, pilot):
        await pilot.press("m", "m", "t", *"b@d")
        assert isinstance(app.screen, AskScreen)
        assert "'b@d' cannot be a tag" in screen_text(app)
        await pilot.press("backspace", "backspace", "backspace", *"base x", "enter")
        await until(pilot, lambda: screen_text(app).count("base x") == 2)
        await pilot.press("u", "g", "t", *"-x", "enter")
        await until(pilot, lambda: screen_text(app).count("base x") == 1)
        await pilot.press("n", *"keep this", "enter")
        await until(pilot, lambda: "#base keep this" in screen_text(app))
    assert read_annotations(three["new"]) == Annotations(("base",), "keep this")
    assert read_annotations(three["middle"]) == Annotations(("base", "x"))


async def test_a_configuration_is_opened_in_configure(
    on_runs: OnRuns, make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Experiment, str]] = []

    async def open_configure(_: WmseApp, experiment: Experiment, preset: str = "") -> None:
        opened.append((experiment, preset))

    monkeypatch.setattr(WmseApp, "open_configure", open_configure)
    run = make_run("mine", overrides=("seed=7",))
    async with on_runs("mine", size=(120, 40)) as (app, pilot):
        await pilot.press("N")
        await until(pilot, lambda: opened)
        run.config.write_text("nonsense: 1\n")
        await pilot.press("N")
        await until(pilot, lambda: "This configuration cannot be used|" in told(app))
        assert "nonsense" in told(app)
    assert (opened[0][0].seed, opened[0][1]) == (7, "quickstart")


async def test_paths_are_copied(on_runs: OnRuns, three: dict[str, RunDirectory]) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("y")
        assert app.clipboard == str(three["new"].path)
        await pilot.press("asterisk", "y")
        assert app.clipboard.splitlines() == [str(run.path) for run in three.values()]


# What the screen must not do


async def test_hostile_text_is_shown_harmlessly(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    make_run(
        "mine",
        overrides=("title=[@click=app.quit]\u202e[/red]\x1b]52;c;aGk=\x07",),
        note="[bold]\x1b[2J\u2066",
    )
    async with on_runs("mine", size=(160, 40)) as (app, _):
        text = screen_text(app)
        assert "[@click=app.quit]\\u202e[/red]\\x1b]52;c;aGk=\\x07" in text
        assert "[bold]\\x1b[2J\\u2066" in text


async def test_a_tick_without_news_draws_nothing(
    on_runs: OnRuns, three: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        digests = screen.query_one(RunTable)._listing.digests
        app.services.feed.unwatch_list(screen)
        drawn: list[Any] = []
        for widget in screen.walk_children():
            monkeypatch.setattr(widget, "refresh", lambda *regions, **_: drawn.append(regions))
        screen.post_message(CatalogueChanged(tuple(digests), 0))
        screen._look_at_the_clock()
        await pilot.pause()
        assert drawn == []


async def test_only_changed_cells_are_drawn(
    on_runs: OnRuns, three: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.pause()
        table = app.screen.query_one(RunTable)
        app.services.feed.unwatch_list(app.screen)
        drawn: list[Region] = []
        refresh = table.refresh

        def note(*regions: Region, **options: bool) -> RunTable:
            drawn.extend(regions)
            return refresh(*regions, **options)

        monkeypatch.setattr(table, "refresh", note)
        new, middle, old = table._listing.digests
        changed = RunRow(**{name: getattr(old, name) for name in old.__dataclass_fields__} | {"epoch": 3})
        app.screen.post_message(CatalogueChanged((new, middle, changed), 0))
        await pilot.pause()
        assert [(region.y, region.height) for region in drawn] == [(3, 1)]
        assert drawn[0].width < 10
        await pilot.pause()
        drawn.clear()
        await pilot.press("j")
        assert sorted(region.y for region in drawn) == [1, 2]


async def test_ages_change_with_the_minute(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("mine", started=now_minute() * 60.0 - 60)
    async with on_runs("1 min") as (app, pilot):
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        later = now_minute() + 10
        monkeypatch.setattr(screen._board, "_clock", lambda: later)
        app.frozen = True
        screen._look_at_the_clock()
        await pilot.pause()
        assert " 1 min" in screen_text(app)
        app.frozen = False
        screen._look_at_the_clock()
        await pilot.pause()
        assert "11 min" in screen_text(app)


async def test_the_list_stands_still_under_a_question(
    on_runs: OnRuns, three: dict[str, RunDirectory], make_run: MakeRun, until: Until
) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("question_mark")
        make_run("newest", "running")
        await until(
            pilot, lambda: len(app.services.feed._list.digests) == 4 if app.services.feed._list else False
        )
        assert len(app.screen_stack[0].query_one(RunTable)._listing.rows) == 3
        await pilot.press("escape")
        await until(pilot, lambda: len(shown(app)) == 4)
        await pilot.press("space", "question_mark", "escape")
        assert app.services.feed._frozen


async def test_a_list_nobody_looks_at_is_not_kept_up(on_runs: OnRuns, three: dict[str, RunDirectory]) -> None:
    async with on_runs("old") as (app, pilot):
        screen = app.screen
        assert screen in app.services.feed._list_listeners
        await pilot.press("question_mark")
        assert screen in app.services.feed._list_listeners
        await pilot.press("escape", "4")
        await pilot.pause()
        assert screen not in app.services.feed._list_listeners
        await pilot.press("3")
        await pilot.pause()
        assert screen in app.services.feed._list_listeners


async def test_a_thousand_runs_answer_a_key_with_two_rows(
    on_runs: OnRuns, three: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_runs("old") as (app, pilot):
        app.services.feed.unwatch_list(app.screen)
        digests = tuple(RunRow(run_id=f"run-{n}", path=f"/runs/{n}", status="completed") for n in range(1000))
        app.screen.post_message(CatalogueChanged(digests, 0))
        await pilot.pause()
        table = app.screen.query_one(RunTable)
        rows: list[int] = []
        drawn = table.render_line

        def note(y: int) -> Strip:
            rows.append(y)
            return drawn(y)

        monkeypatch.setattr(table, "render_line", note)
        await pilot.press("j")
        await pilot.pause()
        assert sorted(set(rows)) == [1, 2]
        await pilot.press("G")
        await pilot.pause()
        assert current(app) == "run-999"
        assert max(rows) < 24


async def test_help_tells_every_key(
    on_runs: OnRuns, three: dict[str, RunDirectory], screen_text: ScreenText
) -> None:
    async with on_runs("old", size=(120, 60)) as (app, pilot):
        await pilot.press("question_mark")
        text = screen_text(app)
        for told_key in (
            "runs-filter",
            "runs-mark-all",
            "runs-stop-after-epoch",
            "runs-copy-path",
            "runs-page-down",
        ):
            assert told_key in text
