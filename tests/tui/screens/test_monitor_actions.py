"""What Monitor does with a run: requests, resuming, copies of its configuration and of the screen."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from monitor_screen import append, header, lines, messages, run_of, screen_of, state_of
from textual.pilot import Pilot

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Exit
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.dialogs import Confirm
from wmse_tui.tui.feed import RunChanged

pytestmark = pytest.mark.asyncio

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
ScreenText = Callable[[WmseApp], str]
Until = Callable[..., Awaitable[None]]
OnRun = Callable[..., AbstractAsyncContextManager[tuple[WmseApp, Pilot[Any]]]]


async def test_a_request_is_shown_as_sent_and_then_as_answered(trained: OnRun, until: Until) -> None:
    async with trained() as (app, pilot):
        for key, answer in (
            ("s", "checkpoint: done: checkpoint: as asked"),
            ("e", "evaluate: done: evaluate: as asked"),
        ):
            await pilot.press(key)
            await until(pilot, lambda answer=answer: answer in header(app))
        await until(pilot, lambda: "best" in header(app))


async def test_a_request_without_an_answer_waits_until_the_run_ends(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        await pilot.press("T")
        await until(pilot, lambda: "stop after this epoch: requested " in header(app))
        assert header(app).endswith(", waiting")
        (request,) = pending(run)
        assert (request.command, request.by) == ("stop_after_epoch", "app")
        append(run, Exit(status="completed", step=20, epoch=4, seconds=9.0))
        await until(pilot, lambda: "the run ended before it answered" in header(app))


async def test_stopping_asks_first(trained: OnRun, until: Until, screen_text: ScreenText) -> None:
    async with trained() as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "Stop mine now?" in screen_text(app)
        await pilot.press("n")
        assert state_of(app).status == "running"
        assert pending(run_of(app)) == ()
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: state_of(app).status == "stopped")
        await until(pilot, lambda: "stop: accepted, and the run is stopped" in header(app))
        assert "r resumes it" in header(app)


async def test_a_run_stops_after_the_epoch(trained: OnRun, until: Until) -> None:
    async with trained() as (app, pilot):
        await pilot.press("T")
        await until(pilot, lambda: state_of(app).status == "stopped")
        assert state_of(app).step % 10 == 0


async def test_one_key_pauses_and_continues_the_training(trained: OnRun, until: Until) -> None:
    async with trained() as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: state_of(app).status == "paused")
        assert "now paused" in header(app)
        await pilot.press("r")
        await until(pilot, lambda: "The run is paused already. p continues it." in messages(app))
        await pilot.press("p")
        await until(pilot, lambda: "continue: done" in header(app))


async def test_a_resumed_run_belongs_to_this_app(
    on_run: OnRun, make_run: MakeRun, until: Until, standin: Path
) -> None:
    run = make_run("small", "stopped")
    async with on_run(run, trainer=standin) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: state_of(app).status == "running" and state_of(app).attempt == 2)
        assert "small is starting again." in messages(app)
        assert app.services.trainers.active() == (run,)


async def test_a_run_without_its_checkpoints_is_trained_again_after_a_question(
    on_run: OnRun, make_run: MakeRun, until: Until, standin: Path, screen_text: Callable[[WmseApp], str]
) -> None:
    run = make_run("small", "stopped")
    for path in run.checkpoints.iterdir():
        path.unlink()
    async with on_run(run, trainer=standin) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "Train it again from step 0?" in screen_text(app))
        await pilot.press("n", "r")
        await until(pilot, lambda: "Train it again from step 0?" in screen_text(app))
        assert view_run(run).attempt == 1
        await pilot.press("y")
        await until(pilot, lambda: state_of(app).status == "running" and state_of(app).attempt == 2)


async def test_a_run_whose_end_is_not_shown_yet_is_resumed(
    on_run: OnRun, make_run: MakeRun, until: Until, standin: Path
) -> None:
    run = make_run("small", "stopped")
    async with on_run(run, trainer=standin) as (app, pilot):
        late = replace(state_of(app), status="running")
        screen_of(app).on_run_changed(RunChanged(run, late, None))
        await pilot.press("r")
        await until(pilot, lambda: state_of(app).status == "running" and state_of(app).attempt == 2)


async def test_a_run_that_cannot_be_started_is_reported(
    on_run: OnRun, make_run: MakeRun, until: Until, tmp_path: Path
) -> None:
    async with on_run(make_run("small", "crashed"), trainer=tmp_path / "nothing-here") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: "the trainer cannot be started" in messages(app))


async def test_a_finished_run_is_evaluated_in_a_process_of_its_own(
    on_run: OnRun, make_run: MakeRun, until: Until, tmp_path: Path
) -> None:
    run = make_run("small", "completed")
    values = {"epoch": 4, "step": 20, "knn": {"top1": 0.625, "k": 5, "metric": "cosine"}, "linear": None}
    values |= {"raw_pixels": None, "train_split": "train", "test_split": "test", "seconds": 2.0}
    result = json.dumps({"checkpoint": "final.pt", "time": "2026-03-01", **values})
    program = tmp_path / "program"
    file = run.evaluations / "final-1.json"
    program.write_text(f"#!/bin/sh\necho '{result}' > '{file}'\necho '{{\"result\": {result}}}'\n")
    program.chmod(0o755)
    async with on_run(run, evaluator=program) as (app, pilot):
        await pilot.press("E", "e")
        await until(pilot, lambda: "small is evaluated|E shows the result." in messages(app))
        await until(pilot, lambda: "final.pt, 2026-03-01" in lines(app, "evaluations")[-1])
        assert "62.50" in lines(app, "evaluations")[-1]
        program.write_text('#!/bin/sh\necho \'{"error": {"title": "no checkpoint"}}\'\nexit 1\n')
        await pilot.press("e")
        await until(pilot, lambda: "no checkpoint" in messages(app))
        assert pending(run) == ()


async def test_an_impossible_request_is_refused_with_a_reason(
    on_run: OnRun, every_state: dict[str, RunDirectory], until: Until
) -> None:
    async with on_run(every_state["completed"]) as (app, pilot):
        for state, key, sentence in (
            ("completed", "s", "Cannot checkpoint: the run is completed."),
            ("stopped", "p", "Cannot pause: the run is stopped. r starts it again."),
            ("new", "e", "Cannot evaluate: the run was never started. r starts it again."),
            ("failed", "S", "Cannot stop: the run is failed. r starts it again."),
            ("completed", "r", "The run has completed; there is nothing left to do."),
            ("running", "r", "The run is running already."),
            ("unknown", "r", "The run may be active on another machine: it ran on gpu-b"),
        ):
            screen_of(app).show_run(every_state[state])
            await until(pilot, lambda state=state: state_of(app).status == state)
            await pilot.press(key)
            await until(pilot, lambda sentence=sentence: sentence in messages(app))
            assert pending(every_state[state]) == ()


async def test_a_request_that_cannot_be_written_is_reported(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        run.control.rmdir()
        run.control.write_text("no folder")
        await pilot.press("S", "y")
        await until(pilot, lambda: "cannot change the run" in messages(app))


async def test_the_configuration_is_opened_in_configure(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    async with on_run(make_run("small", overrides=["method.whitening_size=128"])) as (app, pilot):
        opened: list[tuple[Experiment, str]] = []

        async def open_configure(experiment: Experiment, preset: str = "") -> None:
            opened.append((experiment, preset))

        app.services = replace(app.services, open_configure=open_configure)
        await pilot.press("d")
        await until(pilot, lambda: opened)
        assert opened[0][0].method.whitening_size == 128  # type: ignore[union-attr]
        assert opened[0][1] == "quickstart"


async def test_an_invalid_configuration_is_reported(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    run = make_run("small")
    run.config.write_text("method: {name: no_such}\n")
    async with on_run(run) as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: "The configuration cannot be used|config.yaml" in messages(app))


async def test_the_folders_path_is_shown_and_copied(on_run: OnRun, make_run: MakeRun) -> None:
    run = make_run("small")
    async with on_run(run) as (app, pilot):
        await pilot.press("f")
        assert str(run.path) in messages(app)
        assert app.clipboard == str(run.path)


async def test_a_screenshot_is_written_into_the_run(on_run: OnRun, make_run: MakeRun, until: Until) -> None:
    run = make_run("small")
    async with on_run(run) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: "The screen is in" in messages(app))
        (image,) = run.artifacts.glob("screen-*.svg")
        assert image.read_text().startswith("<svg")
        assert "completed" in image.read_text()
        assert str(image) in messages(app)


async def test_where_the_run_cannot_be_written_the_screenshot_goes_to_the_current_folder(
    on_run: OnRun, make_run: MakeRun, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("small")
    run.artifacts.rmdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    async with on_run(run) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: list((tmp_path / "here").glob("screen-*.svg")))
        (tmp_path / "here").rename(tmp_path / "there")
        (tmp_path / "there" / "x").touch()
        monkeypatch.setattr("pathlib.Path.cwd", lambda: tmp_path / "gone")
        await pilot.press("w")
        await until(pilot, lambda: "The screen cannot be written: " in messages(app))


async def test_the_key_of_pause_takes_back_a_request_that_waits(
    on_run: OnRun, make_run: MakeRun, until: Until
) -> None:
    run = make_run("small", "running")
    async with on_run(run) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: "pause: requested" in header(app))
        await pilot.press("p")
        await until(pilot, lambda: "continue: requested" in header(app))
        assert [request.command for request in pending(run)] == ["pause", "resume"]
        await pilot.press("p")
        await until(pilot, lambda: len(pending(run)) == 3)
        assert pending(run)[-1].command == "pause"
