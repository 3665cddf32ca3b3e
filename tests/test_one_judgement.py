"""A run of another machine whose node was lost: Monitor, Runs and the command line judge it alike."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.main import app
from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Exit, Phase, Record, Steps
from wmse_tui.runs.process.control import claim, discard, pending
from wmse_tui.runs.process.identity import Process, TrainerRecord
from wmse_tui.runs.queue.dependencies import Dependencies
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.table.index import RunIndex
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.widgets.monitor.header import HeaderNotes, header_rows


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run of gpu-b, whose lock does not reach this machine."""
    for name in ("RUNS", "CACHE", "QUEUE", "DATA", "PRESETS"):
        monkeypatch.setenv(f"WMSE_TUI_{name}", str(tmp_path / name.lower()))
    run = create_run(tmp_path / "runs", "title: x\n", name="lost")
    trainer = TrainerRecord(process=Process(77, 1, "boot", "gpu-b"), time=1.0, host="gpu-b", attempt=1)
    run.trainer_json.write_bytes(TypeAdapter(TrainerRecord).dump_json(trainer))
    return run


def log(run: RunDirectory, age: float) -> None:
    """A log whose last record was written `age` seconds ago."""
    now = time.time()
    events: tuple[Event, ...] = (Phase("train"), Steps(1, (1.0, 0.5)))
    lines = [encode(Record(1, seq, now - age, 1, event)) for seq, event in enumerate(events, 1)]
    run.events.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("age", "status", "reason"),
    [
        (20, "running", "on gpu-b"),
        (130, "unknown", "it ran on gpu-b, and nothing was logged for 2 min"),
        (500, "crashed", "it ran on gpu-b, and nothing more was logged"),
    ],
)
def test_all_outputs_judge_a_lost_run_by_the_time_of_its_last_record(
    lost: RunDirectory, age: float, status: str, reason: str
) -> None:
    log(lost, age)
    monitor = header_rows(RunWatcher(lost).poll(), HeaderNotes(), 100, KeyNames({}))
    assert f" {status} " in monitor[0].plain
    assert monitor[4].plain.startswith(reason)
    (row,) = RunIndex(lost.path.parent).refresh()
    assert (row.status, row.status_reason) == (status, reason)
    for command in (["show", "lost", "--json"], ["runs", "--json"]):
        printed = json.loads(CliRunner().invoke(app, command).stdout)
        (shown,) = [printed] if isinstance(printed, dict) else printed
        assert (shown["state"], shown["state_reason"]) == (status, reason)


def test_viewers_that_watched_it_die_and_one_that_came_later_agree(lost: RunDirectory) -> None:
    now = [0.0]
    log(lost, age=0)
    watching = RunWatcher(lost, clock=lambda: now[0])
    assert watching.poll().status == "running"
    for seconds, status in ((59, "running"), (61, "unknown"), (359, "unknown"), (361, "crashed")):
        now[0] = seconds
        assert watching.poll().status == status
    log(lost, age=361)
    assert RunWatcher(lost).poll().status == "crashed"


def test_a_viewer_that_was_suspended_agrees_with_one_that_watched_all_the_time(lost: RunDirectory) -> None:
    now = [0.0]
    log(lost, age=0)
    watcher = RunWatcher(lost, clock=lambda: now[0])
    assert watcher.poll().status == "running"
    visits = ((900, 550, "crashed"), (400, 130, "unknown"), (100, 20, "running"))
    for seq, (away, silent, status) in enumerate(visits, 3):
        now[0] += away
        with lost.events.open("a") as file:
            file.write(encode(Record(1, seq, time.time() - silent, 1, Phase("train"))) + "\n")
        assert watcher.poll().status == status


def test_a_log_that_grows_is_alive_whatever_the_clock_of_its_machine(lost: RunDirectory) -> None:
    log(lost, age=7200)
    watcher = RunWatcher(lost)
    assert watcher.poll().status == "crashed"
    with lost.events.open("a") as file:
        file.write(encode(Record(1, 3, time.time() - 7199, 1, Steps(3, (0.4,)))) + "\n")
    assert watcher.poll().status == "running"


