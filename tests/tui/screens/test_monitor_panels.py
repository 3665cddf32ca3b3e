"""The panels of Monitor: which are in sight, and what each shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from monitor_screen import append, lines, messages, panels_in_sight, plots, screen_of, state_of
from textual.events import MouseScrollUp
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Artifact, Exit, NormImportance, NormWeights, RankLoad, Resources
from wmse_tui.runs.state.embedding import map_name
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.chart_picker import ChartPicker
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.scatter import Scatter
from wmse_tui.tui.dialogs import RunPicker
from wmse_tui.tui.widgets.monitor.charts import CHARTS
from wmse_tui.tui.widgets.monitor.panels import PANEL_NAMES, Panels
from wmse_tui.tui.widgets.monitor.text_row import TextRow

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
Act = Callable[..., Awaitable[None]]
OnRun = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((80, 24), {"plots"}),
        ((120, 40), {"plots", "whitening", "usage", "log"}),
        ((200, 60), {"plots", "whitening", "usage", "map", "log"}),
    ],
)
async def test_as_many_panels_as_fit_are_shown(
    on_run: OnRun,
    make_run: MakeRun,
    until: Until,
    screen_text: ScreenText,
    size: tuple[int, int],
    expected: set[str],
) -> None:
    async with on_run(make_run("small", "completed"), size=size) as (app, pilot):
        assert panels_in_sight(app) == expected
        texts = {
            "whitening": "effective rank   26.4 of 32",
            "usage": "1.9 of 2 cores",
            "log": "evaluation  epoch 4",
        }
        for panel in expected & set(texts):
            await until(pilot, lambda text=texts[panel]: text in screen_text(app))


@pytest.mark.parametrize("size", [(60, 18), (120, 40)])
async def test_every_panel_is_activated_by_its_letter(
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
        "config": "1 of its options differs from preset quickstart",
    }
    async with on_run(make_run("small", "stopped"), size=size) as (app, pilot):
        for panel, name in PANEL_NAMES.items():
            await pilot.press(name[0])
            await until(pilot, lambda text=texts[panel]: text in screen_text(app))
            focused = app.focused
            assert focused is not None
            assert panel in {node.id for node in focused.ancestors_with_self}


async def test_tab_goes_around_the_panels(on_run: OnRun, make_run: MakeRun) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        panels = screen_of(app).query_one(Panels)
        for panel in [*list(PANEL_NAMES)[1:], "plots"]:
            await pilot.press("tab")
            assert panels.active == panel
            assert panels.in_sight == {panel}
        await pilot.press("shift+tab")
        assert panels.active == "config"


async def test_a_click_activates_a_panel(on_run: OnRun, make_run: MakeRun) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        await pilot.click("#whitening")
        assert screen_of(app).query_one(Panels).active == "whitening"
        await pilot.click("#panel-tabs", offset=(3, 0))
        assert screen_of(app).query_one(Panels).active == "plots"


async def test_the_panels_follow_the_size_of_the_terminal(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        await pilot.press("L")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: panels_in_sight(app) == {"log"})
        await pilot.resize_terminal(200, 60)
        await until(pilot, lambda: panels_in_sight(app) == {"plots", "whitening", "usage", "map", "log"})
        await pilot.press("C")
        await until(pilot, lambda: "config" in panels_in_sight(app))
        assert "log" not in panels_in_sight(app)


async def test_one_panel_or_one_plot_can_be_maximised(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        assert len(plots(app)) == 2
        await pilot.press("j", "m")
        await until(pilot, lambda: len(plots(app)) == 1)
        assert plots(app)[0].content.title == "Accuracy"
        assert panels_in_sight(app) == {"plots"}
        await pilot.press("down")
        await until(pilot, lambda: plots(app)[0].content.title == "Learning rate")
        await pilot.press("W")
        assert panels_in_sight(app) == {"whitening"}
        await pilot.press("m")
        assert len(panels_in_sight(app)) == 4


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


async def test_the_whitening_panel_cycles_through_the_embeddings_and_the_norm_weights(
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


async def test_keys_change_the_plots(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await until(pilot, lambda: plots(app)[0].content.curves)

        def first() -> Any:
            return plots(app)[0].content

        assert (first().x_title, first().x_range, first().log_y) == ("epoch", (0.0, 4.0), False)
        assert first().reference == ((2.0, "no structure"),)
        await pilot.press("H")
        assert (first().x_title, first().x_range) == ("step", (0.0, 20.0))
        await pilot.press("H")
        assert first().x_title == "hours"
        await pilot.press("H", "y")
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
        for _ in range(len(CHARTS)):
            await pilot.press("v", "down", "enter")
            await pilot.pause()
            titles.append(first().title)
        assert titles == [
            "Accuracy",
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
            "GPU utilisation",
            "GPU memory",
            "GPU temperature",
            "GPU power",
            "CPU",
            "Memory",
            "Loss",
        ]


async def test_accuracies_are_drawn_in_percent(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await until(pilot, lambda: plots(app)[1].content.curves)
        knn, linear = plots(app)[1].content.curves
        assert knn.y == pytest.approx((31.0, 43.5625, 56.125, 68.6875, 81.25))
        assert linear.y[-1] == 87.5
        assert plots(app)[1].content.y_title == "%"


async def test_a_key_of_the_plots_shows_them(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await pilot.press("L", "y")
        await until(pilot, lambda: panels_in_sight(app) == {"plots"} and plots(app)[0].content.log_y)


async def test_other_runs_are_drawn_beside_it(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    run = make_run("small", "completed")
    make_run("other", "stopped")
    make_run("third", "completed")
    async with on_run(run) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("space", "j", "space", "enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 3)
        labels = [curve.label for curve in plots(app)[0].content.curves]
        assert labels[0] == "small"
        assert set(labels[1:]) == {"other", "third"}
        assert {"small k-NN", "other Linear"} <= {curve.label for curve in plots(app)[1].content.curves}
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("space", "escape")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("space", "j", "space", "enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 1)


async def test_another_run_is_not_drawn_beside_those_of_the_one_before(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    runs = [make_run(f"quickstart-20261130-10000{number}-a", "completed") for number in range(3)]
    async with on_run(runs[0]) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("space", "enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 2)
        labels = [curve.label for curve in plots(app)[0].content.curves]
        assert labels[0] != labels[1]
        beside = next(run for run in runs[1:] if labels[1][-8:] == run.id[-8:])
        other = next(run for run in runs[1:] if run != beside)
        await app.open_run(other)
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 1)


async def test_the_marked_runs_are_chosen_at_first(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    run, other = make_run("small"), make_run("other")
    async with on_run(run) as (app, pilot):
        app.services.selection.marked = (run, other)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        await pilot.press("enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 2)


async def test_more_runs_than_can_be_distinguished_cannot_be_marked(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    run = make_run("small")
    for number in range(8):
        make_run(f"other-{number}")
    async with on_run(run) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, RunPicker))
        for _ in range(8):
            await pilot.press("space", "down")
        assert "7 runs are marked already; remove a mark first." in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(plots(app)[0].content.curves) == 8)


async def test_without_another_run_there_is_a_message(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    async with on_run(make_run("small")) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: "There is no other run to draw beside this one." in messages(app))


async def test_a_new_map_in_the_log_is_read(
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


def write_map(
    run: RunDirectory, *, classes: tuple[str, ...], step: int = 10, name: str = "embedding.npz"
) -> None:
    np.savez(
        run.artifacts / name,
        points=np.array([[0.0, 0.0], [1.0, 0.5], [0.2, 1.0]], np.float32),
        labels=np.array([0, 1, 1]),
        classes=np.array(classes),
        step=step,
        epoch=step // 5,
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
        await until(pilot, lambda: state_of(app).status == "completed")
        with run.trainer_log.open("a") as file:
            file.write("the last line\n")
        await until(pilot, lambda: lines(app, "output")[-1] == "the last line")
        await pilot.press("slash", *"WARN", "enter")
        await until(pilot, lambda: "1 of 1: WARN" in screen_text(app))


async def test_from_any_other_panel_the_log_is_searched(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText
) -> None:
    async with on_run(make_run("small", "completed")) as (app, pilot):
        await pilot.press("W", "slash")
        await until(pilot, lambda: panels_in_sight(app) == {"log"} and lines(app, "log"))
        await pilot.press(*"checkpoint", "enter")
        await until(pilot, lambda: "of 4: checkpoint" in screen_text(app))


async def test_one_cursor_shows_the_values_of_all_plots_and_zooms_them(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: plots(app)[0].content.curves)
        await pilot.press("h")
        loss, accuracy = plots(app)
        assert loss.content.cursor == accuracy.content.cursor == 4.0
        assert loss.drawing.text.startswith("▸ Loss 0.4 at epoch 4 ")
        assert accuracy.drawing.text.startswith("Accuracy % ●81.25 ▲87.5 at epoch 4 ")
        assert "┆" in loss.drawing.text
        await pilot.press("h")
        assert 3.8 < (loss.content.cursor or 0) < 4.0
        await pilot.press("plus")
        low, high = loss.content.x_range or (0, 0)
        assert loss.content.x_range == accuracy.content.x_range
        assert high - low == pytest.approx(2.0)
        assert low <= (loss.content.cursor or 0) <= high
        await pilot.press("shift+left")
        assert loss.content.x_range == pytest.approx((low - 0.5, high - 0.5))
        await pilot.press("minus", "escape")
        after = plots(app)[0].content
        assert after.x_range == (0.0, 4.0)
        assert after.cursor is None
        await pilot.press("escape")
        await until(pilot, lambda: app.current_mode == "runs")


async def test_the_mouse_points_at_values_and_its_wheel_zooms(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", "completed"), size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: plots(app)[0].content.curves)
        plot = plots(app)[1]
        await pilot.click(plot, offset=(plot.size.width - 1, 4))
        assert plots(app)[0].content.cursor == plot.content.cursor == pytest.approx(4.0)
        await pilot._post_mouse_events([MouseScrollUp], plot, offset=(plot.size.width - 1, 4))
        assert plots(app)[0].content.x_range == pytest.approx((2.0, 4.0))


def whitening_rows(app: WmseApp) -> list[str]:
    return [row.text for row in screen_of(app).query_one("#whitening").query(TextRow) if row.display]


async def test_all_panels_show_the_step_that_one_of_them_chooses(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText, act: Act
) -> None:
    run = make_run("small", "completed")
    for step in (5, 20):
        write_map(run, classes=("cat", "dog"), step=step, name=map_name(step))
    write_map(run, classes=("cat", "dog"), step=20)
    append(run, Artifact(kind="embedding", file="embedding.npz", step=20, epoch=4, seconds=0.1))
    async with on_run(run, size=(120, 40)) as (app, pilot):
        await act(pilot, "pane-map")
        await until(pilot, lambda: "epoch 4, principal components" in screen_text(app))
        assert whitening_rows(app)[0] == "projector step 20, 256 images"
        # The map: back to the other one that is saved.
        await act(pilot, "moment-earlier")
        await until(pilot, lambda: "3 test images, epoch 1, principal" in screen_text(app))
        assert whitening_rows(app)[0] == "projector step 5, 256 images"
        assert plots(app)[0].content.cursor == 1.0
        # The numbers: the next sample; the map of that evaluation is not saved, and the panel says so.
        await act(pilot, "pane-whitening", "moment-later")
        await until(pilot, lambda: "that of epoch 2 is not saved" in screen_text(app))
        assert whitening_rows(app)[0] == "projector step 10, 256 images"
        await until(pilot, lambda: "projector now: healthy" in screen_text(app))
        await until(pilot, lambda: "Eigenvalues seen by the loss, epoch 2" in screen_text(app))
        # The plots: the cursor moves off; escape shows the newest everywhere.
        await act(pilot, "moment-first")
        assert plots(app)[0].content.cursor == 1.0
        await act(pilot, "pane-plots", "plot-cursor-left")
        await until(pilot, lambda: whitening_rows(app) == ["projector not sampled yet"])
        await until(pilot, lambda: "no map up to step 4 is saved" in screen_text(app))
        await act(pilot, "pane-whitening", "moment-newest")
        await until(pilot, lambda: "epoch 4, principal components" in screen_text(app))
        assert whitening_rows(app)[0] == "projector step 20, 256 images"
        assert plots(app)[0].content.cursor is None
        assert "projector now:" not in screen_text(app)
        await act(pilot, "pane-whitening")
        await until(pilot, lambda: "projector: healthy" in screen_text(app))


async def test_a_number_is_described_in_place_with_what_to_try(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText, act: Act
) -> None:
    run = make_run("small", "running")
    append(
        run,
        replace(
            next(one for one in reversed(view_run(run).diagnostics) if one.space == "projector"),
            step=11,
            feature_std=0.001,
        ),
    )
    async with on_run(run) as (app, pilot):
        await act(pilot, "pane-whitening", "whitening-describe")
        await until(pilot, lambda: "How many dimensions the embeddings use" in screen_text(app))
        assert "Effective rank  24.4 of 32 (noise 30)" in screen_text(app)
        assert whitening_rows(app) == []
        await act(pilot, "whitening-next", "whitening-next", "whitening-next")
        text = screen_text(app)
        assert "Feature standard deviation  0.001 (even 1)" in text
        assert "expected 1 where they are evenly spread" in text
        assert "now beyond the bound" in text
        assert "try a lower optimizer.lr" in text
        await act(pilot, "whitening-next", "whitening-next", "whitening-previous", "whitening-describe")
        assert "feature std      0.001 (even 1)" in whitening_rows(app)
        assert "expected" not in screen_text(app)
        await act(pilot, "whitening-describe", "whitening-numbers")
        assert "expected" not in screen_text(app)
        assert app.current_mode == "monitor"


async def test_before_a_sample_there_is_nothing_to_describe(
    on_run: OnRun, make_run: MakeRun, act: Act, until: Until
) -> None:
    async with on_run(make_run("small", "new")) as (app, pilot):
        await act(pilot, "pane-whitening", "whitening-describe")
        await until(pilot, lambda: "Nothing has been sampled yet." in messages(app))
        assert not app.screen.query_one("#whitening").has_class("-described")


@pytest.mark.parametrize(
    ("size", "drawn"), [((80, 24), ["CPU", "Memory"]), ((120, 40), ["CPU", "Memory"])], ids=str
)
async def test_the_usage_panel_draws_the_past_where_it_has_space(
    on_run: OnRun, make_run: MakeRun, until: Until, act: Act, size: tuple[int, int], drawn: list[str]
) -> None:
    def titles(app: WmseApp) -> list[str]:
        found = screen_of(app).query("#usage Plot").results(Plot)
        return [plot.content.title for plot in found if plot.display and plot.region]

    async with on_run(make_run("small", "completed"), size=size) as (app, pilot):
        await act(pilot, "pane-usage", *(["maximise"] if size[0] > 80 else []))
        await until(pilot, lambda: titles(app) == drawn)
        await act(pilot, "pane-plots", *(["maximise"] if size[0] > 80 else []))
        await until(pilot, lambda: titles(app) == [])


async def test_the_usage_panel_has_a_line_and_a_curve_for_each_rank(
    on_run: OnRun, make_run: MakeRun, until: Until, act: Act, screen_text: ScreenText
) -> None:
    run = make_run("small", "completed")
    for step in (6, 7, 8):
        cards = (("node1", "NVIDIA H100", 0.97), ("node2", "NVIDIA A100", step / 10))
        ranks = tuple(
            RankLoad(rank=rank, host=node, gpu=gpu, gpu_utilisation=used, gpu_power=300.0)
            for rank, (node, gpu, used) in enumerate(cards)
        )
        append(run, Resources(step=step, gpu="NVIDIA H100", gpu_utilisation=0.97, cpu=1.5, ranks=ranks))
    async with on_run(run, size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: "node2: NVIDIA A100" in screen_text(app))
        text = screen_text(app).replace("\N{NO-BREAK SPACE}", " ")  # before a unit
        assert text.index("node1: NVIDIA H100") < text.index("0 ███████░ 97 %  300 W")
        assert (
            text.index("node2: NVIDIA A100") < text.index("1 ██████░░ 80 %  300 W") < text.index("1.5 cores")
        )
        await pilot.resize_terminal(80, 24)
        await act(pilot, "pane-usage")
        await until(pilot, lambda: "node2: NVIDIA A100" in screen_text(app))
        found = [plot for plot in screen_of(app).query("#usage Plot").results(Plot) if plot.display]
        assert [plot.content.title for plot in found] == ["GPU utilisation", "GPU power"]
        assert [curve.label for curve in found[0].content.curves] == ["rank 0", "rank 1"]
        assert [curve.y[-1] for curve in found[0].content.curves] == [97.0, 80.0]


async def test_several_quantities_are_chosen_from_a_menu_and_drawn_side_by_side(
    on_run: OnRun, make_run: MakeRun, until: Until, screen_text: ScreenText, act: Act
) -> None:
    async with on_run(make_run("small", "completed"), size=(200, 60)) as (app, pilot):
        await until(pilot, lambda: len(plots(app)) == 4)
        await act(pilot, "plot-what")
        await until(pilot, lambda: isinstance(app.screen, ChartPicker))
        assert "[ ] Loss  shown" in screen_text(app)
        await pilot.press("down", "down", "space", "up", "space", "up", "space", "space")
        text = screen_text(app)
        assert "[1] Learning rate  shown" in text
        assert "[2] Accuracy  shown" in text
        await pilot.press("G", "space")
        assert "[3] Memory" in screen_text(app)
        assert "GPU power  no values" in screen_text(app)
        await pilot.press("up", "space", "up", "space")
        assert "4 are marked already; remove a mark first." in screen_text(app)
        await pilot.press("down", "space", "enter")
        titles = ["Learning rate", "Accuracy", "Memory"]
        await until(pilot, lambda: [p.content.title for p in plots(app)] == titles)
        await act(pilot, "plot-what")
        await pilot.press("g", "space", "enter")  # one alone fills the panel
        await until(pilot, lambda: [p.content.title for p in plots(app)] == ["Loss"])
        await act(pilot, "plot-next")
        assert [p.content.title for p in plots(app)] == ["Loss"]
        await act(pilot, "plot-what")
        await pilot.press("escape")
        assert [p.content.title for p in plots(app)] == ["Loss"]
