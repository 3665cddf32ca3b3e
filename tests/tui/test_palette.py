"""The palette finds actions, runs, presets and options, the best match first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import MakeApp, MakeRun
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.keys import AT_ONCE, actions_elsewhere
from wmse_tui.tui.palette import Palette, PaletteEntry, best
from wmse_tui.tui.screen_names import SCREENS
from wmse_tui.tui.screens.configure import ConfigureScreen
from wmse_tui.tui.widgets.configure.images_dialog import ImagesDialog
from wmse_tui.tui.widgets.configure.sweep_dialog import SweepDialog
from wmse_tui.tui.widgets.form.form import Form
from wmse_tui.tui.widgets.vi import KeyList

Until = Callable[..., Awaitable[None]]


def entry(title: str, about: str = "", kind: str = "action", screen: str = "") -> PaletteEntry:
    return PaletteEntry(title, about, kind, lambda: None, screen)


ENTRIES = [
    entry("Stop after epoch"),
    entry("Stop", "save and stop"),
    entry("cifar100-byol", "", "preset"),
    entry("Quit", "the stop of the app"),
    entry("nonstop-1", "", "run"),
    entry("Images", "set up a run on training images of yours"),
    entry("dataset.train_images", "Training images: how many are used", "option"),
    entry("Stop", "stop the shown run", screen="Monitor"),
    entry("Sweep", "several values", screen="Configure"),
    entry("Join", "as a sweep, by tag"),
    entry("dataset.root", "Folder: what you configure", "option"),
]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("stop", ["Stop", "Monitor: Stop", "Stop after epoch", "nonstop-1", "Quit"]),
        ("sweep", ["Configure: Sweep", "Join"]),
        ("monitor stop", ["Monitor: Stop"]),
        ("configure: sw", ["Configure: Sweep"]),
        ("configure", ["Configure: Sweep", "dataset.root"]),
        ("STOP ep", ["Stop after epoch"]),
        ("byol", ["cifar100-byol"]),
        ("preset", ["cifar100-byol"]),
        ("", ["Stop after epoch", "Stop", "Quit", "Images", "Monitor: Stop", "Configure: Sweep", "Join"]),
        ("training images", ["dataset.train_images", "Images"]),
        ("train images", ["dataset.train_images", "Images"]),
        ("nothing like it", []),
    ],
)
def test_the_best_match_is_first(query: str, titles: list[str]) -> None:
    assert [found.full_title for found in best(ENTRIES, query)] == titles


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


def offered(app: WmseApp) -> list[str]:
    """What the palette shows, a line an entry."""
    found = app.screen.query_one(KeyList)
    return [str(found.get_option_at_index(index).prompt) for index in range(found.option_count)]


@pytest.mark.asyncio
async def test_actions_of_other_screens_are_found_and_only_harmless_ones_are_performed_at_once(
    make_app: MakeApp, make_run: MakeRun, until: Until
) -> None:
    run = make_run("yesterday", "running")
    app = make_app(screen="runs")

    async def choose(pilot: Pilot[Any], query: str, first: str) -> None:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        app.screen.query_one(Input).value = query
        await until(pilot, lambda: offered(app)[0].startswith(first))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Palette))

    async with app.run_test(size=(120, 40)) as pilot:
        for query, first, dialog in (
            ("own images", "Configure: Images", ImagesDialog),
            ("sweep", "Configure: Sweep", SweepDialog),
        ):
            await choose(pilot, query, first)
            await until(pilot, lambda dialog=dialog: isinstance(app.screen, dialog))
            assert app.current_mode == "configure"
            await pilot.press("escape", "escape")
            await pilot.press("3")
        for query, first, shown, text in (
            ("nearest", "Monitor: Neighbours", "monitor", "Neighbours is not possible here now."),
            ("latex", "Compare: Write", "compare", "nothing to export"),
            ("delete", "Runs: Delete", "runs", "Delete runs, after a question (D)"),
            ("published accuracy of the linear", "Nothing matches", "runs", ""),
        ):
            app.messages.clear()
            if text:
                await choose(pilot, query, first)
                await until(pilot, lambda text=text: any(text in each.message for each in app.messages))
                assert app.current_mode == shown
                assert not isinstance(app.screen, Dialog)
            else:
                await pilot.press("ctrl+p")
                app.screen.query_one(Input).value = "optimizer.lr"
                await until(pilot, lambda: offered(app)[0].startswith("optimizer.lr"))
                app.screen.query_one(Input).value = query
                await until(pilot, lambda first=first: offered(app)[0].startswith(first))
                await pilot.press("escape")

        # Whatever starts, stops or changes something waits for its key, on the screen where it acts.
        app.services.selection.monitored = run
        await app.action_go("paper")
        later = [each for each in actions_elsewhere("") if each[1].id not in AT_ONCE]
        for _, shown, _ in SCREENS:
            app.messages.clear()
            of_screen = [binding for screen, binding in later if screen == shown]
            for binding in of_screen:
                await app.act_elsewhere(shown, binding)
            await until(pilot, lambda of_screen=of_screen: len(app.messages) == len(of_screen))
            assert app.current_mode == shown
            assert not isinstance(app.screen, Dialog)
        assert {"run-stop", "run-pause", "configure-launch", "runs-delete", "paper-launch"} <= {
            binding.id for _, binding in later
        }
        assert {binding.id for _, binding in actions_elsewhere("")} >= AT_ONCE
    assert not list(run.control.glob("*.json"))
    assert len(list(app.options.runs_root.iterdir())) == 1
