"""The palette finds actions, runs, presets and options, the best match first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from textual.widgets import Input

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.palette import Palette, PaletteEntry, best
from wmse_tui.tui.screens.configure import ConfigureScreen
from wmse_tui.tui.widgets.form.form import Form
from wmse_tui.tui.widgets.vi import KeyList

Until = Callable[..., Awaitable[None]]


def entry(title: str, about: str = "", kind: str = "action") -> PaletteEntry:
    return PaletteEntry(title, about, kind, lambda: None)


ENTRIES = [
    entry("Stop after epoch"),
    entry("Stop", "save and stop"),
    entry("cifar100-byol", "", "preset"),
    entry("Quit", "the stop of the app"),
    entry("nonstop-1", "", "run"),
    entry("Images", "set up a run on training images of yours"),
    entry("dataset.train_images", "Training images: how many are used", "option"),
]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("stop", ["Stop", "Stop after epoch", "nonstop-1", "Quit"]),
        ("STOP ep", ["Stop after epoch"]),
        ("byol", ["cifar100-byol"]),
        ("preset", ["cifar100-byol"]),
        ("", ["Stop after epoch", "Stop", "Quit", "Images"]),
        ("training images", ["dataset.train_images", "Images"]),
        ("train images", ["dataset.train_images", "Images"]),
        ("nothing like it", []),
    ],
)
def test_the_best_match_is_first(query: str, titles: list[str]) -> None:
    assert [found.title for found in best(ENTRIES, query)] == titles


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("yesterday", "monitor"),
        ("cifar100-byol", "configure"),
        ("optimizer.lr", "configure"),
        ("paper", "paper"),
    ],
)
async def test_each_kind_is_found_and_opened(
    make_app: MakeApp, make_run: MakeRun, until: Until, query: str, mode: str
) -> None:
    make_run("yesterday")
    app = make_app(screen="runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        palette = app.screen
        palette.query_one(Input).value = "nothing like it"
        only = palette.query_one(KeyList)
        await until(pilot, lambda: "Nothing matches" in str(only.get_option_at_index(0).prompt))
        await pilot.press("enter")
        assert app.screen is palette, "there is nothing to choose"
        palette.query_one(Input).value = query
        await until(
            pilot,
            lambda: (
                palette.query_one(KeyList).option_count
                and query in str(palette.query_one(KeyList).get_option_at_index(0).prompt).lower()
            ),
        )
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == mode and not isinstance(app.screen, Dialog))
        if query == "optimizer.lr":
            assert isinstance(app.screen, ConfigureScreen)
            await until(pilot, lambda: app.screen.query_one(Form).current == "optimizer.lr")
