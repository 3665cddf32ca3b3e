"""What can be done to runs from the Runs screen."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from queued_runs import TRAINER, QueuedRuns
from runs_screen import current, eventually, listed, messages, press, status, table
from textual.pilot import Pilot

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Ask, Confirm
from wmse_tui.tui.screens.runs import RunsScreen

pytestmark = pytest.mark.asyncio

MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRuns = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


async def test_enter_opens_the_run_under_the_cursor(
    on_runs: OnRuns, dated: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[RunDirectory] = []

    async def open_run(_: WmseApp, run: RunDirectory) -> None:
        opened.append(run)

    monkeypatch.setattr(WmseApp, "open_run", open_run)
    async with on_runs("old") as (_, pilot):
        await pilot.press("j", "enter")
    assert opened == [dated["middle"]]


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
        await pilot.press("space", "c")
        assert "two at least" in messages(app)
        await pilot.press("j", "space", "c")
        await pilot.press("asterisk", "c")
        assert "9 runs are marked; at most 8 can be compared." in messages(app)
        await pilot.press("g", "space", "c")
    assert compared == [["run-0", "run-2"], [f"run-{number}" for number in range(1, 9)]]


async def test_stopping_asks_first_and_leaves_a_request(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText, until: Until
) -> None:
    run = make_run("mine", "running")
    make_run("done")
    async with on_runs("done") as (app, pilot):
        await pilot.press("asterisk", "S")
        assert "Stop 1 run now?" in screen_text(app)
        assert "mine  epoch 2/4" in screen_text(app)
        assert "Not stopped|done: it is not running: it is completed" in messages(app)
        await pilot.press("n")
        assert pending(run) == ()
        await pilot.press("underscore", "g", "S", "y")
        await until(pilot, lambda: "Asked to stop now: mine" in messages(app))
        await pilot.press("T", "y")
        await until(pilot, lambda: "Asked to stop after the running epoch: mine" in messages(app))
    assert [request.command for request in pending(run)] == ["stop", "stop_after_epoch"]


async def test_a_stopped_run_is_resumed_and_stopped_again(
    on_runs: OnRuns, make_run: MakeRun, standin: Path, until: Until
) -> None:
    run = make_run("mine", "stopped")
    async with on_runs("stopped", trainer=standin) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "Resumed: mine" in messages(app))
        await until(pilot, lambda: view_run(run).status == "running" and view_run(run).step > 10)
        assert [own.id for own in app.services.trainers.active()] == ["mine"]
        await until(pilot, lambda: status(app) == "running")
        await pilot.press("r")
        assert "Not resumed|mine: it is running already" in messages(app)
        await pilot.press("S", "y")
        await until(pilot, lambda: status(app) == "stopped")


@pytest.mark.parametrize("key", ["r", "Q"])
async def test_runs_without_their_checkpoints_are_continued_after_a_question(
    on_runs: OnRuns, make_run: MakeRun, standin: Path, screen_text: ScreenText, until: Until, key: str
) -> None:
    run = make_run("mine", "stopped")
    for path in run.checkpoints.iterdir():
        path.unlink()
    async with on_runs("stopped", trainer=standin) as (app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: "Train 1 run again from step 0?" in screen_text(app))
        assert "mine: the log has" in screen_text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert view_run(run).attempt == 1
        assert messages(app) == ""


async def test_resuming_a_paused_run_asks_its_trainer(
    on_runs: OnRuns, make_run: MakeRun, until: Until
) -> None:
    run = make_run("mine", "paused")
    async with on_runs("paused") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "Resumed: mine" in messages(app))
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


async def test_deleting_names_runs_and_sizes_and_removes_only_idle_ones(
    on_runs: OnRuns, dated: dict[str, RunDirectory], make_run: MakeRun, screen_text: ScreenText, until: Until
) -> None:
    (dated["new"].checkpoints / "final.pt").write_bytes(b"0" * 5_000_000)
    busy = make_run("busy", "running")
    async with on_runs("old") as (app, pilot):
        await until(pilot, lambda: "busy" in listed(app))
        await pilot.press("asterisk", "j", "j", "space", "D")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        text = screen_text(app)
        assert "Delete 2 runs for good?" in text
        assert "new  5.0 MB" in text
        assert "middle" not in text.split("Delete 2 runs")[1]
        assert "MB in all" in text
        assert "Not deleted|busy: it is running; stop it first" in messages(app)
        await pilot.press("enter")  # the safe answer has the focus
        assert dated["new"].is_run()
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: listed(app) == ["busy", "middle"])
        assert "Deleted: new, old" in messages(app)
    assert busy.is_run()
    assert not dated["new"].path.exists()


async def test_an_error_of_an_action_is_reported(
    on_runs: OnRuns, make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("mine")
    (run.path / "thesis.tex").write_text("mine")
    async with on_runs("mine") as (app, pilot):
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: "the directory has files that no run made" in messages(app))
    assert run.is_run()


async def test_tags_and_notes_are_written_and_shown(
    on_runs: OnRuns, dated: dict[str, RunDirectory], screen_text: ScreenText, until: Until
) -> None:
    async with on_runs("old", size=(160, 40)) as (app, pilot):
        await pilot.press("space", "space", "t", *"b@d")
        assert isinstance(app.screen, Ask)
        assert "'b@d' cannot be a tag" in screen_text(app)
        await pilot.press("backspace", "backspace", "backspace", *"base x", "enter")
        await until(pilot, lambda: screen_text(app).count("base x") == 2)
        await pilot.press("underscore", "g", "t", *"-x", "enter")
        await until(pilot, lambda: screen_text(app).count("base x") == 1)
        await pilot.press("A", *"keep this", "enter")
        await until(pilot, lambda: "#base keep this" in screen_text(app))
    assert read_annotations(dated["new"]) == Annotations(("base",), "keep this")
    assert read_annotations(dated["middle"]) == Annotations(("base", "x"))


async def test_a_configuration_is_opened_in_configure(
    on_runs: OnRuns, make_run: MakeRun, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Experiment, str]] = []

    async def open_configure(_: WmseApp, experiment: Experiment, preset: str = "") -> None:
        opened.append((experiment, preset))

    monkeypatch.setattr(WmseApp, "open_configure", open_configure)
    run = make_run("mine", overrides=("seed=7",))
    async with on_runs("mine", size=(120, 40)) as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: opened)
        run.config.write_text("nonsense: 1\n")
        await pilot.press("d")
        await until(pilot, lambda: "This configuration cannot be used|" in messages(app))
        assert "nonsense" in messages(app)
    assert (opened[0][0].seed, opened[0][1]) == (7, "quickstart")


async def test_paths_are_copied(on_runs: OnRuns, dated: dict[str, RunDirectory]) -> None:
    async with on_runs("old") as (app, pilot):
        await pilot.press("f")
        assert app.clipboard == str(dated["new"].path)
        await pilot.press("asterisk", "f")
        assert app.clipboard.splitlines() == [str(run.path) for run in dated.values()]


async def test_queued_runs_are_held_released_put_first_and_queued_again(
    on_runs: OnRuns, until: Until, tmp_path: Path, runs_root: Path
) -> None:
    python = tmp_path / "trainer"
    python.write_text(TRAINER.format(python=sys.executable))
    python.chmod(0o700)
    queued = QueuedRuns(runs_root, python)
    try:
        queued.queue("a")
        await asyncio.to_thread(eventually, lambda: queued.starts_and_ends == ["+a"])
        queued.queue("b")
        queued.queue("c")
        async with on_runs("queued 2") as (app, pilot):

            def queue() -> dict[str, tuple[int, str]]:
                return {row.run_id: (row.position, row.status_reason) for row in table(app).rows}

            await until(pilot, lambda: listed(app) == ["c", "b", "a"])
            await press(pilot, "runs-down")
            await press(pilot, "runs-hold")
            await until(pilot, lambda: "held; `wmse-tui queue release b`" in queue()["b"][1])
            assert "|Held or released: b" in messages(app)
            await press(pilot, "runs-hold")
            await until(pilot, lambda: queue()["b"][1].startswith("next"))
            await press(pilot, "runs-up")
            await press(pilot, "runs-queue-first")
            await until(pilot, lambda: queue()["c"][0] == 1 and queue()["b"][0] == 2)
            await press(pilot, "runs-queue")
            assert "Not queued|c: it is queued already" in messages(app)
            await press(pilot, "runs-stop")
            await pilot.press("y")
            await until(pilot, lambda: status(app) == "new")
            await press(pilot, "runs-hold")
            assert "Not held|c: it is not in the queue" in messages(app)
            await press(pilot, "runs-queue")
            await until(pilot, lambda: queue()["c"][0] == 2)
    finally:
        for process in queued.processes.values():
            process.kill()
            process.wait()


async def test_the_question_for_a_note_counts_the_notes_that_it_replaces(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText
) -> None:
    for name, note in (("a", ""), ("b", "one"), ("c", "")):
        make_run(name, note=note)
    async with on_runs("c") as (app, pilot):
        await press(pilot, "runs-mark-all")
        await press(pilot, "runs-note")
        await pilot.pause()
        assert "It replaces 1 note." in screen_text(app)
        await pilot.press("escape")
        await press(pilot, "runs-unmark")
        await pilot.press("g")
        await press(pilot, "runs-note")
        await pilot.pause()
        assert "It replaces" not in screen_text(app)


async def test_tags_and_notes_are_given_back(on_runs: OnRuns, make_run: MakeRun, until: Until) -> None:
    runs = [make_run("a", tags=("old",), note="first"), make_run("b")]
    async with on_runs("b") as (app, pilot):
        await pilot.press("asterisk", "t", *"new -old", "enter")
        await until(pilot, lambda: read_annotations(runs[0]).tags == ("new",))
        await pilot.press("A", *"other", "enter")
        await until(pilot, lambda: read_annotations(runs[1]).note == "other")
        await pilot.press("ctrl+z")
        await until(pilot, lambda: read_annotations(runs[0]).note == "first")
        assert read_annotations(runs[0]).tags == ("new",)
        await pilot.press("u")
        await until(pilot, lambda: read_annotations(runs[0]).tags == ("old",))
        assert read_annotations(runs[1]) == Annotations()
        await pilot.press("u")
        await until(pilot, lambda: "No tag and no note has been changed here." in messages(app))


async def test_nothing_done_to_a_copy_reaches_the_run_that_trains(
    on_runs: OnRuns, make_run: MakeRun, screen_text: ScreenText, until: Until
) -> None:
    """This process is the trainer that the copied record names."""
    run = make_run("original", "running")
    write_trainer(run, attempt=1)
    copy = RunDirectory(shutil.copytree(run.path, run.path.parent / "copied"))
    async with on_runs("copied") as (app, pilot):
        await until(pilot, lambda: {row.status for row in table(app).rows} == {"running", "crashed"})
        while current(app) != "copied":
            await pilot.press("j" if listed(app).index(current(app)) == 0 else "k")
        await pilot.press("S")
        assert "Not stopped|copied: it is not running: it is crashed" in messages(app)
        await pilot.press("T")
        await pilot.press("enter")
        await until(pilot, lambda: "a copy, made before the original" in screen_text(app))
    assert pending(run) == pending(copy) == ()
