"""The chart widget: what it repaints, and when."""

from __future__ import annotations

import math

import pytest
from rich.style import Style
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.geometry import Region
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from wmse_tui.runs.state.curves import Curve
from wmse_tui.tui.charts.canvas import Canvas
from wmse_tui.tui.charts.drawing import ChartContent
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.rows import changes
from wmse_tui.tui.themes import THEMES


class Recorded(Plot):
    """A plot that records its repaints and drawings."""

    def __init__(self) -> None:
        super().__init__(title="Loss")
        self.regions: list[Region | None] = []
        self.drawings = 0

    def refresh(self, *regions: Region, **more: bool) -> Recorded:
        if not more:
            self.regions += regions or (None,)
        return super().refresh(*regions, **more)

    def draw_rows(self, *arguments: object) -> object:  # type: ignore[override]
        self.drawings += 1
        return super().draw_rows(*arguments)  # type: ignore[arg-type]

    def forget(self) -> None:
        self.regions.clear()
        self.drawings = 0


class Charts(App[None]):
    CSS = "Plot { border: round $primary; padding: 0 1; } .hidden { display: none; }"

    def __init__(self, *, ascii: bool = False) -> None:  # noqa: A002 (the app's attribute)
        super().__init__()
        self.ascii = ascii
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "wmse-dark"

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Recorded()

    @property
    def plot(self) -> Recorded:
        return self.screen_stack[0].query_one(Recorded)


class Cover(ModalScreen[None]):
    def compose(self) -> ComposeResult:
        yield Static("a question")