@pytest.mark.parametrize(("age", "reason"), [(20, "on gpu-b"), (7200, "nothing more was logged")])
def test_resuming_a_run_of_a_lost_node_waits_to_see_whether_its_log_grows(
    lost: RunDirectory, monkeypatch: pytest.MonkeyPatch, age: float, reason: str
) -> None:
    from wmse_tui.cli.start import start as starting

    for name, value in (("patience", lambda _: 0.2), ("SPARE_SECONDS", 0.2), ("POLL_SECONDS", 0.05)):
        monkeypatch.setattr(starting, name, value)
    lost.config.write_text(dump_experiment(load_experiment(preset="quickstart")))
    log(lost, age=age)
    started: list[RunDirectory] = []

    def start(run: RunDirectory, _: object, *, fresh: bool) -> ExitCode:
        assert not fresh
        started.append(run)
        return ExitCode.COMPLETED

    monkeypatch.setattr(starting, "start", start)
    result = CliRunner().invoke(app, ["resume", "lost", "--headless"])
    assert (result.exit_code, started) == (0, [lost])
    assert f"{reason}; checking for <1 s whether its log grows" in result.stderr

    def write_another(_: float) -> None:
        with lost.events.open("a") as file:
            file.write(encode(Record(1, 3, time.time(), 1, Steps(3, (0.4,)))) + "\n")

    monkeypatch.setattr("time.sleep", write_another)
    result = CliRunner().invoke(app, ["resume", "lost", "--headless"])
    assert (result.exit_code, started) == (73, [lost])
    assert "lost is running already" in result.stderr


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has not grown for 0.2 s does not grow any more."""
    from wmse_tui.runs.process import liveness
    from wmse_tui.runs.state import watch

    for module in (liveness, watch):
        monkeypatch.setattr(module, "patience", lambda _: 0.2)


@pytest.mark.usefixtures("impatient")
def test_stopping_a_run_whose_log_is_old_watches_the_log_first(
    lost: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(lost, age=7200)
    result = CliRunner().invoke(app, ["stop", "lost"])
    assert result.exit_code == ExitCode.FAILED
    assert "nothing more was logged; checking for <1 s whether its log grows" in result.stderr
    assert "lost: crashed at epoch 0, step 2." in result.stderr

    def stopped(_: float) -> None:
        (request,) = pending(lost)
        claim(lost, request)
        ending = Exit(status="stopped", step=2, epoch=0, seconds=1.0)
        with lost.events.open("a") as file:
            file.write(encode(Record(1, 3, time.time() - 7199, 1, ending)) + "\n")

    discard(lost)
    monkeypatch.setattr("time.sleep", stopped)
    result = CliRunner().invoke(app, ["stop", "lost"])
    assert result.exit_code == 0
    assert "lost: stopped at epoch 0, step 2." in result.stderr


@pytest.mark.usefixtures("impatient")
def test_waiting_for_a_run_whose_log_is_old_watches_the_log_first(lost: RunDirectory) -> None:
    log(lost, age=7200)
    dependencies = Dependencies((str(lost.path),))
    assert dependencies.poll() == (False, "")
    time.sleep(0.25)
    ready, reason = dependencies.poll()
    assert (ready, "which has crashed" in reason) == (False, True)
    with lost.events.open("a") as file:
        file.write(encode(Record(1, 3, time.time() - 7199, 1, Steps(3, (0.4,)))) + "\n")
    assert dependencies.poll() == (False, "")


@pytest.mark.usefixtures("impatient")
def test_a_run_may_be_queued_after_one_whose_log_is_old(lost: RunDirectory) -> None:
    from wmse_tui.cli.start.start import start_options

    log(lost, age=7200)
    options = start_options(
        headless=False, detach=False, as_json=False, queue=False, after=["lost"], runs_dir=lost.path.parent
    )
    assert options.after == (lost,)


def test_to_a_viewer_whose_clock_is_behind_a_log_ages_from_its_first_poll_on(lost: RunDirectory) -> None:
    now = [0.0]
    log(lost, age=-7200)
    watcher = RunWatcher(lost, clock=lambda: now[0])
    assert watcher.poll().status == "running"
    now[0] = 361
    assert watcher.poll().status == "crashed"
