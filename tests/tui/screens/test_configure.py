"""The Configure screen: presets, fields, advice, cost, launch, save, load."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from slurm_programs import Slurm, pending
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea
from textual.widgets._footer import FooterKey

from wmse_tui.config.fields import form_field
from wmse_tui.config.loading import (
    dump_experiment,
    find_preset,
    load_experiment,
    parse_experiment,
    preset_names,
    shipped_preset_names,
)
from wmse_tui.config.names import option_names, unions
from wmse_tui.config.schema import Experiment
from wmse_tui.config.titles import option_titles
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError
from wmse_tui.runs.queue import slurm
from wmse_tui.runs.queue.sweep_plan import SweepPlan
from wmse_tui.runs.state.config import read_configuration, summarise
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.image_display import ImageDisplay
from wmse_tui.tui.dialogs import Ask, Choose, Confirm, CopyText, ProblemDialog
from wmse_tui.tui.inspector import Inspected, InspectionFailed, InspectionProgress
from wmse_tui.tui.job_dialog import JobDialog
from wmse_tui.tui.screens.app_screen import QuietFooter
from wmse_tui.tui.screens.configure import ConfigureScreen, without_full_stop
from wmse_tui.tui.screens.monitor import MonitorScreen
from wmse_tui.tui.screens.runs import RunsScreen
from wmse_tui.tui.widgets.configure import sweep_dialog
from wmse_tui.tui.widgets.configure.preset_panel import PresetPanel
from wmse_tui.tui.widgets.configure.sections import SectionPanel
from wmse_tui.tui.widgets.configure.sweep_dialog import SweepDialog
from wmse_tui.tui.widgets.configure.views_panel import ViewsPanel
from wmse_tui.tui.widgets.form.form import Form
from wmse_tui.tui.widgets.form.row import FieldRow, RowState
from wmse_tui.tui.widgets.paragraphs import Paragraphs

pytestmark = pytest.mark.asyncio
MakeApp = Callable[..., WmseApp]
Until = Callable[..., Awaitable[None]]
ScreenText = Callable[[WmseApp], str]
SMALL, MIDDLE = (80, 24), (120, 40)


class FakeInspector:
    """Records the requests; the test posts the answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.closed = False

    def request(self, kind: str, config_text: str, listener: MessagePump, **more: Any) -> int:
        self.requests.append((kind, config_text, more))
        return len(self.requests)

    def close(self) -> None:
        self.closed = True

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.requests]


@pytest.fixture
def inspector() -> FakeInspector:
    return FakeInspector()


@contextlib.asynccontextmanager
async def shown(app: WmseApp, size: tuple[int, int] = SMALL, inspector: FakeInspector | None = None) -> Any:
    """The app with its Configure screen ready, everything read."""
    if inspector is not None:
        app._inspector = inspector  # type: ignore[assignment]
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, ConfigureScreen)
        await settled(pilot)
        yield pilot, screen


def on_top(app: WmseApp, kind: type[Screen[Any]]) -> bool:
    """Whether the screen on top is of that kind."""
    return isinstance(app.screen, kind)


def section(screen: ConfigureScreen, name: str) -> None:
    """Put the cursor on a section, as arrows do."""
    panel = screen.query_one(SectionPanel)
    panel.list.highlighted = panel.list.get_option_index(name)


def choose(screen: ConfigureScreen, preset: str) -> None:
    """Put the cursor on a preset, as arrows do."""
    options = screen.query_one(PresetPanel).list
    options.highlighted = options.get_option_index(preset)


def rows(panel: PresetPanel) -> list[str | None]:
    """The keys in the list of presets, without its headings."""
    return [option.id for option in panel.list.options if not option.disabled]


def value(screen: ConfigureScreen, path: str) -> object:
    """The plain value of an option of the draft."""
    assert screen.library.draft is not None
    return screen.library.draft.values[path]


def changes(screen: ConfigureScreen) -> dict[str, object]:
    """The changes of the draft."""
    assert screen.library.draft is not None
    return dict(screen.library.draft.active)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until messages are handled and workers are done."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def focus_row(pilot: Pilot[Any], screen: ConfigureScreen, path: str) -> FieldRow:
    screen.go_to(path)
    await pilot.pause()
    row = screen.query_one(Form).rows[path]
    assert row.has_focus
    return row


async def type_in(pilot: Pilot[Any], screen: ConfigureScreen, path: str, text: str) -> None:
    """Edit the field of an option."""
    row = await focus_row(pilot, screen, path)
    row.action_begin()
    await pilot.pause()
    assert row.editor is not None
    row.editor.value = text
    await pilot.press("enter")
    await pilot.pause()


def text_in(app: WmseApp, selector: str = "Screen > *") -> str:
    """The text of a part of the screen (of a dialog: all of it), without line breaks."""
    rows = app.screen._compositor.render_strips()
    x, y, width, height = app.screen.query(selector).first().region
    lines = (strip.text[x : x + width] for strip in rows[y : y + height])
    return " ".join(" ".join(lines).replace("│", " ").split())


ADVICE, COST, VIEWS = "#configure-advice", "#configure-cost", "#configure-views"
FIELDS, ABOUT, DIALOG = "#configure-fields", "#configure-about", ".dialog"


def notifications(app: WmseApp) -> str:
    """The notifications."""
    return "\n".join(message.message for message in app.messages)


# Presets


async def test_the_cursor_chooses_the_preset_and_its_published_number_is_shown(make_app: MakeApp) -> None:
    app = make_app()
    async with shown(app) as (pilot, screen):
        await pilot.press("down", "j")
        await pilot.pause()
        assert screen.library.key == "cifar10-barlow_twins"
        await pilot.press("j")
        await pilot.pause()
        assert screen.library.key == "cifar10-byol"
        assert "cifar10-byol · Title and seed" in text_in(app, FIELDS)
        assert "Published: linear 91.73 %, 5-NN 89.45 % (Ermolov et al. 2021" in text_in(app, ABOUT)
        await pilot.press("G")
        await pilot.pause()
        assert screen.library.key == "tiny_imagenet-wmse4"
        choose(screen, "imagenet100")
        await pilot.pause()
        assert "Published number unverified" in text_in(app, ABOUT)
        await pilot.press("g")
        await pilot.pause()
        assert screen.library.key == "quickstart"