class Page(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Recorded()


class Modes(App[None]):
    MODES = {"charts": Page, "other": Screen}  # noqa: RUF012 (textual's own type)
    DEFAULT_MODE = "charts"


def loss(count: int, label: str = "loss", top: float = 2.0) -> Curve:
    x = tuple(index * 100 / 240 for index in range(count))
    return Curve(label=label, x=x, y=tuple(top * math.exp(-at / 30) for at in x))


def show(plot: Plot, count: int, **more: object) -> None:
    plot.show(ChartContent(curves=(loss(count),), x_range=(0, 100), title="Loss", x_title="epoch", **more))  # type: ignore[arg-type]


def on_screen(app: App[None]) -> list[str]:
    return [strip.text for strip in app.screen._compositor.render_strips()]


def test_a_change_is_one_region_of_the_cells_that_differ() -> None:
    def drawing(*rows: str) -> tuple[object, ...]:
        canvas = Canvas(8, len(rows))
        for y, row in enumerate(rows):
            canvas.put(0, y, row)
        return canvas.drawing().rows

    before, after = drawing("abcdefgh", "same", "損abc"), drawing("abXdYfgh", "same", "損abX")
    assert changes(before, after) == [Region(2, 0, 3, 1), Region(0, 2, 8, 1)]  # type: ignore[arg-type]


def test_invisible_differences_are_no_change() -> None:
    before, after = Canvas(6, 1), Canvas(6, 1)
    before.put(0, 0, "a", Style(color="red"))
    after.put(0, 0, "b", Style(color="blue"))

    assert changes(before.drawing().rows, after.drawing().rows) == [Region(0, 0, 1, 1)]
    after.put(0, 0, "a", Style(color="red"))
    after.put(3, 0, " ", Style(color="blue"))
    assert changes(before.drawing().rows, after.drawing().rows) == []


@pytest.mark.asyncio
async def test_new_values_repaint_only_the_cells_that_changed() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        show(app.plot, 120)
        await pilot.pause()
        before = on_screen(app)
        app.plot.forget()

        show(app.plot, 128)
        await pilot.pause()

        after = on_screen(app)
        changed = {y for y, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}
        offset = app.plot.content_region.y
        assert changed
        assert None not in app.plot.regions
        assert {region.y + offset for region in app.plot.regions if region} == changed
        assert sum(region.width for region in app.plot.regions if region) <= 8


@pytest.mark.asyncio
async def test_unchanged_content_is_not_redrawn() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        show(app.plot, 120)
        await pilot.pause()
        app.plot.forget()
        show(app.plot, 120)
        await pilot.pause()

        assert (app.plot.regions, app.plot.drawings) == ([], 0)


@pytest.mark.asyncio
async def test_the_axis_moves_on_round_steps_only() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        ranges = []
        for count in range(2, 240, 17):
            show(app.plot, count)
            ranges.append(app.plot.y_range)
        await pilot.pause()
        distinct = list(dict.fromkeys(ranges))

        assert len(distinct) <= 6
        assert distinct[-1] == (0.0, 2.0)
        app.plot.show(ChartContent(curves=(loss(9, top=0.001),), x_range=(0, 100), title="Learning rate"))
        assert app.plot.y_range == pytest.approx((0.0008, 0.001), rel=0.2)


@pytest.mark.asyncio
async def test_another_size_is_another_drawing() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        show(app.plot, 200)
        await pilot.pause()
        await pilot.resize_terminal(50, 12)
        await pilot.pause()

        assert len(app.plot.drawing.rows) == 10
        assert all(len(line) == 46 for line in app.plot.drawing.text.split("\n"))
        await pilot.resize_terminal(3, 2)
        await pilot.pause()
        await pilot.resize_terminal(80, 20)
        await pilot.pause()
        assert "100" in on_screen(app)[-2]


@pytest.mark.asyncio
async def test_another_theme_has_its_own_colours() -> None:
    app = Charts()
    async with app.run_test(size=(60, 12)) as pilot:
        app.plot.show(
            ChartContent(
                curves=(
                    loss(200, "a"),
                    loss(200, "b", 3.0),
                ),
                x_range=(0, 100),
            )
        )
        colors = {}
        for theme in ("wmse-dark", "wmse-light", "wmse-terminal"):
            app.theme = theme
            await pilot.pause()
            first = app.plot.drawing.rows[0]
            colors[theme] = next(
                s.style.color.name for s in first if s.style and s.style.color and "●" in s.text
            )

        assert colors == {"wmse-dark": "#5fafff", "wmse-light": "#005faf", "wmse-terminal": "cyan"}


@pytest.mark.asyncio
async def test_without_colours_markers_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Charts()
    async with app.run_test(size=(60, 12)) as pilot:
        app.plot.show(
            ChartContent(
                curves=(
                    loss(200, "a"),
                    loss(200, "b", 3.0),
                ),
                x_range=(0, 100),
            )
        )
        await pilot.pause()

        assert {"●", "▲"} <= set(app.plot.drawing.text)
        assert all(not s.style or s.style.color is None for row in app.plot.drawing.rows for s in row)


@pytest.mark.asyncio
async def test_in_ascii_only_ascii_is_drawn() -> None:
    app = Charts(ascii=True)
    async with app.run_test(size=(60, 12)) as pilot:
        app.plot.show(
            ChartContent(
                curves=(
                    loss(200, "a"),
                    loss(200, "b…", 3.0),
                ),
                x_range=(0, 100),
                title="Précision",
            )
        )
        await pilot.pause()

        assert app.plot.drawing.text.isascii()


@pytest.mark.asyncio
async def test_a_hidden_plot_draws_nothing_and_then_the_newest() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        show(app.plot, 100)
        await pilot.pause()
        app.plot.add_class("hidden")
        await pilot.pause()
        app.plot.forget()
        for count in (120, 140, 160):
            show(app.plot, count)
            await pilot.pause()
        assert app.plot.drawings == 0

        app.plot.remove_class("hidden")
        await pilot.pause()
        assert app.plot.drawings == 1
        hidden = on_screen(app)
        app.plot.refresh()
        await pilot.pause()
        assert on_screen(app) == hidden


@pytest.mark.asyncio
async def test_a_plot_under_a_dialog_is_updated() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        show(app.plot, 100)
        await pilot.pause()
        await app.push_screen(Cover())
        show(app.plot, 160)
        await pilot.pause()
        await app.pop_screen()
        await pilot.pause()
        shown = on_screen(app)
        app.plot.refresh()
        await pilot.pause()

        assert on_screen(app) == shown
        assert app.plot.drawing.text.split("\n")[5] in shown[6]


@pytest.mark.asyncio
async def test_a_plot_on_another_screen_draws_nothing_until_that_is_shown() -> None:
    app = Modes()
    async with app.run_test(size=(80, 20)) as pilot:
        plot = app.screen.query_one(Recorded)
        show(plot, 100)
        await pilot.pause()
        await app.switch_mode("other")
        await pilot.pause()
        plot.forget()
        for count in (120, 160):
            show(plot, count)
            await pilot.pause()
        assert plot.drawings == 0

        await app.switch_mode("charts")
        await pilot.pause()
        assert plot.drawings == 1
        shown = on_screen(app)
        plot.refresh()
        await pilot.pause()
        assert on_screen(app) == shown


@pytest.mark.asyncio
async def test_without_values_there_is_a_title_and_a_sentence() -> None:
    app = Charts()
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        assert app.plot.drawing.text.startswith("Loss ")
        assert "no values yet" in app.plot.drawing.text
        app.plot.show(
            ChartContent(curves=(Curve(label="", x=(1.0,), y=(math.nan,)),), x_range=(0, 100), log_y=True)
        )
        await pilot.pause()
        assert "no value can be drawn" in app.plot.drawing.text
