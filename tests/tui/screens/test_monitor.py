"""The Monitor screen: a run live and after its end, its panels, and everything that can be asked from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from events import read_log
from textual.pilot import Pilot

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Artifact, Event, Exit, NormImportance, NormWeights, Notice, Record, Steps
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.scatter import Scatter
from wmse_tui.tui.feed import RunChanged
from wmse_tui.tui.refresh import RefreshRates
from wmse_tui.tui.screens.ask import ConfirmScreen
from wmse_tui.tui.screens.monitor import MonitorScreen
from wmse_tui.tui.widgets.monitor.charts import CHARTS
from wmse_tui.tui.widgets.monitor.header import RunHeader
from wmse_tui.tui.widgets.monitor.line import Line
from wmse_tui.tui.widgets.monitor.overlay import OverlayScreen
from wmse_tui.tui.widgets.monitor.panels import Panels
from wmse_tui.tui.widgets.monitor.strip import NAMES
from wmse_tui.tui.widgets.monitor.textlines import TextLines

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRun = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


@pytest.fixture
def on_run(make_app: MakeApp, until: Until) -> OnRun:
    """Opens the app on a run and waits for its picture: `async with on_run(run) as (app, pilot)`."""

    @asynccontextmanager
    async def open_on_run(
        run: RunDirectory | None, *, size: tuple[int, int] = (80, 24), **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        app = make_app(run=run, **options)
        async with app.run_test(size=size) as pilot:
            if run is None:
                await pilot.press("2")
            await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
            if run is not None:
                await until(pilot, lambda: view_of(app).status != "new" or view_run(run).status == "new")
            yield app, pilot

    return open_on_run


@pytest.fixture
def trained(make_app: MakeApp, until: Until, standin: Path, monkeypatch: pytest.MonkeyPatch) -> OnRun:
    """Opens the app on a run that a stand-in trains: `async with trained() as (app, pilot)`."""

    @asynccontextmanager
    async def open_trained(
        *, size: tuple[int, int] = (80, 24), **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        monkeypatch.setenv("STANDIN_STEP", "0.05")
        app = make_app(trainer=standin, rates=RefreshRates("local", 0.05, 0.05, 0.5, 1.0), **options)
        run = app.services.trainers.start(
            load_experiment(preset="quickstart"), preset="quickstart", name="mine"
        )
        async with app.run_test(size=size) as pilot:
            await app.open_run(run)
            await until(pilot, lambda: view_of(app).status == "running" and view_of(app).step > 0)
            yield app, pilot

    return open_trained


def screen_of(app: WmseApp) -> MonitorScreen:
    """The screen, whatever lies over it."""
    found = next(screen for screen in app.screen_stack if isinstance(screen, MonitorScreen))
    assert isinstance(found, MonitorScreen)
    return found


def view_of(app: WmseApp) -> Any:
    return screen_of(app).shown_view


def head(app: WmseApp) -> str:
    """The rows of the head in sight."""
    rows = screen_of(app).query_one(RunHeader).query(Line)
    return "\n".join(row.said for row in rows if row.display)


def seen(app: WmseApp) -> frozenset[str]:
    return screen_of(app).query_one(Panels).seen


def told(app: WmseApp) -> str:
    """All messages in the corner."""
    return "\n".join(f"{message.title}|{message.message}" for message in app.messages)


def lines(app: WmseApp, pane: str) -> list[str]:
    return [line.text for line in screen_of(app).query_one(f"#{pane} TextLines", TextLines)._lines]


def plots(app: WmseApp) -> list[Plot]:
    return [plot for plot in screen_of(app).query(Plot) if plot.display]


def append(run: RunDirectory, *events: Event) -> None:
    """Write on in a run's log, a second after its last record."""
    last = read_log(run.events)[-1]
    with run.events.open("a") as file:
        for place, event in enumerate(events, 1):
            record = Record(1, last.seq + place, last.t + place, last.attempt, event)
            file.write(encode(record) + "\n")


