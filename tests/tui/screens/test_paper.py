"""The Paper screen: the published grid, one's own runs in it, and what can be done with a cell."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from slurm_programs import Slurm
from textual.pilot import Pilot
from textual.widgets import Static

from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.table.paper import published_table, shipped_recipes
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.job_dialog import JobDialog
from wmse_tui.tui.saved_state import SavedState
from wmse_tui.tui.screens.paper import PaperScreen
from wmse_tui.tui.widgets.paper.launch_dialog import LaunchDialog
from wmse_tui.tui.widgets.paragraphs import Paragraphs
from wmse_tui.tui.widgets.table import CellTable

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnPaper = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]

WHOLE = ("schedule.epochs=1000",)
"""The fixture makes short runs; those of the recipe are not."""
LAST = published_table(shipped_recipes(), ()).rows[-1]

BEGAN = 1_772_366_400.0  # as runs begin that are made for a test


@pytest.fixture
def make_app(make_app: MakeApp) -> MakeApp:
    """The app begins with this screen; the tests of the others open theirs."""
    return functools.partial(make_app, screen="paper")


@pytest.fixture
def recipe_run(make_run: MakeRun) -> Callable[..., RunDirectory]:
    """A run of a recipe: recipe_run("name", "state", "seed=1", preset="cifar10")."""

    def make(name: str, state: str = "completed", *overrides: str, preset: str = "cifar10") -> RunDirectory:
        started = BEGAN + len(name)  # of equal logs, those that began at one time are copies
        return make_run(name, state, preset=preset, overrides=(*WHOLE, *overrides), started=started)

    return make


@pytest.fixture
def on_paper(make_app: MakeApp, until: Until) -> OnPaper:
    """Opens Paper and waits for its table with every run: `async with on_paper() as (app, pilot)`."""

    @asynccontextmanager
    async def open_on_paper(
        *, size: tuple[int, int] = (120, 40), runs: int = 0, **options: Any
    ) -> AsyncIterator[tuple[WmseApp, Pilot[Any]]]:
        app = make_app(**options)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, PaperScreen)
            await until(
                pilot,
                lambda: screen.runs == runs and not app.screen.query_one("#paper-table").border_subtitle,
            )
            yield app, pilot

    return open_on_paper


def position(app: WmseApp) -> tuple[str, str]:
    assert isinstance(app.screen, PaperScreen)
    return app.screen.position


def split(line: str) -> list[str]:
    """The cells of a row of the grid at 120 columns."""
    return [line[2:16], *(line[start : start + 19] for start in range(16, 16 + 5 * 19, 19))]


def about(app: WmseApp) -> str:
    return str(app.screen.query_one("#paper-details", Static).content)


def messages(app: WmseApp) -> str:
    return "\n".join(message.message for message in app.messages)


def dialog(app: WmseApp) -> str:
    """The facts in the open dialog, each on a line of its own."""
    return f"{app.screen.query_one(Paragraphs).render().plain}\n".replace("\n        ", " ")


def started(root: Path) -> list[RunDirectory]:
    return [RunDirectory(path) for path in sorted(root.iterdir())] if root.exists() else []


# The grid


async def test_the_published_table_is_shown_whole_at_120_columns(
    on_paper: OnPaper, screen_text: ScreenText
) -> None:
    async with on_paper() as (app, _):
        lines = screen_text(app).splitlines()
        cells = [[cell.strip() for cell in split(line)] for line in (lines[2], lines[3], lines[6])]
        assert cells == [
            ["", "CIFAR-10 ↓", "CIFAR-100 ↓", "STL-10 ↓", "Tiny ImageNet ↓", "ImageNet-100 !"],
            ["W-MSE 2", "91.55 / 89.69", "66.10 / 56.69", "90.36 / 87.10", "48.20 / 34.16", "unverified"],
            ["BYOL", "91.73 / 89.45", "66.60 / 56.82", "91.99 / 88.64", "51.00 / 36.24", ""],
        ]
        assert "published  91.55 % linear, 89.69 % 5-NN" in about(app)
        assert "Ermolov et al. 2021, Table 1" in about(app)
        assert "wmse-tui run --preset cifar10" in about(app)
        assert "images     a download of 170 MB, and as much again unpacked" in about(app)
        assert "no run of this recipe yet" in about(app)


async def test_at_80_columns_the_grid_scrolls_by_columns(on_paper: OnPaper, screen_text: ScreenText) -> None:
    async with on_paper(size=(80, 24)) as (app, pilot):
        assert "ImageNet-100" not in screen_text(app)
        for key in ("right", "l", "right", "right"):
            await pilot.press(key)
        text = screen_text(app)
        assert position(app) == ("W-MSE 2", "ImageNet-100")
        assert "ImageNet-100" in text
        assert "CIFAR-10 " not in text
        assert "BYOL" in text
        assert "This recipe" in text


async def test_at_24_lines_every_row_is_reached_however_many_have_own_runs(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], until: Until, screen_text: ScreenText
) -> None:
    async with on_paper(size=(80, 24)) as (app, pilot):
        assert LAST in screen_text(app)
        for preset in ("cifar10", "cifar10-wmse4", "cifar10-simclr"):
            recipe_run(preset, preset=preset)
        await until(pilot, lambda: " of 11" in screen_text(app))
        assert LAST not in screen_text(app)
        seen = {position(app)}
        for _ in range(10):
            await pilot.press("j")
            seen.add(position(app))
            row = f"\u2502 {position(app)[0]} "
            assert any(line.startswith(row) for line in screen_text(app).splitlines()), row
        assert len(seen) == 11
        assert position(app)[0] == LAST


async def test_the_cursor_moves_with_arrows_and_letters_and_stays_inside(on_paper: OnPaper) -> None:
    async with on_paper() as (app, pilot):
        await pilot.press("up", "left", "j", "l")
        assert position(app) == ("W-MSE 4", "CIFAR-100")
        await pilot.press("k", "h", "G", "down", "right")
        assert position(app) == (LAST, "ImageNet-100")
        await pilot.press("g")
        assert position(app) == ("W-MSE 2", "CIFAR-10")


async def test_the_cursor_is_where_the_app_was_left(make_app: MakeApp, until: Until, tmp_path: Path) -> None:
    for keys, place in ((("j", "l"), ("W-MSE 4", "CIFAR-100")), ((), ("W-MSE 4", "CIFAR-100"))):
        app = make_app(saved=SavedState(tmp_path / "screens.json"))
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda app=app: position(app)[0])
            await pilot.press(*keys)
            await pilot.pause()
            assert position(app) == place


async def test_a_click_moves_the_cursor(on_paper: OnPaper) -> None:
    async with on_paper() as (app, pilot):
        await pilot.click(CellTable, offset=(14 + 19 + 3, 1 + 1))
        assert position(app) == ("W-MSE 4", "CIFAR-100")


async def test_an_unverified_number_is_left_out_and_its_reason_shown(on_paper: OnPaper) -> None:
    async with on_paper() as (app, pilot):
        await pilot.press("j", "l", "l")
        assert position(app) == ("W-MSE 4", "STL-10")
        assert "no number: unverified: the number was not found in any text that could be read" in about(app)
        assert "%" not in about(app)


async def test_a_cell_without_a_recipe_refuses_every_action(on_paper: OnPaper) -> None:
    async with on_paper() as (app, pilot):
        await pilot.press("G")
        assert about(app) == f"There is no recipe for {LAST} on ImageNet-100."
        for key in ("enter", "d", "o", "c"):
            await pilot.press(key)
        assert messages(app).splitlines() == [f"There is no recipe for {LAST} on ImageNet-100."] * 4


# Own runs


async def test_own_runs_of_the_recipe_are_below_with_their_number(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], screen_text: ScreenText
) -> None:
    recipe_run("one")
    recipe_run("second", "completed", "seed=1", "compute.device=cpu")
    recipe_run("three", "stopped", "seed=2")
    recipe_run("short", "completed", "schedule.epochs=200")
    async with on_paper(runs=4) as (app, _):
        assert "87.50 / 81.25 n=2" in screen_text(app).splitlines()[4]
        assert "own mean   87.50 ± 0.00 % linear, 81.25 ± 0.00 % 5-NN (n = 2)" in about(app)
        assert "unfinished three (stopped)" in about(app)
        assert "variant    short, not counted: other schedule.epochs" in about(app)


async def test_an_unfinished_run_has_no_number_in_the_grid(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], screen_text: ScreenText
) -> None:
    recipe_run("going", "running", preset="cifar10-byol")
    async with on_paper(runs=1) as (app, _):
        lines = screen_text(app).splitlines()
        assert split(lines[6])[1].strip() == "91.73 / 89.45"
        assert split(lines[7])[1].strip() == "stalled 2/4"


async def test_a_run_that_appears_is_shown_without_moving_the_cursor(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], until: Until, screen_text: ScreenText
) -> None:
    async with on_paper() as (app, pilot):
        await pilot.press("l")
        recipe_run("new")
        await until(pilot, lambda: "n=1" in screen_text(app))
        assert position(app) == ("W-MSE 2", "CIFAR-100")


async def test_a_broken_configuration_hides_no_other_run(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], screen_text: ScreenText
) -> None:
    recipe_run("one")
    recipe_run("broken", "completed", "seed=1").config.write_text("[/red] \x1b[31m: [")
    async with on_paper(runs=2) as (app, _):
        assert "n=1" in screen_text(app)
        assert "\x1b" not in screen_text(app)


async def test_damaged_presets_are_reported(
    make_app: MakeApp, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise ConfigError([Problem("", "the shipped presets are missing", "install wmse-tui again")])

    monkeypatch.setattr("wmse_tui.tui.screens.paper.shipped_recipes", damaged)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "cannot be read. the shipped presets are missing" in about(app))
        await pilot.press("enter", "j", "G", "o")
        assert "There is no table yet." in messages(app)
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert "cannot be read" in about(app)


# What can be done


async def test_the_best_own_run_is_shown_in_monitor(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], until: Until
) -> None:
    recipe_run("going", "stopped", "seed=1")
    best = recipe_run("best")
    async with on_paper(runs=2) as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: app.current_mode == "monitor")
        assert app.services.selection.monitored == best


async def test_without_a_completed_run_monitor_shows_the_unfinished_one(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], until: Until
) -> None:
    going = recipe_run("going", "stopped")
    async with on_paper(runs=1) as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: app.services.selection.monitored == going)


async def test_without_any_run_a_message_names_the_key_that_launches_one(on_paper: OnPaper) -> None:
    async with on_paper() as (app, pilot):
        await pilot.press("o", "c")
        assert messages(app).splitlines() == ["There is no run of this recipe yet. Enter launches one."] * 2


async def test_own_runs_are_compared(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], until: Until
) -> None:
    runs = {recipe_run("one"), recipe_run("two", "stopped", "seed=1")}
    async with on_paper(runs=2) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.current_mode == "compare")
        assert set(app.services.selection.marked) == runs


async def test_a_recipe_is_opened_in_configure(
    on_paper: OnPaper, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Experiment, str]] = []

    async def open_configure(_: WmseApp, experiment: Experiment, preset: str = "") -> None:
        opened.append((experiment, preset))

    monkeypatch.setattr(WmseApp, "open_configure", open_configure)
    async with on_paper() as (_, pilot):
        await pilot.press("j", "d")
        await until(pilot, lambda: opened)
    ((experiment, preset),) = opened
    assert preset == "cifar10-wmse4"
    assert experiment.augmentation.views == 4


async def test_a_launch_asks_first_and_shows_its_cost(
    on_paper: OnPaper, until: Until, screen_text: ScreenText, runs_root: Path
) -> None:
    async with on_paper(size=(80, 24)) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))
        text = screen_text(app)
        assert "Launch cifar10?" in text
        assert "steps   97,000: 1000 epochs of 97" in text
        assert "data    a download of 170 MB, and as much again unpacked" in text
        assert "time    roughly " in text
        assert "by the size of the steps; no run of this recipe has completed an epoch yet\n" in dialog(app)
        assert "Launch (y)" in text
        await pilot.press("n")
        await pilot.pause()
        assert not started(runs_root)


async def test_the_time_is_estimated_from_a_run_of_the_recipe(
    on_paper: OnPaper, recipe_run: Callable[..., RunDirectory], until: Until, screen_text: ScreenText
) -> None:
    recipe_run("one")
    async with on_paper(runs=1, size=(80, 24)) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "by the epochs of one" in dialog(app))
        assert "seed    1, which no run of this recipe has used yet\n" in dialog(app)
        assert "time    about 1 h 56 min, by the epochs of one (CPU, 2 threads of gpu-a)\n" in dialog(app)
        assert "disk    at most 39.2 MB (4 checkpoints of 9.8 MB, as in one); " in dialog(app)
        assert "Cancel (n)" in screen_text(app)


async def test_a_launched_recipe_is_that_of_the_preset_with_the_next_seed(
    on_paper: OnPaper,
    recipe_run: Callable[..., RunDirectory],
    until: Until,
    standin: Path,
    runs_root: Path,
) -> None:
    recipe_run("one")
    async with on_paper(runs=1, trainer=standin) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))
        await pilot.press("y")
        await until(pilot, lambda: app.current_mode == "monitor")
        run = next(run for run in started(runs_root) if run.id != "one")
        assert app.services.selection.monitored == run
        text = run.config.read_text()
        assert text.startswith("# preset: cifar10\n")
        assert parse_experiment(text, "config.yaml").seed == 1
        assert app.services.trainers.active() == (run,)


async def test_where_slurm_is_there_a_recipe_is_submitted_as_in_configure(
    on_paper: OnPaper,
    until: Until,
    screen_text: ScreenText,
    runs_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = Slurm(tmp_path / "slurm")
    programs.use(monkeypatch)
    async with on_paper() as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))
        await pilot.press("y")
        await until(pilot, lambda: "Queue (u)" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, JobDialog))
        await pilot.press(*"time=2")
        await until(
            pilot,
            lambda: "#SBATCH --time=2" in str(app.screen.query_one("#job-script Static", Static).content),
        )
        assert not started(runs_root)
        await pilot.press("enter")
        await until(pilot, lambda: "is job 12; Runs shows it, and cancels it" in messages(app))
        (run,) = started(runs_root)
        assert run.config.read_text().startswith("# preset: cifar10\n")
        assert "#SBATCH --gpus-per-node=1" in run.slurm_script.read_text()
        assert app.current_mode == "paper"


async def test_an_error_of_a_launch_is_reported(make_app: MakeApp, until: Until, runs_root: Path) -> None:
    runs_root.write_text("a file where the folder should be")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: position(app)[0])
        await until(pilot, lambda: app.screen.query_one("#paper-table").border_subtitle)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))
        await pilot.press("y")
        await until(pilot, lambda: "the folder for runs cannot be made" in messages(app))
        assert app.current_mode == "paper"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchDialog))


async def test_a_recipe_whose_images_are_missing_is_not_launched(on_paper: OnPaper, until: Until) -> None:
    async with on_paper() as (app, pilot):
        for _ in range(4):
            await pilot.press("l")
        assert "wmse-tui run --preset imagenet100 --set dataset.root=FOLDER" in about(app)
        await pilot.press("enter")
        await until(pilot, lambda: "the run would fail. Set dataset.root in Configure (d)." in messages(app))
        assert isinstance(app.screen, PaperScreen)


async def test_a_hidden_screen_receives_no_list(on_paper: OnPaper, until: Until, subscriptions: Any) -> None:
    async with on_paper() as (_, pilot):
        assert len(subscriptions.lists) == 1
        await pilot.press("4")
        await until(pilot, lambda: not subscriptions.lists)
        await pilot.press("5")
        await until(pilot, lambda: len(subscriptions.lists) == 1)