async def test_words_filter_the_presets(make_app: MakeApp, screen_text: ScreenText) -> None:
    app = make_app()
    async with shown(app) as (pilot, screen):
        panel = screen.query_one(PresetPanel)
        await pilot.press("slash", *"simclr 100", "enter")
        await pilot.pause()
        assert rows(panel) == ["cifar100-simclr"]
        assert screen.library.key == "cifar100-simclr"
        assert f"1 of {len(preset_names())}" in screen_text(app)
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert len(rows(panel)) == len(preset_names())
        assert screen.library.key == "cifar100-simclr"
        assert panel.list.has_focus
        await pilot.press("slash", *"zz", "down")
        await pilot.pause()
        assert "no preset matches" in screen_text(app)
        assert "ctrl+p finds options" in screen_text(app)
        assert rows(panel) == []
        assert screen.library.key == "cifar100-simclr", "a filter without a match does not change the draft"
        await pilot.press("slash", "escape")
        await pilot.pause()
        width = panel.list.scrollable_content_region.width
        assert {len(str(option.prompt)) for option in panel.list.options if option.id} == {width}


async def test_a_users_preset_is_marked_and_a_broken_one_shows_why(
    make_app: MakeApp, screen_text: ScreenText, tmp_path: Path
) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "a-bad.yaml").write_text("seed: [/red]\x1b[2J\n")
    (tmp_path / "presets" / "a-good.yaml").write_text("extends: stl10\n")
    app = make_app()
    async with shown(app) as (pilot, screen):
        assert re.search("a-good +yours", screen_text(app))
        await pilot.press("down")
        await pilot.pause()
        assert screen.library.key == "a-bad"
        assert "! a-bad" in screen_text(app)
        assert "This preset cannot be used" in text_in(app, ABOUT)
        assert "\x1b" not in screen_text(app)
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert on_top(app, ProblemDialog)
        for action in ("command", "save", "reset", "reset_all", "describe", "measure", "next_problem"):
            await screen.run_action(action)
        await pilot.pause()
        assert app.return_code is None


async def test_a_preset_that_is_written_meanwhile_is_listed_when_the_screen_is_shown_again(
    make_app: MakeApp, tmp_path: Path
) -> None:
    presets = tmp_path / "presets"
    presets.mkdir()
    app = make_app()
    async with shown(app) as (pilot, screen):
        await pilot.press("3")
        await pilot.pause()
        (presets / "tiny.yaml").write_text("extends: quickstart\nseed: 4\n")
        await pilot.press("1")
        await settled(pilot)
        assert "tiny" in rows(screen.query_one(PresetPanel))
        choose(screen, "tiny")
        await pilot.pause()
        assert value(screen, "seed") == 4
        (presets / "tiny.yaml").unlink()
        await pilot.press("3", "1")
        await settled(pilot)
        assert screen.library.key == "tiny", "what is edited stays"
        choose(screen, "quickstart")
        await pilot.press("3", "1")
        await settled(pilot)
        assert "tiny" not in rows(screen.query_one(PresetPanel))


async def test_a_preset_that_another_program_writes_is_read_without_a_key(
    make_app: MakeApp, tmp_path: Path, until: Until, screen_text: ScreenText
) -> None:
    presets = tmp_path / "presets"
    presets.mkdir()
    app = make_app()
    async with shown(app) as (pilot, screen):
        (presets / "tiny.yaml").write_text("extends: quickstart\nseed: 4\n")
        await until(pilot, lambda: "tiny" in rows(screen.query_one(PresetPanel)))
        assert screen.library.key == "quickstart"
        choose(screen, "tiny")
        await type_in(pilot, screen, "optimizer.lr", "0.5")
        assert value(screen, "seed") == 4
        (presets / "tiny.yaml").write_text("extends: quickstart\nseed: [")  # an editor that is writing
        await until(pilot, lambda: screen.library.draft is None)
        (presets / "tiny.yaml").write_text("extends: quickstart\nseed: 51\n")
        await until(pilot, lambda: screen.library.draft is not None)
        assert (value(screen, "seed"), value(screen, "optimizer.lr")) == (51, 0.5), "changes are made again"
        assert "tiny was written by another program" in notifications(app)
        screen.go_to("seed")
        await until(
            pilot, lambda: any("Seed" in line and "51" in line for line in screen_text(app).split("\n"))
        )
        await pilot.press("3")
        (presets / "tiny.yaml").write_text("extends: quickstart\nseed: 6\n")
        await pilot.press("1")
        await settled(pilot)
        assert value(screen, "seed") == 6


async def test_changes_stay_with_their_preset_and_are_marked(
    make_app: MakeApp, screen_text: ScreenText
) -> None:
    app = make_app()
    async with shown(app) as (pilot, screen):
        await type_in(pilot, screen, "seed", "7")
        screen.query_one(PresetPanel).list.focus()
        await pilot.press("down")
        await pilot.pause()
        assert value(screen, "seed") == 0
        assert "• quickstart" in screen_text(app)
        await pilot.press("up")
        await pilot.pause()
        assert value(screen, "seed") == 7
        assert "1 changed" in screen_text(app)
        expected = load_experiment(preset="stl10", overrides=["optimizer.lr=0.5", "schedule.epochs=100"])
        await app.open_configure(expected, "stl10")
        await pilot.pause()
        assert screen.experiment == expected
        assert "stl10 (copy)" in screen_text(app)
        assert "2 changed" in screen_text(app)
        choose(screen, "quickstart")
        await pilot.pause()
        assert value(screen, "seed") == 7, "changes of other presets are still there"


# Sections and fields


async def test_keys_move_between_the_parts_of_the_screen(make_app: MakeApp) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        presets, sections = screen.query_one(PresetPanel).list, screen.query_one(SectionPanel).list
        assert presets.has_focus
        await pilot.press("right")
        assert sections.has_focus
        await pilot.press("j", "l")
        await pilot.pause()
        assert screen.query_one(Form).rows["dataset.name"].has_focus
        await pilot.press("j", "right")
        await pilot.pause()
        assert screen.query_one("#configure-side").has_focus_within
        await pilot.press("h")
        await pilot.pause()
        assert screen.query_one(Form).rows["dataset.crop"].has_focus, "the last field"
        assert " Augmentation" in text_in(app, FIELDS), "the form scrolls through all sections"
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert screen.query_one(Form).rows["augmentation.views"].has_focus
        await pilot.press("pageup", "pageup")
        await pilot.pause()
        assert screen.query_one(Form).rows["title"].has_focus
        await pilot.press("escape", "h", "escape")
        await pilot.pause()
        assert presets.has_focus