# What is shown


async def test_a_run_is_shown_with_its_head_and_its_curves(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    async with on_run(make_run("small", "running")) as (app, pilot):
        await until(pilot, lambda: "no structure" in screen_text(app))
        assert head(app).splitlines()[0].startswith("small   ● running   attempt 1   CPU, 2 threads")
        assert "2/4" in head(app)
        assert "best 81.25 % at 2, 87.50 % at 2" in head(app)
        assert [plot.content.title for plot in plots(app)] == ["▸ Loss", "Accuracy"]
        assert "● k-NN  ▲ Linear" in screen_text(app)


@pytest.mark.parametrize(
    ("size", "standing"),
    [
        ((80, 24), {"plots"}),
        ((120, 40), {"plots", "whitening", "usage", "log"}),
        ((200, 60), {"plots", "whitening", "usage", "map", "log"}),
    ],
)
async def test_as_many_panels_as_there_is_room_for(
    on_run: OnRun,
    make_run: MakeRun,
    until: Until,
    screen_text: ScreenText,
    size: tuple[int, int],
    standing: set[str],
) -> None:
    async with on_run(make_run("small", "completed"), size=size) as (app, pilot):
        assert seen(app) == standing
        texts = {
            "whitening": "effective rank   26.4 of 32",
            "usage": "1.9 of 2 cores",
            "log": "evaluation  epoch 4",
        }
        for pane in standing & set(texts):
            await until(pilot, lambda text=texts[pane]: text in screen_text(app))


@pytest.mark.parametrize("size", [(60, 18), (120, 40)])
async def test_every_panel_is_reached_by_its_letter(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText, size: tuple[int, int]
) -> None:
    texts = {
        "plots": "no structure",
        "whitening": "condition number",
        "map": "no map yet",
        "usage": "No GPU is used",
        "log": "stopped",
        "output": "The trainer has printed nothing.",
        "evaluations": "train -> test",
        "config": "differ from preset quickstart",
    }
    async with on_run(make_run("small", "stopped"), size=size) as (app, pilot):
        for pane, name in NAMES.items():
            await pilot.press(name[0])
            await until(pilot, lambda text=texts[pane]: text in screen_text(app))
            focused = app.focused
            assert focused is not None
            assert pane in {node.id for node in focused.ancestors_with_self}


async def test_tab_goes_around_the_panels(on_run: OnRun, make_run: MakeRun) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        panels = screen_of(app).query_one(Panels)
        for pane in [*list(NAMES)[1:], "plots"]:
            await pilot.press("tab")
            assert panels.active == pane
            assert panels.seen == {pane}
        await pilot.press("shift+tab")
        assert panels.active == "config"


async def test_a_panel_that_is_clicked_gets_the_keys(on_run: OnRun, make_run: MakeRun) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        await pilot.click("#whitening")
        assert screen_of(app).query_one(Panels).active == "whitening"
        await pilot.click("#pane-strip", offset=(3, 0))
        assert screen_of(app).query_one(Panels).active == "plots"


async def test_the_panels_follow_the_size_of_the_terminal(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        await pilot.press("L")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: seen(app) == {"log"})
        await pilot.resize_terminal(200, 60)
        await until(pilot, lambda: seen(app) == {"plots", "whitening", "usage", "map", "log"})
        await pilot.press("C")
        await until(pilot, lambda: "config" in seen(app))
        assert "log" not in seen(app)


async def test_one_panel_or_one_plot_can_have_all_the_room(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        assert len(plots(app)) == 2
        await pilot.press("l", "m")
        await until(pilot, lambda: len(plots(app)) == 1)
        assert plots(app)[0].content.title == "Accuracy"
        assert seen(app) == {"plots"}
        await pilot.press("right")
        await until(pilot, lambda: plots(app)[0].content.title == "Learning rate")
        await pilot.press("W")
        assert seen(app) == {"whitening"}
        await pilot.press("m")
        assert len(seen(app)) == 4


async def test_the_whitening_panel_shows_the_projector_or_the_encoder(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await pilot.press("W")
        await until(pilot, lambda: "projector step 20, 256 images" in screen_text(app))
        assert "healthy" in screen_text(app)
        assert "Eigenvalues seen by the loss" in screen_text(app)
        await pilot.press("W")
        await until(pilot, lambda: "encoder step 20, 256 images" in screen_text(app))
        assert "no factorisation" in screen_text(app)


async def test_the_whitening_panel_goes_round_what_there_is_and_ends_with_the_weights_of_norms(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("small", "completed")
    layer = NormImportance("bn1", ("BW", "IW"), (0.25, 0.75), (0.6, 0.4))
    append(run, NormWeights(step=20, epoch=4, layers=(layer,)))
    async with on_run(run) as (app, pilot):
        await pilot.press("W")
        await until(pilot, lambda: "projector step 20" in screen_text(app))
        await pilot.press("W")
        await until(pilot, lambda: "encoder step 20" in screen_text(app))
        await pilot.press("W")
        await until(pilot, lambda: "norm weights step 20" in screen_text(app))
        text = screen_text(app)
        assert "BW bn1" in text
        assert "0.60 0.25" in text
        assert "0.40 0.75" in text
        assert "condition number" not in text
        await pilot.press("W")
        await until(pilot, lambda: "projector step 20" in screen_text(app))
        assert "BW bn1" not in screen_text(app)


async def test_the_plots_obey_their_keys(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await until(pilot, lambda: plots(app)[0].content.curves)

        def first() -> Any:
            return plots(app)[0].content

        assert (first().x_title, first().x_range, first().log_y) == ("epoch", (0.0, 4.0), False)
        assert first().reference == ((2.0, "no structure"),)
        await pilot.press("x")
        assert (first().x_title, first().x_range) == ("step", (0.0, 20.0))
        await pilot.press("x")
        assert first().x_title == "hours"
        await pilot.press("x", "y")
        assert (first().x_title, first().log_y, first().y_title) == ("epoch", True, "log")
        plain = first().curves[0].y
        await pilot.press("y", "a")
        assert not first().log_y
        assert first().curves[0].y != plain
        await pilot.press("z")
        assert first().x_range == (2.0, 4.0)
        panel = screen_of(app).query_one("#plots")
        assert str(panel.border_title) == "Plots by epoch, last 50%, smoothing 0.6"
        await pilot.press("a", "a", "a", "z", "z", "z")
        assert str(panel.border_title) == "Plots by epoch"
        titles = []
        for _ in range(len(CHARTS) - 1):  # all but the other one in sight
            await pilot.press("v")
            titles.append(first().title.removeprefix("▸ "))
        assert titles == [
            "Learning rate",
            "Effective rank",
            "Condition number",
            "Feature standard deviation",
            "Smallest pivot",
            "Throughput",
            "RankMe",
            "Participation ratio",
            "Stable rank",
            "Anisotropy",
            "Alpha of the spectrum",
            "Mean correlation",
            "Whiteness error",
            "Alignment",
            "Uniformity",
            "Contrastive accuracy",
            "Loss",
        ]


async def test_accuracies_are_drawn_in_percent(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await until(pilot, lambda: plots(app)[1].content.curves)
        knn, linear = plots(app)[1].content.curves
        assert knn.y == pytest.approx((31.0, 43.5625, 56.125, 68.6875, 81.25))
        assert linear.y[-1] == 87.5
        assert plots(app)[1].content.y_title == "%"


async def test_a_key_of_the_plots_brings_them_into_sight(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await pilot.press("L", "y")
        await until(pilot, lambda: seen(app) == {"plots"} and plots(app)[0].content.log_y)


async def test_other_runs_are_drawn_beside_it(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    run = make_run("small", "completed")
    make_run("other", "stopped")
    make_run("third", "completed")
    async with on_run(run) as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayScreen))
        await pilot.press("space", "j", "space", "enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 3)
        labels = [curve.label for curve in plots(app)[0].content.curves]
        assert labels[0] == "small"
        assert set(labels[1:]) == {"other", "third"}
        assert {"small k-NN", "other Linear"} <= {curve.label for curve in plots(app)[1].content.curves}
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayScreen))
        await pilot.press("space", "escape")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayScreen))
        await pilot.press("space", "j", "space", "enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 1)


async def test_the_runs_that_are_marked_for_comparison_are_offered_first(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run, other = make_run("small"), make_run("other")
    async with on_run(run) as (app, pilot):
        app.services.selection.marked = (run, other)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayScreen))
        await pilot.press("enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 2)


async def test_more_runs_than_can_be_told_apart_are_not_accepted(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("small")
    for number in range(8):
        make_run(f"other-{number}")
    async with on_run(run) as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayScreen))
        for _ in range(8):
            await pilot.press("space", "down")
        await pilot.press("enter")
        assert isinstance(app.screen, OverlayScreen)
        assert "8 are marked; 7 can be drawn at once." in screen_text(app)


async def test_without_another_run_it_says_so(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small")) as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: "There is no other run to draw beside this one." in told(app))


async def test_a_new_map_is_read_when_the_log_says_so(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        await pilot.press("M")
        await until(pilot, lambda: "no map yet: one is drawn with each evaluation" in screen_text(app))
        write_map(run, classes=("cat", "[/red]\x1b[2Jdog"))
        append(
            run, Artifact(kind="embedding", file="../artifacts/embedding.npz", step=10, epoch=2, seconds=0.1)
        )
        await until(pilot, lambda: "3 test images, epoch 2, principal components" in screen_text(app))
        assert "● cat" in screen_text(app)
        assert "[/red]\\x1b[2Jdog" in screen_text(app)
        (run.artifacts / "embedding.npz").write_bytes(b"nonsense")
        append(run, Artifact(kind="embedding", file="embedding.npz", step=15, epoch=3, seconds=0.1))
        await until(pilot, lambda: "the map of embeddings cannot be used" in screen_text(app))
        assert not app.screen.query_one(Scatter).points


def write_map(run: RunDirectory, *, classes: tuple[str, ...]) -> None:
    np.savez(
        run.artifacts / "embedding.npz",
        points=np.array([[0.0, 0.0], [1.0, 0.5], [0.2, 1.0]], np.float32),
        labels=np.array([0, 1, 1]),
        classes=np.array(classes),
        step=10,
        epoch=2,
        method="pca",
    )


async def test_what_the_trainer_prints_is_followed_and_searched(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("small", "running")
    run.trainer_log.write_text("first \x1b[31mline\n")
    async with on_run(run) as (app, pilot):
        await pilot.press("O")
        await until(pilot, lambda: "first \\x1b[31mline" in screen_text(app))
        with run.trainer_log.open("a") as file:
            file.write("a warning [/red]\n")
        await until(pilot, lambda: lines(app, "output") == ["first \\x1b[31mline", "a warning [/red]"])
        append(run, Exit(status="completed", step=20, epoch=4, seconds=9.0))
        await until(pilot, lambda: view_of(app).status == "completed")
        with run.trainer_log.open("a") as file:
            file.write("the last words\n")
        await until(pilot, lambda: lines(app, "output")[-1] == "the last words")
        await pilot.press("slash", *"WARN", "enter")
        await until(pilot, lambda: "1 of 1: WARN" in screen_text(app))


async def test_from_any_other_panel_the_log_is_searched(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await pilot.press("W", "slash")
        await until(pilot, lambda: seen(app) == {"log"} and lines(app, "log"))
        await pilot.press(*"checkpoint", "enter")
        await until(pilot, lambda: "of 4: checkpoint" in screen_text(app))


async def test_text_from_files_is_shown_harmlessly(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    hostile = "[/red][@click=app.quit]x[/] \x1b]52;c;aGk=\x07 \u202eabc"
    shown = "[/red][@click=app.quit]x[/] \\x1b]52;c;aGk=\\x07 \\u202eabc"
    run = make_run("small", "running", overrides=["title=[/red][@click=app.quit]x"])
    append(run, Notice("warning", "W", hostile))
    async with on_run(run, size=(160, 44)) as (app, pilot):
        await until(pilot, lambda: f"warning  {shown}" in screen_text(app))
        assert "[/red][@click=app.quit]x" in head(app)
        assert "\x1b" not in screen_text(app)
        await pilot.press("C")
        await until(pilot, lambda: "title: '[/red][@click=app.quit]x'" in screen_text(app))


async def test_a_log_that_cannot_be_read_is_a_sentence_and_the_picture_stays(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        run.events.unlink()
        run.events.mkdir()
        await until(pilot, lambda: "cannot read the run's log" in head(app))
        assert "2/4" in head(app)


async def test_while_a_long_log_is_read_once_more_the_picture_does_not_go_back(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, _):
        view = view_of(app)
        early = type(view)(run_id="small", status="running", seq=3)
        screen_of(app).on_run_changed(RunChanged(run, early, 0.2))
        assert view_of(app) is view
        screen_of(app).on_run_changed(RunChanged(run, view, 0.9))
        assert "reading its log: 90%" in head(app)


async def test_what_looks_the_same_is_not_sent_again(
    on_run: OnRun, make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    run = make_run("small", "running")
    async with on_run(run, size=(200, 60)) as (app, pilot):
        await until(pilot, lambda: lines(app, "log"))
        await pilot.pause(0.1)
        updates: list[object] = []
        monkeypatch.setattr(Line, "update", lambda line, content, **_: updates.append(content))
        monkeypatch.setattr(Plot, "redraw", lambda plot: updates.append(plot))
        monkeypatch.setattr(TextLines, "refresh", lambda widget, *_, **__: updates.append(widget))
        view = view_of(app)
        screen_of(app).on_run_changed(RunChanged(run, replace(view, updated=view.updated + 1), None))
        await pilot.pause(0.1)
        assert view_of(app).updated == view.updated + 1
        assert updates == []


async def test_a_frozen_display_stands_still_and_then_goes_on(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        await pilot.press("space")
        append(run, Steps(first=11, loss=(0.125,), lr=(0.001,)))
        await pilot.pause(0.2)
        assert "loss 1.2 " in head(app)
        await pilot.press("space")
        await until(pilot, lambda: "loss 0.125" in head(app))


async def test_a_hidden_screen_looks_at_nothing_and_looks_again_when_it_is_back(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run, other = make_run("small", "running"), make_run("other", "running")
    async with on_run(run) as (app, pilot):
        app.services.selection.marked = (other,)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, OverlayScreen))
        await pilot.press("enter")
        await until(pilot, lambda: len(app.services.feed._watched) == 2)
        await pilot.press("3")
        await until(pilot, lambda: not app.services.feed._watched)
        append(run, Steps(first=11, loss=(0.125,), lr=(0.001,)))
        await pilot.press("2")
        await until(pilot, lambda: "loss 0.125" in head(app))
        assert len(app.services.feed._watched) == 2
        await pilot.press("question_mark")
        assert len(app.services.feed._watched) == 2


# What is asked of the trainer


async def test_a_request_is_shown_as_asked_and_then_as_answered(trained: OnRun, until: Until) -> None:
    async with trained() as (app, pilot):
        for key, answer in (
            ("c", "checkpoint: done: checkpoint: as asked"),
            ("e", "evaluate: done: evaluate: as asked"),
        ):
            await pilot.press(key)
            await until(pilot, lambda answer=answer: answer in head(app))
        await until(pilot, lambda: "best" in head(app))


async def test_a_request_that_nobody_answers_waits_until_the_run_ends(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: "stop after this epoch: asked " in head(app))
        assert head(app).endswith(", waiting")
        (request,) = pending(run)
        assert (request.command, request.by) == ("stop_after_epoch", "app")
        append(run, Exit(status="completed", step=20, epoch=4, seconds=9.0))
        await until(pilot, lambda: "the run ended before it answered" in head(app))


async def test_stopping_asks_first(trained: OnRun, until: Until, screen_text: ScreenText) -> None:
    async with trained() as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Stop mine now?" in screen_text(app)
        await pilot.press("n")
        assert view_of(app).status == "running"
        assert screen_of(app).asked == {}
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: view_of(app).status == "stopped")
        await until(pilot, lambda: "stop: accepted, and the run is stopped" in head(app))
        assert "r resumes it" in head(app)


async def test_it_stops_after_the_epoch_when_asked_to(trained: OnRun, until: Until) -> None:
    async with trained() as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: view_of(app).status == "stopped")
        assert view_of(app).step % 10 == 0


async def test_training_pauses_and_goes_on_with_one_key(trained: OnRun, until: Until) -> None:
    async with trained() as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: view_of(app).status == "paused")
        assert "now paused" in head(app)
        await pilot.press("r")
        await until(pilot, lambda: "The run is paused already. p lets it go on." in told(app))
        await pilot.press("p")
        await until(pilot, lambda: "go on: done" in head(app))


async def test_a_stopped_run_is_resumed_as_ones_own(
    on_run: OnRun, make_run: MakeRun, until: Until, standin: Path
) -> None:
    run = make_run("small", "stopped")
    async with on_run(run, trainer=standin) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: view_of(app).status == "running" and view_of(app).attempt == 2)
        assert "small is starting again." in told(app)
        assert app.services.trainers.active() == (run,)


async def test_a_run_whose_end_is_not_on_the_screen_yet_is_resumed(
    on_run: OnRun, make_run: MakeRun, until: Until, standin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("small", "stopped")
    async with on_run(run, trainer=standin) as (app, pilot):
        late = replace(view_of(app), status="running")
        with monkeypatch.context() as patched:
            patched.setattr(MonitorScreen, "shown_view", property(lambda _: late))
            await pilot.press("r")
        await until(pilot, lambda: view_of(app).status == "running" and view_of(app).attempt == 2)


async def test_a_run_that_cannot_be_started_says_why(
    on_run: OnRun, make_run: MakeRun, until: Until, tmp_path: Path
) -> None:
    async with on_run(make_run("small", "crashed"), trainer=tmp_path / "nothing-here") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "the trainer cannot be started" in told(app))


async def test_what_cannot_be_asked_is_answered_with_the_reason(
    on_run: OnRun, every_state: dict[str, RunDirectory], until: Until
) -> None:
    async with on_run(every_state["completed"]) as (app, pilot):
        for state, key, sentence in (
            ("completed", "c", "Nobody can be asked to checkpoint: the run is completed."),
            ("stopped", "p", "Nobody can be asked to pause: the run is stopped. r starts it again."),
            ("new", "e", "Nobody can be asked to evaluate: the run was never started. r starts it again."),
            ("failed", "s", "Nobody can be asked to stop: the run is failed. r starts it again."),
            ("completed", "r", "The run has completed; there is nothing left to do."),
            ("running", "r", "The run is running already."),
            ("unknown", "r", "The run may be at work elsewhere: it ran on gpu-b"),
        ):
            screen_of(app).show_run(every_state[state])
            await until(pilot, lambda state=state: view_of(app).status == state)
            await pilot.press(key)
            await until(pilot, lambda sentence=sentence: sentence in told(app))
            assert pending(every_state[state]) == ()


async def test_a_request_that_cannot_be_left_says_why(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        run.control.rmdir()
        run.control.write_text("no folder")
        await pilot.press("c")
        await until(pilot, lambda: "cannot leave a request in the run" in told(app))


# What is carried away, and other runs


async def test_the_configuration_is_taken_to_configure(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", overrides=["method.whitening_size=128"])) as (app, pilot):
        taken: list[tuple[Experiment, str]] = []

        async def take(experiment: Experiment, preset: str = "") -> None:
            taken.append((experiment, preset))

        app.services = replace(app.services, open_configure=take)
        await pilot.press("d")
        await until(pilot, lambda: taken)
        assert taken[0][0].method.whitening_size == 128  # type: ignore[union-attr]
        assert taken[0][1] == "quickstart"


async def test_a_configuration_that_cannot_be_used_is_not_taken(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small")
    run.config.write_text("method: {name: no_such}\n")
    async with on_run(run) as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: "The configuration cannot be used|config.yaml" in told(app))


async def test_the_folders_path_is_shown_and_copied(on_run: OnRun, make_run: MakeRun) -> None:
    run = make_run("small")
    async with on_run(run) as (app, pilot):
        await pilot.press("f")
        assert str(run.path) in told(app)
        assert app.clipboard == str(run.path)


async def test_a_picture_of_the_screen_is_put_into_the_run(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small")
    async with on_run(run) as (app, pilot):
        await pilot.press("i")
        await until(pilot, lambda: "The screen is in" in told(app))
        (picture,) = run.artifacts.glob("screen-*.svg")
        assert picture.read_text().startswith("<svg")
        assert "completed" in picture.read_text()
        assert str(picture) in told(app)


async def test_where_the_run_cannot_be_written_the_picture_goes_to_the_current_folder(
    on_run: OnRun, make_run: MakeRun, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("small")
    run.artifacts.rmdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with on_run(run) as (app, pilot):
        await pilot.press("i")
        await until(pilot, lambda: list((tmp_path / "here").glob("screen-*.svg")))
        (tmp_path / "here").rename(tmp_path / "there")
        (tmp_path / "there" / "x").touch()
        monkeypatch.setattr("pathlib.Path.cwd", lambda: tmp_path / "gone")
        await pilot.press("i")
        await until(pilot, lambda: "The screen cannot be written: " in told(app))


async def test_brackets_go_through_the_list_of_runs(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    runs = {name: make_run(name, started=1.7e9 - age) for age, name in enumerate(("new", "middle", "old"))}
    async with on_run(runs["middle"]) as (app, pilot):
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: head(app).startswith("old   ■ completed"))
        assert app.services.selection.monitored == runs["old"]
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "This is the oldest run." in told(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: head(app).startswith("middle   ■ completed"))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: head(app).startswith("new   ■ completed"))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "This is the newest run." in told(app))
        assert list(app.services.feed._watched) == [runs["new"].path]


async def test_another_run_is_shown_from_scratch(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    first = make_run("first", started=1.7e9)
    first.trainer_log.write_text("of the first\n")
    second = make_run("second", "running", started=1.7e9 - 60, overrides=["seed=5"])
    second.trainer_log.write_text("of the second\n")
    async with on_run(first) as (app, pilot):
        await pilot.press("O")
        await until(pilot, lambda: lines(app, "output") == ["of the first"])
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: lines(app, "output") == ["of the second"])
        await pilot.press("C")
        await until(pilot, lambda: "*   seed: 5" in screen_text(app) or "* seed: 5" in screen_text(app))


# No run


async def test_without_runs_it_leads_to_configure(
    on_run: OnRun, until: Until, screen_text: ScreenText
) -> None:
    async with on_run(None) as (app, pilot):
        await until(pilot, lambda: "There are no runs yet." in screen_text(app))
        assert "quickstart" in screen_text(app)
        await pilot.press("s", "W", "m")
        assert app.current_mode == "monitor"
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "configure")


async def test_without_a_chosen_run_enter_watches_the_newest(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    make_run("old", started=1.7e9)
    newest = make_run("newest", started=1.7e9 + 60)
    async with on_run(None) as (app, pilot):
        await until(pilot, lambda: "Enter watches the newest of 2 runs: newest." in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: head(app).startswith("newest   ■ completed"))
        assert app.services.selection.monitored == newest
