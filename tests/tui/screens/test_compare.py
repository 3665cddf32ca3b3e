"""The Compare screen: which runs, the chart and the tables, live, and the export."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from made_transfer import save_transfer, transfer_result
from textual.pilot import Pilot
from textual.widgets import Input, Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Epoch, Evaluation, Exit, KnnResult, Record, Steps
from wmse_tui.runs.state.curves import QUANTITIES
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Confirm, RunPicker
from wmse_tui.tui.export_dialog import ExportDialog
from wmse_tui.tui.screens.compare import CompareScreen
from wmse_tui.tui.widgets.compare.chart import OverlaidCurves
from wmse_tui.tui.widgets.table import CellTable

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
Act = Callable[..., Awaitable[None]]
OnCompare = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]

BEGAN = 1_772_366_400.0  # as runs begin that are made for a test


@pytest.fixture
def make_app(make_app: MakeApp) -> MakeApp:
    """The app begins with this screen; the tests of the others open theirs."""
    return functools.partial(make_app, screen="compare")


@pytest.fixture
def three(make_run: MakeRun) -> tuple[RunDirectory, ...]:
    """Two runs that differ in the seed, and one with another method that was stopped."""
    return (
        make_run("first"),
        make_run("second", overrides=("seed=1",), started=BEGAN + 1),
        make_run("other", "stopped", overrides=("method={name: simclr}",)),
    )


@pytest.fixture
def on_compare(make_app: MakeApp, until: Until) -> OnCompare:
    """Opens Compare on runs, and waits until all is known: `async with on_compare(runs) as (app, pilot)`."""

    @asynccontextmanager
    async def open_on_compare(
        runs: tuple[RunDirectory, ...], *, size: tuple[int, int] = (120, 40), **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        app = make_app(**options)
        app.services.selection.marked = runs
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, CompareScreen)
            await until(pilot, lambda: screen.loaded)
            yield app, pilot

    return open_on_compare


def chart(app: WmseApp) -> OverlaidCurves:
    return app.screen.query_one(OverlaidCurves)


def cells(app: WmseApp, table: str) -> list[list[str]]:
    """The texts of a table, row by row."""
    return [[entry.text for entry in row] for row in app.screen.query_one(f"#{table}", CellTable).sheet.rows]


def status_line(app: WmseApp) -> str:
    return str(app.screen.query_one("#compare-status", Static).content)


def messages(app: WmseApp) -> str:
    return "\n".join(message.message for message in app.messages)


# Which runs


async def test_the_empty_page_explains_how_to_mark_runs(make_app: MakeApp, screen_text: ScreenText) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert (
            "Mark up to 8 runs in Runs (3) with Space and press c there,\n  or press c here"
            in screen_text(app)
        )
        await pilot.press("w")
        assert "There is nothing to export" in messages(app)
        await pilot.press("delete", "enter", "tab", "v")
        assert app.screen.query_one("#compare-empty").display


async def test_the_empty_page_names_the_keys_of_the_users_settings(
    make_app: MakeApp, screen_text: ScreenText
) -> None:
    app = make_app(keys={"runs-mark": "ctrl+k", "compare-choose": "w"})
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "with ctrl+k and press c there,\n  or press w here" in screen_text(app)


async def test_runs_are_overlaid_with_a_marker_each(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], screen_text: ScreenText
) -> None:
    async with on_compare(three) as (app, _):
        text = screen_text(app)
        assert "● first  ▲ second  ■ other" in text.splitlines()[1]
        assert [row[:3] for row in cells(app, "results")] == [
            ["● first", "completed", "4/4"],
            ["▲ second", "completed", "4/4"],
            ["■ other", "stopped", "2/4"],
        ]


async def test_only_options_that_differ_are_shown(
    on_compare: OnCompare, three: tuple[RunDirectory, ...]
) -> None:
    async with on_compare(three[:2]) as (app, _):
        assert cells(app, "options") == [["seed", "0", "1"]]


async def test_an_option_that_a_run_does_not_have_is_a_dash(
    on_compare: OnCompare, three: tuple[RunDirectory, ...]
) -> None:
    async with on_compare(three[1:]) as (app, _):
        assert ["method.whitening_size", "64", "-"] in cells(app, "options")
        assert ["method.temperature", "-", "0.5"] in cells(app, "options")


async def test_mean_and_deviation_are_over_the_seeds(
    on_compare: OnCompare, three: tuple[RunDirectory, ...]
) -> None:
    async with on_compare(three) as (app, _):
        (row,) = cells(app, "seeds")
        assert row[:4] == ["● ▲", "2", "87.50 ± 0.00", "81.25 ± 0.00"]


async def test_more_than_eight_are_not_compared_and_a_message_reports_it(
    make_app: MakeApp, make_run: MakeRun, until: Until
) -> None:
    runs = tuple(make_run(f"run-{n}", "new") for n in range(10))
    app = make_app()
    app.services.selection.marked = runs
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await until(pilot, lambda: len(cells(app, "results")) == 8)
        assert "10 runs are marked; the first 8 are compared." in messages(app)
        assert app.services.selection.marked == runs[:8]


async def test_a_run_is_dropped_and_stays_dropped(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until
) -> None:
    async with on_compare(three) as (app, pilot):
        await pilot.press("j", "delete")
        await until(pilot, lambda: len(cells(app, "results")) == 2)
        assert [row[0] for row in cells(app, "results")] == ["● first", "▲ other"]
        assert app.services.selection.marked == (three[0], three[2])
        await pilot.press("delete", "delete")
        await until(pilot, lambda: app.screen.query_one("#compare-empty").display)


async def test_dropping_from_another_table_first_focuses_the_results(
    on_compare: OnCompare, three: tuple[RunDirectory, ...]
) -> None:
    async with on_compare(three, size=(80, 24)) as (app, pilot):
        await pilot.press("tab")
        assert app.focused is not None
        assert app.focused.id == "options"
        await pilot.press("delete")
        assert app.focused.id == "results"
        assert len(app.services.selection.marked) == 3
        await pilot.press("delete")
        assert len(app.services.selection.marked) == 2


async def test_results_are_sorted_and_the_cursor_stays_on_its_run(
    on_compare: OnCompare, three: tuple[RunDirectory, ...]
) -> None:
    async with on_compare(three) as (app, pilot):
        marked = [row[0] for row in cells(app, "results")]
        await pilot.press("down", "full_stop")  # by name
        assert [row[0][2:] for row in cells(app, "results")] == ["first", "other", "second"]
        await pilot.press("R")
        assert [row[0][2:] for row in cells(app, "results")] == ["second", "other", "first"]
        await pilot.press("comma")
        assert [row[0] for row in cells(app, "results")] == marked
        await pilot.press("full_stop", "R", "delete")
        assert app.services.selection.marked == (three[0], three[2])


async def test_enter_watches_the_run_at_the_cursor(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until
) -> None:
    async with on_compare(three) as (app, pilot):
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.current_mode == "monitor")
        assert app.services.selection.monitored == three[1]


async def test_runs_are_chosen_from_the_list_and_a_ninth_is_refused(
    make_app: MakeApp, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    runs = [make_run(f"run-{n}", "new", started=1.7e9 - n) for n in range(10)]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        for _ in range(8):
            await pilot.press("space", "j")
        await pilot.press("space")
        await pilot.pause()
        assert "8 runs are marked already; remove a mark first." in screen_text(app)
        await pilot.press("g", "space", "G", "space", "enter")
        await until(pilot, lambda: len(cells(app, "results")) == 8)
        assert app.services.selection.marked == (*runs[1:8], runs[9])


async def test_choosing_can_be_cancelled(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until
) -> None:
    async with on_compare(three) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("space", "escape")
        assert app.services.selection.marked == three


async def test_choosing_without_runs_is_reported(make_app: MakeApp, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: "There are no runs yet" in messages(app))


# What is drawn


async def test_keys_change_what_is_drawn(on_compare: OnCompare, three: tuple[RunDirectory, ...]) -> None:
    async with on_compare(three) as (app, pilot):
        assert status_line(app) == "by epoch, linear y, not smoothed, the whole run"
        assert chart(app).drawing.text.startswith("Loss")
        await pilot.press("v", "down", "enter")
        assert chart(app).quantity == "knn"
        assert chart(app).drawing.text.startswith("k-NN accuracy %")
        assert chart(app).content.curves[0].y[-1] == pytest.approx(81.25)
        await pilot.press("v", "G", "enter")
        assert chart(app).quantity == list(QUANTITIES)[-1]
        await pilot.press("v", "g", "enter", "H", "y", "a", "z")
        assert status_line(app) == "by step, log y, smoothing 0.6, the last 50% of the run"
        assert "step" in chart(app).drawing.text.splitlines()[-1]
        await pilot.press("H")
        assert "hours" in chart(app).drawing.text.splitlines()[-1]
        for _ in range(3):
            await pilot.press("a", "z")
        await pilot.press("H", "y")
        assert status_line(app) == "by epoch, linear y, not smoothed, the whole run"


def shown(app: WmseApp) -> list[str]:
    return [one.quantity for one in app.screen.query(OverlaidCurves) if one.display]


async def test_up_to_four_charts_are_chosen_and_seeds_are_joined_with_a_band(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until, act: Act, tmp_path: Path
) -> None:
    async with on_compare(three, size=(160, 50)) as (app, pilot):
        assert shown(app) == ["loss", "knn"]
        await act(pilot, "plot-what")
        await pilot.press("space", "down", "space", "down", "space", "down", "space", "enter")
        await until(pilot, lambda: shown(app) == ["loss", "knn", "linear", "lr"])
        charts = [one for one in app.screen.query(OverlaidCurves) if one.display]
        assert len({(one.region.x, one.region.y) for one in charts}) == 4
        names = [[curve.label for curve in one.content.curves] for one in charts]
        assert names == [["first", "second", "other"], *[["", "", ""]] * 3]  # one legend for all
        assert charts[0].content.curves[0].evaluated == (0.0, 1.0, 2.0, 3.0, 4.0)
        # Seeds: the mean has the colour and marker of the first, and a band of a deviation.
        await act(pilot, "compare-join")
        assert status_line(app).endswith(", mean ± deviation over seeds")
        content = charts[1].content
        assert (content.series, len(content.curves), content.bands) == ((0, 2), 2, 2)
        assert [curve.label for curve in charts[0].content.curves] == ["first, 2 seeds", "other"]
        joined, alone = content.curves
        assert joined.y[-1] == pytest.approx(81.25)
        assert joined.low == joined.y
        assert not alone.low
        await export(pilot, until, 4, tmp_path / "curves")
        await until(pilot, lambda: (tmp_path / "curves").exists())
        rows = list(csv.DictReader(io.StringIO((tmp_path / "curves").read_text())))
        assert {row["quantity"] for row in rows} == {"loss", "knn", "linear", "lr"}
        assert {row["run"] for row in rows} == {"first, 2 seeds", "other"}
        # A cursor through all of them, and a zoom; escape shows the whole run again.
        await pilot.click(charts[1], offset=(charts[1].size.width - 1, 4))
        assert {one.content.cursor for one in charts} == {4.0}
        assert "┆" in charts[0].drawing.text
        assert charts[1].drawing.text.startswith("k-NN accuracy % ●81.25 ")
        await act(pilot, "plot-zoom-in")
        assert {one.content.x_range for one in charts} == {(2.0, 4.0)}
        assert ", 2 to 4" in status_line(app)
        await act(pilot, "plot-whole")
        assert charts[0].content.cursor is None
        assert charts[0].drawing.text.startswith("▸ Loss")
        # Too small for four: the first ones are drawn, and the line below says so.
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: shown(app) == ["loss", "knn"])
        await until(pilot, lambda: "2 of 4 charts fit" in status_line(app))


async def test_without_repetitions_there_is_nothing_to_join(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], act: Act
) -> None:
    async with on_compare((three[0], three[2])) as (app, pilot):
        await act(pilot, "compare-join")
        assert "No two of these runs differ in the seed only." in messages(app)
        assert "seeds" not in status_line(app)


async def test_every_quantity_can_be_drawn(on_compare: OnCompare, three: tuple[RunDirectory, ...]) -> None:
    async with on_compare(three, size=(80, 24)) as (app, pilot):
        titles = set()
        for _ in QUANTITIES:
            titles.add(chart(app).drawing.text.splitlines()[0][:14])
            await pilot.press("v", "down", "enter")
        assert len(titles) == len(QUANTITIES)
        assert chart(app).quantity == "loss"


async def test_at_80_by_24_one_table_is_seen_at_a_time(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], screen_text: ScreenText
) -> None:
    async with on_compare(three, size=(80, 24)) as (app, pilot):
        titles = ("Results", "Options that differ", "Mean and deviation over seeds")
        for title in (*titles, titles[0]):
            text = screen_text(app)
            assert [other for other in titles if other in text] == [title]
            await pilot.press("tab")


@pytest.mark.parametrize("size", [(100, 30), (100, 40), (160, 45), (120, 50)])
async def test_every_table_is_reached_whatever_fits(
    on_compare: OnCompare, make_run: MakeRun, size: tuple[int, int]
) -> None:
    runs = tuple(make_run(f"run-{seed}", overrides=(f"seed={seed}",)) for seed in range(7))
    for run in runs:
        save_transfer(run, transfer_result("patterns", 0.75))
    async with on_compare(runs, size=size) as (app, pilot):
        for name in ("results", "options", "seeds", "transfer"):
            await pilot.pause()
            assert app.focused is app.screen.query_one(f"#{name}")
            panel = app.screen.query_one(f"#compare-{name}")
            assert app.screen.query_one("#body").region.contains_region(panel.region)
            assert panel.region.height >= 5
            assert chart(app).region.height >= 6
            await pilot.press("tab")


async def test_columns_beyond_the_edge_are_reached(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], screen_text: ScreenText
) -> None:
    async with on_compare(three, size=(80, 24)) as (app, pilot):
        assert "CPU, 2 threads" not in screen_text(app)
        for _ in range(12):
            await pilot.press("right")
        assert "CPU, 2 threads" in screen_text(app)
        assert "● first" in screen_text(app)


# Live


def append(run: RunDirectory, *events: Any, first: int, t: float) -> None:
    with run.events.open("a") as log:
        for seq, event in enumerate(events, first):
            log.write(encode(Record(1, seq, t, 1, event)) + "\n")


async def test_a_run_that_still_trains_is_followed(
    on_compare: OnCompare, make_run: MakeRun, until: Until
) -> None:
    run = make_run("live", "running")
    lines = len(run.events.read_text().splitlines())
    async with on_compare((run, make_run("done"))) as (app, pilot):
        assert cells(app, "results")[0][1:3] == ["running", "2/4"]
        before = len(chart(app).content.curves[0].x)
        append(
            run,
            Steps(first=11, loss=(0.5,) * 5, lr=(0.001,) * 5, images_per_second=1.0),
            Epoch(epoch=3, step=15, loss=0.5, seconds=5.0, images_per_second=1.0),
            first=lines + 1,
            t=1_772_366_400.0 + 3 * 3600,
        )
        await until(pilot, lambda: cells(app, "results")[0][2] == "3/4")
        await until(pilot, lambda: len(chart(app).content.curves[0].x) > before)


async def test_a_frozen_display_waits(on_compare: OnCompare, make_run: MakeRun, until: Until) -> None:
    run = make_run("live", "running")
    lines = len(run.events.read_text().splitlines())
    async with on_compare((run,)) as (app, pilot):
        await pilot.press("F")
        assert app.frozen
        append(
            run,
            Evaluation(
                epoch=2,
                step=10,
                knn=KnnResult(0.99, 5, "euclidean"),
                train_split="train",
                test_split="test",
                seconds=1.0,
            ),
            Exit(status="stopped", step=10, epoch=2, seconds=1.0),
            first=lines + 1,
            t=1_772_366_400.0 + 3 * 3600,
        )
        for _ in range(20):
            await pilot.pause(0.01)
        assert cells(app, "results")[0][4] == "81.25"
        await pilot.press("F")
        await until(pilot, lambda: cells(app, "results")[0][4] == "99.00")


async def test_a_hidden_screen_follows_no_run_until_it_is_shown_again(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until, subscriptions: Any
) -> None:
    async with on_compare(three) as (app, pilot):
        await pilot.press("1")
        await until(pilot, lambda: not subscriptions.runs)
        await pilot.press("4")
        await until(pilot, lambda: len(subscriptions.runs) == 3)
        assert len(cells(app, "results")) == 3


# Bad files


async def test_a_broken_configuration_is_reported_and_hides_nothing(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], screen_text: ScreenText
) -> None:
    three[1].config.write_text("seed: [/red] \x1b[31m\nmethod: [\n")
    async with on_compare(three) as (app, _):
        assert "second: config.yaml" in status_line(app)
        assert "\x1b" not in screen_text(app)
        assert [row[1] for row in cells(app, "results")] == ["completed", "completed", "stopped"]
        assert ["method.temperature", "-", "?", "0.5"] in cells(app, "options")


async def test_an_unreadable_log_is_reported(on_compare: OnCompare, three: tuple[RunDirectory, ...]) -> None:
    three[0].events.unlink()
    three[0].events.mkdir()
    async with on_compare(three) as (app, _):
        assert cells(app, "results")[0][1] == "unreadable"
        assert "first: cannot" in status_line(app)


async def test_hostile_names_are_drawn_as_text(
    on_compare: OnCompare, make_run: MakeRun, screen_text: ScreenText
) -> None:
    run = make_run("plain")
    wicked = RunDirectory(run.path.with_name("[@click=app.quit]x[red]\x1b[31m\u202e"))
    run.path.rename(wicked.path)
    async with on_compare((wicked, make_run("other", overrides=("title='[bold]'",)))) as (app, pilot):
        assert "\x1b" not in screen_text(app)
        assert "\u202e" not in screen_text(app)
        assert "[@click=app" in screen_text(app)
        await pilot.press("c")
        await pilot.pause()
        assert app.is_running


# Export


async def export(pilot: Pilot[Any], until: Until, downs: int, path: Path) -> None:
    await pilot.press("w")
    await until(pilot, lambda: isinstance(pilot.app.screen, ExportDialog))
    await pilot.press(*["down"] * downs, "enter")
    pilot.app.screen.query_one(Input).value = str(path)
    await pilot.press("enter")


@pytest.mark.parametrize(
    ("downs", "name", "beginning"),
    [
        (0, "comparison.csv", "row,group,n,run,"),
        (1, "comparison.json", "{\n"),
        (2, "comparison.md", "| run | state |"),
        (3, "comparison.tex", "% \\usepackage{booktabs}"),
        (4, "curves.csv", "run,quantity,axis,x,y\r\nfirst,loss,epoch,"),
    ],
)
async def test_every_format_is_written_under_its_usual_name(
    on_compare: OnCompare,
    three: tuple[RunDirectory, ...],
    until: Until,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    downs: int,
    name: str,
    beginning: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    async with on_compare(three) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))
        await pilot.press(*["down"] * downs, "enter", "enter")
        await until(pilot, lambda: f"written: {tmp_path / name}" in messages(app))
        assert (tmp_path / name).read_bytes().decode().startswith(beginning)


async def test_the_exported_numbers_are_those_on_the_screen(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until, tmp_path: Path
) -> None:
    async with on_compare(three) as (app, pilot):
        await export(pilot, until, 1, tmp_path / "a.json")
        await until(pilot, lambda: "written" in messages(app))
        values = json.loads((tmp_path / "a.json").read_text())
        assert [run["final_knn"] for run in values["runs"]] == [0.8125, 0.8125, 0.8125]
        await pilot.press("v", "down", "enter")
        await export(pilot, until, 4, tmp_path / "curves")
        await until(pilot, lambda: (tmp_path / "curves").exists())
        rows = list(csv.DictReader(io.StringIO((tmp_path / "curves").read_text())))
        assert rows[0] == {"run": "first", "quantity": "knn", "axis": "epoch", "x": "0", "y": "0.31"}


async def test_overwriting_needs_a_confirmation(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until, tmp_path: Path
) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    async with on_compare(three) as (app, pilot):
        await export(pilot, until, 0, path)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        assert path.read_text() == "precious"
        await export(pilot, until, 0, path)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: "written" in messages(app))
        assert path.read_text().startswith("row,group")


async def test_a_path_that_cannot_be_written_is_reported(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until, tmp_path: Path
) -> None:
    async with on_compare(three) as (app, pilot):
        await export(pilot, until, 0, tmp_path / "no" / "file")
        await until(pilot, lambda: "there is no folder" in messages(app))
        await export(pilot, until, 0, Path("~nobody-of-that-name/file"))
        await until(pilot, lambda: len(app.messages) == 2)
        assert app.is_running


async def test_a_typed_name_stays_when_the_format_changes(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until
) -> None:
    async with on_compare(three) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ExportDialog))
        line = app.screen.query_one(Input)
        await pilot.press("down")
        assert line.value == "comparison.json"
        line.value = "mine.txt"
        await pilot.press("down")
        assert line.value == "mine.txt"
        line.value = "  "
        await pilot.press("enter", "enter")
        assert isinstance(app.screen, ExportDialog)
        await pilot.press("escape")
        assert not app.screen.is_modal


async def test_transfer_is_shown_where_there_is_some_and_reached_with_the_tables(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], screen_text: ScreenText
) -> None:
    save_transfer(three[0], transfer_result("patterns", 0.75))
    save_transfer(three[1], transfer_result("patterns", 0.73))
    async with on_compare(three) as (app, pilot):
        rows = [(name.split()[-1], cell) for name, cell in cells(app, "transfer")]
        assert rows == [("first", "* 75.00"), ("second", "~ 73.00"), ("other", "-")]
        assert "Transfer: linear probe, %" in screen_text(app)
        for _ in range(3):
            await pilot.press("tab")
        assert app.focused is app.screen.query_one("#transfer")
        await pilot.press("tab")
        assert app.focused is app.screen.query_one("#results")
    async with on_compare(three, size=(80, 24)) as (app, pilot):
        assert "Patterns" not in screen_text(app)
        for _ in range(3):
            await pilot.press("tab")
        await pilot.pause()
        assert "Patterns" in screen_text(app)


async def test_transfer_measured_meanwhile_is_there_when_the_screen_is_shown_again(
    on_compare: OnCompare, three: tuple[RunDirectory, ...], until: Until
) -> None:
    async with on_compare(three) as (app, pilot):
        assert not app.screen.query_one("#compare-transfer").display
        await pilot.press("3")
        save_transfer(three[2], transfer_result("patterns", 0.75))
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one("#compare-transfer").display)
        assert cells(app, "transfer")[2][1] == "75.00"


async def test_the_cursor_is_in_the_table_that_has_the_focus_and_in_no_other(
    on_compare: OnCompare, make_run: MakeRun
) -> None:
    async with on_compare((make_run("a"), make_run("b", overrides=("seed=1",)))) as (app, pilot):
        seen = set()
        for _ in range(4):
            await pilot.press("tab")
            await pilot.pause()
            tables = list(app.screen.query(CellTable))
            drawn = [table.drawing for table in tables]
            for table in tables:
                table.redraw()
            assert [table.drawing for table in tables] == drawn  # nothing of another focus is left
            seen |= {table.id for table in tables if table.has_focus}
        assert seen == {"results", "options", "seeds"}