async def test_a_problem_is_shown_at_its_field_and_in_the_summaries_and_prevents_a_launch(
    make_app: MakeApp, screen_text: ScreenText
) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        await focus_row(pilot, screen, "method.whitening_size")
        about = text_in(app, ABOUT)
        assert "Images whose embeddings are whitened together" in about
        assert "above 1, at most 65,536 · images" in about
        await type_in(pilot, screen, "method.whitening_size", "48")
        assert "1 changed · 1 problem" in screen_text(app)
        assert "schedule.batch_size: 256 images cannot be cut into slices of 48" in text_in(app, ADVICE)
        assert " !Optimizer, schedule" in screen_text(app)
        assert "Unknown until the problems are fixed" in text_in(app, COST)
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert screen.query_one(Form).rows["schedule.batch_size"].has_focus
        assert "256 images cannot be cut into slices of 48" in text_in(app, FIELDS)
        screen.query_one(PresetPanel).list.focus()
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert on_top(app, ConfigureScreen), "it is not launched"
        assert screen.query_one(Form).rows["schedule.batch_size"].has_focus
        assert "With 1 problem it cannot be launched" in notifications(app)
        await type_in(pilot, screen, "method.whitening_size", "64")
        assert "problem" not in screen_text(app).replace("Next problem", "")
        await type_in(pilot, screen, "projector.dim", "60")
        text = text_in(app, ADVICE)
        assert "method.whitening_size: 64 images for 60 dimensions" in text
        assert "a condition number near" in text
        assert "1 warning" in screen_text(app)


async def test_on_a_small_screen_the_help_names_problems_of_other_fields(make_app: MakeApp) -> None:
    app = make_app()
    async with shown(app) as (pilot, screen):
        await type_in(pilot, screen, "method.whitening_size", "48")
        assert "! schedule.batch_size: 256 images cannot be cut" in text_in(app, ABOUT)
        await pilot.press("equals_sign")
        await focus_row(pilot, screen, "method.name")
        await pilot.press("greater_than_sign")
        await pilot.pause()
        text = text_in(app, FIELDS)
        assert "Temperature" in text
        assert "Whitening size" not in text, "fields depend on the method"


async def test_a_field_is_reset_and_all_are_after_a_question(make_app: MakeApp) -> None:
    app = make_app()
    async with shown(app) as (pilot, screen):
        await pilot.press("equals_sign")
        await pilot.pause()
        assert "Go to a field first." in notifications(app)
        await type_in(pilot, screen, "seed", "7")
        await type_in(pilot, screen, "projector.layers", "3")
        await pilot.press("equals_sign")
        await pilot.pause()
        assert changes(screen) == {"seed": 7}
        await type_in(pilot, screen, "projector.layers", "4")
        await pilot.press("X")
        await pilot.pause()
        assert on_top(app, Confirm)
        assert "2 changes would be lost: seed, projector.layers" in text_in(app, DIALOG)
        await pilot.press("n")
        assert len(changes(screen)) == 2
        await pilot.press("X", "y")
        await pilot.pause()
        assert not changes(screen)
        await pilot.press("X")
        await pilot.pause()
        assert on_top(app, ConfigureScreen)
        assert "Nothing differs from the preset." in notifications(app)


# Launch


async def test_without_runs_quickstart_is_chosen_and_one_key_launches_it(
    make_app: MakeApp, standin: Path, until: Until, runs_root: Path
) -> None:
    app = make_app(trainer=standin)
    async with app.run_test(size=SMALL) as pilot:
        assert on_top(app, ConfigureScreen)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, MonitorScreen))
        (run,) = list_runs(runs_root)
        assert app.services.selection.monitored == run
        assert summarise(run.config).preset == "quickstart"
        assert read_configuration(run).experiment == load_experiment(preset="quickstart")
        assert app.services.trainers.active() == (run,)


async def test_another_method_with_a_layer_is_launched_as_the_command_line_would(
    make_app: MakeApp, standin: Path, until: Until, runs_root: Path
) -> None:
    app = make_app(trainer=standin)
    async with shown(app) as (pilot, screen):
        await focus_row(pilot, screen, "method.name")
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert value(screen, "method.name") == "byol"
        await focus_row(pilot, screen, "backbone.whitening")
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert value(screen, "backbone.whitening") == "iterative"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, MonitorScreen))
        (run,) = list_runs(runs_root)
        overrides = ["method.name=byol", "backbone.whitening=iterative"]
        expected = load_experiment(preset="quickstart", overrides=overrides)
        assert read_configuration(run).experiment == expected
        assert dump_experiment(expected).strip() in run.config.read_text(encoding="utf-8")


async def test_a_launch_with_warnings_asks_once(
    make_app: MakeApp, standin: Path, until: Until, runs_root: Path
) -> None:
    app = make_app(trainer=standin)
    async with shown(app) as (pilot, screen):
        await type_in(pilot, screen, "projector.dim", "60")
        await pilot.press("number_sign")
        await until(pilot, lambda: on_top(app, SweepDialog) and "projector.dim" in text_in(app, DIALOG))
        await until(pilot, lambda: "1 run: projector.dim = 60" in text_in(app, DIALOG))
        await pilot.press("enter")
        await until(pilot, lambda: on_top(app, Confirm))
        assert str(app.screen.query_one(DIALOG).border_title) == "Queue with 1 warning?"
        await pilot.press("n")
        await pilot.pause()
        assert list_runs(runs_root) == ()
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert on_top(app, Confirm)
        assert "64 images for 60 dimensions" in text_in(app, DIALOG)
        await pilot.press("n")
        await pilot.pause()
        assert not list_runs(runs_root)
        await pilot.press("B", "y")
        await until(pilot, lambda: len(list_runs(runs_root)) == 1 and "is starting" in notifications(app))
        screen.run_name = "second"
        await pilot.press("f5")
        await until(pilot, lambda: on_top(app, Choose))  # the first one trains already
        await pilot.press("n")
        await until(pilot, lambda: on_top(app, MonitorScreen))
        expected = load_experiment(preset="quickstart", overrides=["projector.dim=60"])
        assert {read_configuration(run).experiment for run in list_runs(runs_root)} == {expected}


async def test_a_detached_launch_stays_here_and_leaving_does_not_ask(
    make_app: MakeApp, standin: Path, until: Until, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "/runs")

    app = make_app(trainer=standin)
    async with shown(app, MIDDLE) as (pilot, screen):
        await pilot.press("I", *"a b", "enter")
        await pilot.pause()
        assert on_top(app, Ask)
        assert "a name has 1 to 64 letters" in text_in(app, DIALOG)
        (runs_root / "taken").mkdir(parents=True)
        app.screen.query_one(Input).value = "taken"
        await pilot.press("enter")
        await pilot.pause()
        assert on_top(app, Ask)
        assert "there is a run named taken already; choose another name" in text_in(app, DIALOG)
        (runs_root / "taken").rmdir()
        app.screen.query_one(Input).value = "mine"
        await pilot.press("enter")
        await pilot.pause()
        assert "Run mine" in text_in(app, COST)
        await pilot.press("B")
        await until(pilot, lambda: "mine is starting" in notifications(app))
        assert on_top(app, ConfigureScreen)
        assert [run.id for run in list_runs(runs_root)] == ["mine"]
        assert app.services.trainers.active() == ()
        assert screen.run_name == "", "the next run has another name"
        screen.run_name = "mine"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose))
        await pilot.press("n")
        await until(pilot, lambda: on_top(app, ProblemDialog))
        text = text_in(app, DIALOG)
        assert "there is a run named mine already" in text
        assert text.casefold().count("there is a run named mine already") == 1
        assert "-> I gives the run another name" in text
        assert "--name" not in text
        await pilot.press("escape")
        monkeypatch.setattr(app.services.trainers, "start", refuse)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose))
        await pilot.press("n")
        await until(pilot, lambda: on_top(app, ProblemDialog))
        assert "/runs: Permission denied" in text_in(app, DIALOG)
        await pilot.press("escape")
        await pilot.pause()
        assert on_top(app, ConfigureScreen)


