"""Starting trainers from the app: a run is made, or nothing is left behind."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from wmse_tui.config.loading import load_experiment, parse_experiment
from wmse_tui.config.sweep import read_axes, read_grid
from wmse_tui.runs.annotations import read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import BadPlace, LaunchError, RunExists
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.queue.sweep_plan import plan_sweep
from wmse_tui.runs.state.config import summarise
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.launching import Trainers

EXPERIMENT = load_experiment(preset="quickstart", overrides=["schedule.epochs=3"])


@pytest.fixture
def trainers(runs_root: Path, standin: Path) -> Iterator[Trainers]:
    """Starts the stand-in; whatever was started is gone after the test."""
    made = Trainers(runs_root, functools.partial(launch_trainer, python=standin))
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


def wait_for(run: RunDirectory, *states: str) -> None:
    while view_run(run).status not in states:
        pass


def test_a_run_is_made_with_its_configuration_and_its_trainer_is_our_own(trainers: Trainers) -> None:
    run = trainers.start(EXPERIMENT, preset="quickstart", name="mine")
    assert run.id == "mine"
    assert parse_experiment(run.config.read_text(), "config.yaml") == EXPERIMENT
    assert summarise(run.config).preset == "quickstart"
    wait_for(run, "running")
    assert trainers.active() == (run,)
    trainers.ask_stop(run)
    wait_for(run, "stopped")
    trainers.processes[0].wait()
    assert trainers.active() == ()


def test_the_runs_of_a_sweep_are_queued_and_none_is_our_own(runs_root: Path) -> None:
    trainers = Trainers(runs_root, enqueue=lambda _: subprocess.Popen(["true"]))
    axes = read_axes(["seed=1,2"])
    points = read_grid(
        axes,
        lambda settings: load_experiment(preset="quickstart", overrides=["schedule.epochs=3", *settings]),
    )
    plan = plan_sweep(axes, points, runs_root, "s", ())
    runs = list(trainers.queue_sweep(plan, preset="quickstart", tag="sweep-now"))
    assert [run.id for run in runs] == ["s-1", "s-2"]
    assert [read_annotations(run).tags for run in runs] == [("sweep-now",)] * 2
    assert trainers.active() == ()
    assert [process.wait() for process in trainers.processes] == [0, 0]


def test_a_starting_trainer_is_active_and_can_be_stopped(trainers: Trainers) -> None:
    run = trainers.start(EXPERIMENT, name="mine")
    assert trainers.active() == (run,)
    trainers.ask_stop(run)
    wait_for(run, "stopped")
    trainers.processes[0].wait()
    assert trainers.active() == ()


def test_an_ended_trainer_is_reaped_and_a_running_one_is_not(trainers: Trainers) -> None:
    ended, living = trainers.start(EXPERIMENT, name="ended"), trainers.start(EXPERIMENT, name="living")
    wait_for(ended, "running")
    wait_for(living, "running")
    first, second = trainers.processes
    trainers.ask_stop(ended)
    os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE
    trainers.reap()
    assert not psutil.pid_exists(first.pid)
    assert second.returncode is None
    assert trainers.active() == (living,)


def test_a_run_launched_detached_is_not_an_own_run(trainers: Trainers) -> None:
    run = trainers.start(EXPERIMENT, name="mine", own=False)
    wait_for(run, "running")
    assert trainers.active() == ()


def test_a_stopped_run_continues(trainers: Trainers) -> None:
    run = trainers.start(EXPERIMENT, name="mine")
    wait_for(run, "running")
    trainers.ask_stop(run)
    wait_for(run, "stopped")
    trainers.processes[0].wait()
    trainers.resume(run)
    wait_for(run, "running")
    assert view_run(run).attempt == 2


def test_an_existing_name_is_refused_and_its_run_is_unchanged(trainers: Trainers, runs_root: Path) -> None:
    run = trainers.start(EXPERIMENT, name="mine")
    with pytest.raises(RunExists):
        trainers.start(EXPERIMENT, name="mine")
    assert [path.name for path in runs_root.iterdir()] == [run.id]


def test_a_trainer_that_cannot_be_started_leaves_no_run(runs_root: Path) -> None:
    def refuse(run: RunDirectory) -> subprocess.Popen[bytes]:
        raise LaunchError("the trainer cannot be started", "no such file")

    with pytest.raises(LaunchError):
        Trainers(runs_root, refuse).start(EXPERIMENT, name="mine")
    assert list(runs_root.iterdir()) == []


def test_an_unusable_runs_folder_is_refused_before_anything_is_created(
    tmp_path: Path, trainers: Trainers
) -> None:
    file = tmp_path / "file"
    file.touch()
    trainers.root = file / "runs"
    with pytest.raises(BadPlace, match="is a file"):
        trainers.start(EXPERIMENT)


def test_a_stop_request_that_cannot_be_sent_is_no_error(
    trainers: Trainers, make_run: Callable[..., RunDirectory]
) -> None:
    run = make_run("gone", "completed")
    run.control.rmdir()
    trainers.ask_stop(run)
    assert pending(run) == ()