async def test_a_sweep_shows_its_runs_and_cost_before_they_are_queued(
    make_app: MakeApp, until: Until, runs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[tuple[tuple[str, ...], Experiment]] = []

    def queue_sweep(plan: SweepPlan, *, preset: str, tag: str) -> Iterator[RunDirectory]:
        assert preset == "quickstart"
        assert tag.startswith("sweep-")
        for planned in plan.to_queue:
            if planned.point.experiment.seed == 9:
                raise LaunchError("the waiting process cannot be started")
            queued.append((planned.point.settings, planned.point.experiment))
            yield RunDirectory(runs_root / f"run-{len(queued)}")

    app = make_app()
    monkeypatch.setattr(app.services.trainers, "queue_sweep", queue_sweep)
    async with shown(app) as (pilot, screen):
        await type_in(pilot, screen, "optimizer.lr", "0.001")
        await pilot.press("number_sign")
        await until(pilot, lambda: on_top(app, SweepDialog) and "1 run: optimizer.lr" in text_in(app, DIALOG))
        await pilot.press("end", *",x")
        await until(pilot, lambda: "optimizer.lr=x: " in text_in(app, DIALOG))
        await pilot.press("enter", "backspace", *"0.002", "tab", *"see", "right", *",1")
        await until(
            pilot, lambda: "4 runs: optimizer.lr = 0.001, 0.002 x seed = 0, 1" in text_in(app, DIALOG)
        )
        assert "steps: 912 in all" in text_in(app, DIALOG)
        assert "on the CPU; 1 slot of this machine" in text_in(app, DIALOG)
        await pilot.press("enter")
        await until(pilot, lambda: "4 runs, tagged sweep-" in notifications(app))
        assert on_top(app, ConfigureScreen)
        assert [settings for settings, _ in queued][1] == ("optimizer.lr=0.001", "seed=1")
        expected = load_experiment(preset="quickstart", overrides=["optimizer.lr=0.002", "seed=1"])
        assert queued[3][1] == expected
        screen.query_one(PresetPanel).list.focus()
        await pilot.press("number_sign")
        await until(
            pilot, lambda: on_top(app, SweepDialog) and "3 runs: seed = 0, 1, 2" in text_in(app, DIALOG)
        )
        await pilot.press("end", *",9", "enter")
        await until(pilot, lambda: "4 runs: seed" in text_in(app, DIALOG))
        await pilot.press("enter")
        await until(pilot, lambda: on_top(app, ProblemDialog))
        assert "the waiting process cannot be started" in text_in(app, DIALOG)
        assert "3 runs, tagged sweep-" in notifications(app)
        assert len(queued) == 7
        await pilot.press("escape", "number_sign")
        await until(pilot, lambda: on_top(app, SweepDialog) and "3 runs: seed" in text_in(app, DIALOG))
        monkeypatch.setattr(sweep_dialog, "_DELAY", 60.0)
        await pilot.press("9")
        counting = [worker for worker in app.workers if worker.node is app.screen]
        assert counting
        app.screen.dismiss(None)
        assert all(worker.is_cancelled for worker in counting), "before the widgets that they update"


async def test_where_slurm_is_there_a_run_is_submitted_after_its_script_was_shown(
    make_app: MakeApp,
    until: Until,
    screen_text: ScreenText,
    runs_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = Slurm(tmp_path / "slurm")
    programs.use(monkeypatch)
    settings = tmp_path / "settings.yaml"
    settings.write_text("slurm: {options: {partition: gpu}, setup: [module load cuda]}")
    monkeypatch.setenv("WMSE_TUI_SETTINGS", str(settings))
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, _):
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose) and "SLURM (s)" in text_in(app, DIALOG))
        await pilot.press("s")
        await until(pilot, lambda: on_top(app, JobDialog) and "module load cuda" in text_in(app, DIALOG))
        assert "#SBATCH --partition=gpu" in text_in(app, DIALOG)
        await pilot.press(*"nodes=2")
        await until(pilot, lambda: "1 device cannot be divided among so many nodes" in text_in(app, DIALOG))
        await pilot.press("enter", "ctrl+u", *"time=2")
        await until(pilot, lambda: "#SBATCH --time=2" in text_in(app, DIALOG))
        assert not list_runs(runs_root), "nothing is made before it is accepted"
        programs.answers("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")
        await pilot.press("enter")
        await until(pilot, lambda: on_top(app, ProblemDialog))
        assert "invalid partition" in text_in(app, DIALOG)
        assert not list_runs(runs_root)
        await pilot.press("escape")
        programs.answers("sbatch", "echo 12")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose))
        await pilot.press("s")
        await until(pilot, lambda: on_top(app, JobDialog) and "--time=2" in text_in(app, DIALOG))
        await pilot.press("enter")
        await until(pilot, lambda: "is job 12; Runs shows it, and cancels it" in notifications(app))
        [run] = list_runs(runs_root)
        assert {"#SBATCH --time=2", "module load cuda"} <= set(run.slurm_script.read_text().splitlines())
        await pilot.press("number_sign")
        await until(pilot, lambda: on_top(app, Choose) and "each run is a job" in text_in(app, DIALOG))
        await pilot.press("s")
        await until(pilot, lambda: on_top(app, SweepDialog) and "3 jobs of SLURM" in text_in(app, DIALOG))
        assert "every combination is a job of SLURM" in text_in(app, DIALOG)
        await pilot.press("enter")
        await until(pilot, lambda: on_top(app, JobDialog) and "#SBATCH --time=2" in text_in(app, DIALOG))
        assert "3 jobs, one for each run, with 3 GPUs in all; time limit 2: at most 0.1" in text_in(
            app, DIALOG
        )
        assert len(list_runs(runs_root)) == 1
        await pilot.press("enter")
        await until(pilot, lambda: "3 jobs, tagged sweep-" in notifications(app))
        assert len(list_runs(runs_root)) == 4
        assert len(programs.called("sbatch")) == 5
        failed = tmp_path / "failed"
        silent = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
        programs.answers("squeue", f"while [ ! -e {failed} ]; do sleep 0.05; done; {silent}")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose) and "SLURM (s)" in text_in(app, DIALOG))
        assert "answer" not in text_in(app, DIALOG), "it has answered before"
        await pilot.press("escape")
        await until(pilot, lambda: not on_top(app, Choose))
        slurm.forget()
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose) and "not answered yet" in text_in(app, DIALOG))
        failed.touch()
        await until(pilot, lambda: "Unable to contact slurm controller" in notifications(app))
        await pilot.press("escape", "ctrl+r")
        await until(
            pilot, lambda: on_top(app, Choose) and "SLURM does not answer: sq" in text_in(app, DIALOG)
        )
        await pilot.press("escape")
        programs.reports(pending(run))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: on_top(app, Choose) and "Jobs (j)" in text_in(app, DIALOG))
        assert f"There already: {run.id} (SLURM job 12 pending: Priority" in text_in(app, DIALOG)
        await pilot.press("j")
        await until(pilot, lambda: on_top(app, RunsScreen) and "queued" in screen_text(app))
        await pilot.press("G", "S")
        await until(pilot, lambda: on_top(app, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: programs.called("scancel") == ["scancel 12"])


# Save, load, copy


async def test_a_draft_is_saved_as_a_preset_which_is_then_edited(
    make_app: MakeApp, until: Until, tmp_path: Path, screen_text: ScreenText
) -> None:
    file = tmp_path / "presets" / "fast.yaml"
    app = make_app()
    async with shown(app) as (pilot, screen):
        await type_in(pilot, screen, "optimizer.lr", "0.5")
        await pilot.press("s")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "quickstart-mine"
        app.screen.query_one(Input).value = "stl10"
        await pilot.press("enter")
        await pilot.pause()
        assert "such as stl10-mine" in text_in(app, DIALOG)
        app.screen.query_one(Input).value = "fast"
        await pilot.press("enter")
        await until(pilot, lambda: screen.library.key == "fast")
        assert file.read_text() == "extends: quickstart\noptimizer:\n  lr: 0.5\n"
        assert find_preset("fast").experiment.optimizer.lr == 0.5
        assert screen.library.changes() == {}, "the changes are in the new preset"
        assert re.search("fast +yours", screen_text(app))
        assert "fast · Optimizer, schedule" in screen_text(app)
        await type_in(pilot, screen, "seed", "3")
        for answer, text in (("n", ""), ("y", "seed: 3\n")):
            await pilot.press("s", "enter")
            await until(pilot, lambda: on_top(app, Confirm))
            await pilot.press(answer)
            await until(pilot, lambda text=text: on_top(app, ConfigureScreen) and text in file.read_text())
        assert file.read_text() == "extends: quickstart\nseed: 3\noptimizer:\n  lr: 0.5\n"
        await until(pilot, lambda: not screen.library.changes())


async def test_a_preset_that_cannot_be_written_is_reported(
    make_app: MakeApp, until: Until, tmp_path: Path
) -> None:
    (tmp_path / "presets").write_text("a file")
    app = make_app()
    async with shown(app) as (pilot, _):
        await pilot.press("s", "enter")
        await until(pilot, lambda: on_top(app, ProblemDialog))
        assert "cannot be written" in text_in(app, DIALOG)


async def test_a_file_is_loaded_or_its_errors_are_shown(
    make_app: MakeApp, until: Until, tmp_path: Path, screen_text: ScreenText
) -> None:
    file = tmp_path / "mine.yaml"
    app = make_app()

    async def load(pilot: Pilot[Any]) -> None:
        await pilot.press("o")
        await pilot.pause()
        app.screen.query_one(Input).value = str(file)
        await pilot.press("enter")

    async with shown(app, MIDDLE) as (pilot, screen):
        for content, message in (
            (None, "there is no such file"),
            ("seed: x", "seed: expected a whole number, got"),
        ):
            if content is not None:
                file.write_text(content)
            await load(pilot)
            await until(pilot, lambda: on_top(app, ProblemDialog))
            assert message in text_in(app, DIALOG)
            await pilot.press("escape")
            await until(pilot, lambda: on_top(app, Ask))
            assert app.screen.query_one(Input).value == str(file), "the path can be corrected"
            await pilot.press("escape")
            await pilot.pause()
        assert screen.library.key == "quickstart"
        file.write_text("extends: stl10\nseed: 11\n")
        await load(pilot)
        await until(pilot, lambda: screen.library.key == f"file:{file}")
        assert screen.experiment == load_experiment(file=file)
        assert "mine.yaml · Title and seed" in screen_text(app)


async def test_a_folder_of_images_is_examined_and_a_run_proposed_for_it(
    make_app: MakeApp, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for index in range(40):
            Image.new("RGB", (40, 30)).save(folder / f"{index}.png")
    app = make_app()
    async with shown(app) as (pilot, screen):
        await pilot.press("at")
        await pilot.pause()
        line = app.screen.query_one(Input)
        line.value = "none"
        await until(pilot, lambda: "It cannot be read: No such file" in text_in(app, DIALOG))
        await pilot.press("enter")
        line.value = "pic"
        line.cursor_position = len(line.value)
        await until(pilot, lambda: "pictures/" in text_in(app, DIALOG))
        await pilot.press("tab")
        assert line.value == "pictures/"
        await until(pilot, lambda: "classes 2: cat 40, dog 40" in text_in(app, DIALOG))
        text = text_in(app, DIALOG)
        assert "images 80; a tenth is held out for the test" in text
        assert "sizes shorter sides 30 px" in text
        assert "recipe cifar10, crops of 32 px" in text
        await pilot.press("enter")
        await until(pilot, lambda: screen.library.key == "copy:cifar10")
        assert "pictures" in text_in(app, "#configure-presets")
        assert "Proposed for a folder of your own images." in text_in(app, ABOUT)
        assert value(screen, "dataset.root") == f"{tmp_path}/pictures"
        assert screen.experiment is not None
        assert screen.experiment.schedule.batch_size == 32
        await type_in(pilot, screen, "dataset.root", "")
        row = await focus_row(pilot, screen, "dataset.root")
        await pilot.press("enter")
        await pilot.pause()
        assert row.editor is not None
        row.editor.value = "pic"
        row.editor.cursor_position = len(row.editor.value)
        await until(pilot, lambda: "pictures/" in text_in(app, FIELDS))
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert value(screen, "dataset.root") == f"{tmp_path}/pictures"


async def test_the_command_line_is_copied_and_shown(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copied: list[str] = []
    app = make_app()
    monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
    async with shown(app) as (pilot, screen):
        await type_in(pilot, screen, "title", "it's mine")
        screen.run_name = "a-run"
        await pilot.press("dollar_sign")
        await pilot.pause()
        assert on_top(app, CopyText)
        options = ["--preset", "quickstart", "--set", "title=it's mine", "--name", "a-run"]
        assert shlex.split(copied[0]) == ["wmse-tui", "run", *options]
        assert app.screen.query_one(TextArea).text == copied[0]
        await pilot.press("c")
        assert len(copied) == 2
        await pilot.press("escape")
        monkeypatch.setenv("WMSE_TUI_RUNS", str(tmp_path / "elsewhere"))
        await pilot.press("dollar_sign")
        assert copied[-1].endswith(f"--runs-dir {tmp_path / 'runs'}"), "not the default folder"


# The disk and the inspector


async def test_the_images_on_disk_are_found(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "data" / "cifar-10-batches-py").mkdir(parents=True)
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        choose(screen, "cifar10")
        await settled(pilot)
        assert "CIFAR-10 is here" in text_in(app, COST)
        choose(screen, "stl10")
        await settled(pilot)
        assert "2.6 GB to download" in text_in(app, COST)
        assert "dataset.download: STL-10 is a download of 2.6 GB" in text_in(app, ADVICE)
        await focus_row(pilot, screen, "dataset.download")
        await pilot.press("space")
        await settled(pilot)
        assert "STL-10 is not on this machine" in text_in(app, ADVICE)
        assert "STL-10 is missing" in text_in(app, COST)
        (tmp_path / "data" / "stl10_binary").mkdir()
        await pilot.press("equals_sign")
        await settled(pilot)
        assert "STL-10 is here" in text_in(app, COST)
        assert "dataset.download" not in text_in(app, ADVICE), "a download is no longer needed"


DESCRIBED = {
    "parameters": {"encoder": 74_640, "head": 25_376, "target": 0, "total": 100_016},
    "gflop_per_view": 0.0138,
    "memory": {"total": 384_000_000, "parts": []},
    "device": {"type": "cpu", "name": "CPU, 2 threads", "reason": "", "memory": None, "free": None},
    "notices": [{"path": "compute.device", "level": "warning", "text": "it is too small"}],
}


async def test_describe_and_measure_show_the_answers_of_the_inspector(
    make_app: MakeApp, inspector: FakeInspector, screen_text: ScreenText
) -> None:
    app = make_app()
    async with shown(app, MIDDLE, inspector) as (pilot, screen):
        assert inspector.requests == [], "nothing is requested at first"
        await pilot.press("i", "b")
        await pilot.pause()
        assert inspector.kinds() == ["describe", "measure"]
        assert parse_experiment(inspector.requests[0][1], "") == load_experiment(preset="quickstart")
        screen.post_message(InspectionProgress(1, "describe", "loading torch", 0, 0, ""))
        await pilot.pause()
        assert "loading torch …" in text_in(app, COST)
        screen.post_message(Inspected(1, "describe", DESCRIBED))
        screen.post_message(InspectionFailed(2, "measure", "no space", "it is full", ("free some",)))
        await pilot.pause()
        assert "74,640 encoder, 25,376 head" in text_in(app, COST)
        assert "no space. it is full. free some" in text_in(app, COST)
        assert "compute.device: it is too small" in text_in(app, ADVICE)
        assert "1 warning" in screen_text(app)
        await type_in(pilot, screen, "projector.dim", "16")
        assert "as before the changes" in text_in(app, COST)
        assert "it is too small" not in text_in(app, ADVICE)
        await type_in(pilot, screen, "seed", "x")
        screen.query_one(SectionPanel).list.focus()
        await pilot.press("b")
        await pilot.pause()
        assert len(inspector.requests) == 2, "an invalid configuration is not sent"
        assert screen.query_one(Form).rows["seed"].has_focus
        await pilot.press("question_mark")
        await pilot.pause()
        assert not inspector.closed, "a dialog over this screen is not another screen"
        await pilot.press("escape", "escape", "3")
        await pilot.pause()
        assert app.current_mode == "runs"
        assert app._inspector is None, "the inspector ends when another screen is shown"


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """An image of a grid: two images with two views each."""
    image = Image.new("RGB", (72, 48))
    for row in range(2):
        for column in range(3):
            color = (80 * column + 40, 200 * row + 20, 90)
            image.paste(color, (24 * column, 24 * row, 24 * column + 24, 24 * row + 24))
    image.save(tmp_path / "grid.png")
    return tmp_path / "grid.png"


async def test_views_are_drawn_and_redrawn_after_a_change(
    make_app: MakeApp, inspector: FakeInspector, grid: Path, until: Until
) -> None:
    answer = {"path": str(grid), "rows": 2, "columns": 3, "tile": 24, "source": "patterns", "why": ""}
    app = make_app()
    async with shown(app, MIDDLE, inspector) as (pilot, screen):
        assert "V draws views of a few images" in text_in(app, VIEWS)
        await pilot.press("V")
        await until(pilot, lambda: inspector.requests)
        kind, _, more = inspector.requests[0]
        assert kind == "views"
        assert more["views"] == 2
        assert more["first"] == 0
        screen.post_message(Inspected(1, "views", answer))
        await until(pilot, lambda: "▀" in screen.query_one(ImageDisplay).drawing.text)
        assert "each row: an image of patterns, then 2 of its views" in text_in(app, VIEWS)
        await type_in(pilot, screen, "projector.layers", "3")
        await type_in(pilot, screen, "augmentation.brightness", "0.9")
        await until(pilot, lambda: len(inspector.requests) == 2)
        assert parse_experiment(inspector.requests[1][1], "").augmentation.brightness == 0.9
        screen.post_message(Inspected(2, "views", {**answer, "why": "the folder is empty"}))
        await pilot.pause()
        assert "(the folder is empty)" in text_in(app, VIEWS)
        screen.query_one(SectionPanel).list.focus()
        await pilot.press("V")
        await until(pilot, lambda: len(inspector.requests) == 3)
        assert inspector.requests[2][2]["first"] == more["images"], "again: other images"


@pytest.mark.parametrize("height", [30, 32, 36])
async def test_the_views_have_some_rows_where_they_are_beside_the_form(
    make_app: MakeApp, height: int
) -> None:
    app = make_app()
    async with shown(app, (100, height)) as (_, screen):
        panel = screen.query_one(ViewsPanel)
        assert panel.region.height >= 5
        assert screen.query_one("#configure-side").region.contains_region(panel.region)


async def test_on_a_small_screen_results_have_pages_of_their_own(
    make_app: MakeApp, inspector: FakeInspector, until: Until, screen_text: ScreenText
) -> None:
    app = make_app()
    async with shown(app, SMALL, inspector) as (pilot, screen):
        await pilot.press("V")
        await until(pilot, lambda: inspector.kinds() == ["views"])
        assert screen.query_one(SectionPanel).current == "views"
        assert screen.query_one(ViewsPanel).is_on_screen
        screen.post_message(InspectionFailed(1, "views", "the inspector cannot be started", "no such file"))
        await pilot.pause()
        assert "the inspector cannot be started. no such file" in text_in(app, VIEWS)
        section(screen, "check")
        await pilot.pause()
        assert "Steps 228 (19 x 12 epochs)" in text_in(app, COST)
        assert not screen.query_one(ViewsPanel).is_on_screen
        section(screen, "run")
        await pilot.pause()
        assert "Seed" in text_in(app, FIELDS)


@pytest.mark.slow
async def test_the_real_inspector_describes_and_draws(make_app: MakeApp, until: Until) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        await pilot.press("i", "V")
        await until(
            pilot,
            lambda: screen.inspections["describe"].answer or screen.inspections["describe"].failure,
            120,
        )
        assert "74,640 encoder, 25,376 head" in text_in(app, COST)
        assert "GFLOP a view, forward" in text_in(app, COST)
        assert "4 checkpoints of 1.2 MB: 4.8 MB" in text_in(app, COST)
        await until(pilot, lambda: "▀" in screen.query_one(ImageDisplay).drawing.text, 120)
        assert "each row: an image of patterns, then 2 of its views" in text_in(app, VIEWS)
        inspector = app.services.inspector()
        await pilot.press("3")
        await until(pilot, lambda: inspector._thread is None or not inspector._thread.is_alive())


# Appearance


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (100, 30), (200, 60)])
async def test_any_size_shows_presets_fields_and_help(
    make_app: MakeApp, screen_text: ScreenText, size: tuple[int, int]
) -> None:
    app = make_app()
    async with shown(app, size) as (pilot, screen):
        await focus_row(pilot, screen, "seed")
        assert "quickstart" in screen_text(app)
        assert "Seed" in text_in(app, FIELDS)
        assert "Seed of every random choice" in text_in(app, ABOUT)
        assert ("Ready to launch." in screen_text(app)) == (size[0] >= 100)


async def test_nothing_but_ascii_is_drawn_in_ascii_mode(make_app: MakeApp, screen_text: ScreenText) -> None:
    app = make_app(ascii=True)
    async with shown(app, MIDDLE) as (pilot, screen):
        await type_in(pilot, screen, "method.whitening_size", "48")
        assert screen_text(app).isascii()


async def test_without_a_change_nothing_is_redrawn(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (_, screen):
        drawn: list[Widget] = []
        monkeypatch.setattr(Widget, "refresh", lambda widget, *_, **__: drawn.append(widget))
        screen.redraw()
        assert drawn == []


async def test_every_action_has_an_id_a_tooltip_and_a_method() -> None:
    for binding in ConfigureScreen.__dict__["BINDINGS"]:
        assert binding.id.startswith("configure-")
        assert binding.tooltip
        assert callable(getattr(ConfigureScreen, f"action_{binding.action.partition('(')[0]}"))


async def test_the_footer_is_rebuilt_only_when_its_keys_change(make_app: MakeApp) -> None:
    app = make_app()
    async with shown(app) as (pilot, screen):
        footer = screen.query_one(QuietFooter)
        before = list(footer.children)
        await focus_row(pilot, screen, "seed")
        await pilot.press("k")
        await pilot.pause()
        assert list(footer.children) == before
        row = app.focused
        await pilot.press("enter")
        await pilot.pause()
        assert [str(key.description) for key in footer.query(FooterKey)] == [
            "Accept",
            "Cancel",
            "Launch",
            "Quit",
            "Help",
        ]
        assert [key.key_display for key in footer.query(FooterKey)] == ["Enter", "esc", "^r", "^q", "f1"]
        await pilot.press("4", "ctrl+c")
        await pilot.pause()
        assert app.is_running
        assert app.focused is row, "it leaves the field, and only the next one the app"


async def test_a_screen_that_is_visited_first_after_a_change_of_theme_has_its_colours(
    make_app: MakeApp,
) -> None:
    app = make_app()
    app.services.runs_root.mkdir()
    (app.services.runs_root / "something").mkdir()
    async with app.run_test(size=SMALL) as pilot:
        assert app.current_mode == "runs"
        await pilot.press("ctrl+t", "1")
        await pilot.pause()
        assert isinstance(app.screen, ConfigureScreen)
        shown = {str(widget.styles.background.hex) for widget in (app.screen, *app.screen.query("KeyList"))}
        assert shown == {"#FFFFFF"}, "the background of the light theme"
        await pilot.press("3", "ctrl+t", "ctrl+t", "1")
        await pilot.pause()
        assert app.screen.styles.background.hex == "#121212", "and that of the dark one, on a later visit"


# What is known before a start


async def test_a_run_of_months_on_this_device_is_never_said_to_be_ready(
    make_app: MakeApp, standin: Path, until: Until, runs_root: Path
) -> None:
    app = make_app(trainer=standin)
    async with shown(app, MIDDLE) as (pilot, screen):
        assert "Ready to launch." in text_in(app, ADVICE)
        choose(screen, "cifar10")
        await settled(pilot)
        assert "no GPU is visible" in text_in(app, ADVICE)
        assert "Ready to launch." not in text_in(app, ADVICE)
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert on_top(app, Confirm)
        assert "the run would take about" in text_in(app, DIALOG)
        assert not list_runs(runs_root)


async def test_a_folder_with_too_few_images_for_a_batch_is_found_before_the_start(
    make_app: MakeApp, tmp_path: Path
) -> None:
    for number in range(100):
        (tmp_path / "images" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / "ab"[number % 2] / f"{number}.png").touch()
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        screen.library.edit("dataset.name", "folder")
        screen.library.edit("dataset.root", str(tmp_path / "images"))
        screen.redraw()
        await settled(pilot)
        assert "the folder has 100 images to train on" in text_in(app, ADVICE)
        assert "100 in 2 folders: your own images are here" in text_in(app, COST)


async def test_another_preset_has_no_numbers_of_the_last_one(
    make_app: MakeApp, inspector: FakeInspector
) -> None:
    app = make_app()
    async with shown(app, MIDDLE, inspector) as (pilot, screen):
        await act_describe(pilot)
        screen.post_message(Inspected(1, "describe", DESCRIBED))
        await pilot.pause()
        assert "74,640 encoder" in text_in(app, COST)
        choose(screen, "stl10")
        await settled(pilot)
        assert "74,640" not in text_in(app, COST)
        choose(screen, "quickstart")
        await settled(pilot)
        assert "74,640 encoder" in text_in(app, COST)


async def act_describe(pilot: Pilot[Any]) -> None:
    await pilot.app.screen.run_action("describe")
    await pilot.pause()


@pytest.mark.parametrize(
    ("sentence", "shown_as"),
    [("a batch: --set schedule.batch_size=...", "a batch: --set schedule.batch_size=..."), ("Ends.", "Ends")],
)
async def test_a_sentence_loses_its_full_stop_and_nothing_else(sentence: str, shown_as: str) -> None:
    assert without_full_stop(sentence) == shown_as


async def test_changes_are_taken_back_one_by_one(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        await type_in(pilot, screen, "seed", "123")
        await type_in(pilot, screen, "projector.dim", "16")
        await pilot.press("X", "y")
        await pilot.pause()
        assert changes(screen) == {}
        for key, expected in (
            ("ctrl+z", {"seed": 123, "projector.dim": 16}),
            ("u", {"seed": 123}),
            ("ctrl+z", {}),
            ("u", {}),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert changes(screen) == expected
        assert "Nothing has been changed here." in notifications(app)
        suspended: list[int] = []
        monkeypatch.setattr(app, "action_suspend_process", lambda: suspended.append(1))
        await pilot.press("ctrl+z")
        assert suspended == [1]


async def test_a_key_sets_what_advice_proposes(make_app: MakeApp) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        await type_in(pilot, screen, "method.whitening_size", "48")
        await type_in(pilot, screen, "schedule.batch_size", "192")
        assert "48 images for 32 dimensions" in text_in(app, ADVICE)
        await focus_row(pilot, screen, "method.whitening_size")
        await pilot.press("Y")
        await pilot.pause()
        assert value(screen, "method.whitening_size") == 64
        assert "48 images" not in text_in(app, ADVICE)
        await pilot.press("u")
        await pilot.pause()
        assert value(screen, "method.whitening_size") == 48
        screen.library.choose("cifar10")
        await type_in(pilot, screen, "schedule.epochs", "2")
        assert "schedule.milestones=[1], or [] for no drop. Y sets [1]" in text_in(app, FIELDS)
        await pilot.press("Y")
        await pilot.pause()
        assert value(screen, "schedule.milestones") == [1]


async def test_only_options_with_an_effect_are_in_the_form(make_app: MakeApp, until: Until) -> None:
    app = make_app()
    async with shown(app, MIDDLE) as (pilot, screen):
        section(screen, "backbone")
        await pilot.pause()
        few = set(screen.query_one(Form).rows)
        assert {"dataset.name", "backbone.arch", "compute.device"} <= few
        assert "Backbone Architecture cifar_resnet8" in text_in(app, FIELDS), (
            "the form scrolls to the section"
        )
        assert "Title and seed" not in text_in(app, FIELDS)
        screen.go_to("checkpoint.keep")
        await pilot.pause()
        assert screen.query_one(SectionPanel).current == "compute", "the list follows the field"
        await until(pilot, lambda: "without an effect here: * shows them" in text_in(app, FIELDS))
        assert not {"backbone.norm_steps", "backbone.whitening_eps", "backbone.whitening_groups"} & few
        await pilot.press("asterisk")
        await pilot.pause()
        assert {"backbone.norm_steps", "backbone.whitening_eps"} <= set(screen.query_one(Form).rows)
        assert {"paper.linear", "paper.note"} <= set(screen.query_one(Form).rows)
        assert "hides the options" in str(screen.query_one(".form-note", Static).content)
        await pilot.press("asterisk")
        screen.library.edit("backbone.whitening", "cholesky")
        screen.redraw()
        await pilot.pause()
        assert "backbone.whitening_eps" in screen.query_one(Form).rows
        assert "backbone.whitening_steps" not in screen.query_one(Form).rows


async def test_each_preset_has_its_time_on_this_machine_by_the_runs_there(
    make_app: MakeApp, make_run: Callable[..., RunDirectory], screen_text: ScreenText, until: Until
) -> None:
    make_run("mine")  # four epochs of the quickstart
    app = make_app(screen="configure")
    async with app.run_test(size=MIDDLE) as pilot:
        await until(pilot, lambda: "linear %, time" in screen_text(app))
        await until(pilot, lambda: "s, as mine" in screen_text(app))
        listed = next(line for line in screen_text(app).splitlines() if "quickstart" in line[:26])
        assert "1min" in listed.split("│")[1]
        assert "~" not in listed.split("│")[1], "it is known from a run"
        findings = app.screen.query_one("#configure-findings", Paragraphs).paragraphs
        assert any("About 1 min" in finding.text for finding in findings)

        def time_of(key: str) -> str:
            return str(app.screen.query_one(PresetPanel).list.get_option(key).prompt).split()[-1]

        screen = app.screen
        assert isinstance(screen, ConfigureScreen)
        before = time_of("cifar10")
        for epochs, shown in (("4000", "h"), ("", "quickstart"), ("4", "1min")):
            screen.library.edit("schedule.epochs", epochs)
            screen.redraw()
            assert time_of("quickstart").endswith(shown), "that of the draft; without one there is none"
        assert time_of("cifar10") == before
        await app.open_configure(load_experiment(preset="quickstart", overrides=["schedule.epochs=4000"]))
        assert time_of("copy:quickstart").endswith("h")


async def test_names_of_presets_and_titles_of_options_are_whole(
    make_app: MakeApp, make_run: Callable[..., RunDirectory], until: Until, tmp_path: Path
) -> None:
    make_run("mine")
    (tmp_path / "presets").mkdir()
    for name in ("cifar10-wmse4-wide", "cifar10-wmse4-wider-projector-a", "cifar10-wmse4-wider-projector-b"):
        (tmp_path / "presets" / f"{name}.yaml").write_text("extends: cifar10-wmse4\nseed: 3\n")
    app = make_app(screen="configure")
    async with app.run_test(size=SMALL) as pilot:
        await app.open_configure(load_experiment(preset="cifar100-simclr", overrides=["seed=2"]))
        screen = app.screen
        assert isinstance(screen, ConfigureScreen)
        panel = screen.query_one(PresetPanel)
        await until(pilot, lambda: panel.border_subtitle == "linear %, time")
        for size in (SMALL, (100, 30)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            rows = {str(option.id): str(option.prompt) for option in panel.list.options if option.id}
            width = panel.list.scrollable_content_region.width
            assert {len(row) for row in rows.values()} == {width}
            for key, row in rows.items():
                if key in shipped_preset_names():
                    assert f" {key.partition('-')[2] or key} " in row, "the name first"
            assert "cifar10-wmse4-wide" in rows["cifar10-wmse4-wide"]
            assert "cifar100-simclr" in rows["copy:cifar100-simclr"]
            assert len({row for key, row in rows.items() if "wider" in key}) == 2, "cut, but not alike"
            untimed = {key for key, row in rows.items() if not re.search(r"\d(s|min|h|d)$", row)}
            unknown = {"imagenet100", "imagenet100-wmse4"}  # whose images are not there
            assert untimed - unknown <= {key for key in rows if "wmse4-wide" in key or "copy" in key}
        assert re.search(r"barlow_twins +92\.10 +~", rows["cifar10-barlow_twins"])

        field = screen.query(FieldRow).first()
        titles = {path: title for path, title, _ in option_titles()}
        for section, union in unions().items():
            for variant in union.classes:
                values = {section: {union.tag: variant}}
                for path in option_names(values):
                    field.show(RowState(option=form_field(path, values), text="1"))
                    assert f"{titles.pop(path, '')} " in str(field.render())
        assert not titles
