"""Signals of real commands: `run` saves and stops, a second one or a hang-up exits, `attach` only watches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from wmse_tui.cli.follow.signals import exit_on_warnings
from wmse_tui.cli.main import main
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.identity import read_trainer
from wmse_tui.runs.state.watch import view_run

DRIVER = """
import functools, sys
import wmse_tui.runs.process.launch as launch
launch.launch_trainer = functools.partial(launch.launch_trainer, python=sys.argv.pop(1))
import wmse_tui.cli.follow.stop_request as stop_request
stop_request.ANSWER_SECONDS = 1.0
from wmse_tui.cli.main import main
main()
"""
PATIENCE = 60.0

Start = Callable[..., "subprocess.Popen[str]"]


def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail the test after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """The run that the commands of these tests make."""
    return RunDirectory(tmp_path / "runs" / "mine")


@pytest.fixture
def start(standin: Callable[..., Path], run: RunDirectory) -> Iterator[Start]:
    """Starts `wmse-tui` as a process, with a stand-in for the trainer; ends both afterwards."""
    started: list[subprocess.Popen[str]] = []

    def launch(scenario: str, *arguments: str, saving: float = 0.0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(standin(scenario, saving=saving)), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield launch
    trainer = read_trainer(run)
    if trainer is not None and trainer.process is not None:
        with suppress(ProcessLookupError):
            os.kill(trainer.process.pid, signal.SIGKILL)
    for process in started:
        process.kill()
        process.communicate()


RUN = ("run", "--preset", "quickstart", "--name", "mine", "--headless")


def training(run: RunDirectory) -> bool:
    """Whether the stand-in is past its first epoch."""
    return run.events.exists() and view_run(run).epoch == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)]
)
def test_the_first_signal_saves_and_stops_the_run(
    start: Start, run: RunDirectory, number: signal.Signals, code: int
) -> None:
    process = start("waits", *RUN, saving=0.5)
    until(lambda: training(run))
    assert process.stdout is not None
    process.stdout.readline()  # the command has read the trainer's first events
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert "stopping: the trainer saves and exits" in err
    assert "the trainer answered: saving, then leaving" in err
    assert err.splitlines()[-1] == "Resume it: wmse-tui resume mine"
    assert "stopped  epoch 1, step 4" in out
    assert view_run(run).status == "stopped"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_warning_before_a_run_is_followed_ends_the_command_as_sigterm_does(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A scheduler may warn while the command is still reading its configuration."""
    monkeypatch.setattr("wmse_tui.config.loading.load_experiment", lambda **_: os.kill(os.getpid(), number))
    monkeypatch.setattr(sys, "argv", ["wmse-tui", *RUN])
    exit_on_warnings()
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 143


def test_a_trainer_that_does_not_read_requests_gets_sigterm(start: Start, run: RunDirectory) -> None:
    process = start("deaf", *RUN)
    until(lambda: training(run))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "no answer yet: SIGTERM sent to the trainer" in err
    assert view_run(run).status == "stopped"


def test_the_second_ctrl_c_exits_and_the_trainer_still_saves(start: Start, run: RunDirectory) -> None:
    process = start("waits", *RUN, saving=3.0)
    until(lambda: training(run))
    process.send_signal(signal.SIGINT)
    until(lambda: view_run(run).controls)
    time.sleep(0.5)  # longer than the same key arriving twice
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Not waiting; the trainer still saves and stops. See: wmse-tui show mine" in err
    assert "continues" not in err
    assert view_run(run).status == "running"
    until(lambda: view_run(run).status == "stopped")


def test_one_key_press_that_arrives_twice_counts_once(start: Start, run: RunDirectory) -> None:
    process = start("waits", *RUN, saving=1.0)
    until(lambda: training(run))
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert "Not waiting" not in err
    assert view_run(run).status == "stopped"


def test_a_hang_up_exits_at_once_and_the_run_continues(start: Start, run: RunDirectory) -> None:
    process = start("waits", *RUN)
    until(lambda: training(run))
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 129
    assert view_run(run).status == "running"


def test_an_interruption_before_the_trainer_started_leaves_no_run(start: Start, run: RunDirectory) -> None:
    process = start("unborn", *RUN)
    until(run.trainer_json.exists)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted before the trainer had started" in err
    assert not run.path.exists()


def test_the_summary_of_an_interrupted_run_has_its_exit_code(start: Start, run: RunDirectory) -> None:
    process = start("waits", *RUN, "--json")
    until(lambda: training(run))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE)
    summary = json.loads(out.splitlines()[-1])
    assert (summary["exit_code"], summary["state"], summary["step"]) == (143, "stopped", 4)


def test_ctrl_c_of_attach_leaves_the_run_alone(start: Start, run: RunDirectory) -> None:
    start("waits", *RUN)
    until(lambda: training(run))
    attached = start("waits", "attach", "mine")
    assert attached.stdout is not None
    attached.stdout.readline()
    attached.send_signal(signal.SIGINT)
    _, err = attached.communicate(timeout=PATIENCE)
    assert attached.returncode == 130
    assert "Detached; the run continues" in err
    assert view_run(run).status == "running"
    assert view_run(run).controls == ()


def test_attach_ends_with_the_run_and_its_exit_code(start: Start, run: RunDirectory) -> None:
    start("waits", *RUN)
    until(lambda: training(run))
    attached = start("waits", "attach", "mine")
    assert attached.stdout is not None
    attached.stdout.readline()
    request(run, "stop")
    out, _ = attached.communicate(timeout=PATIENCE)
    assert attached.returncode == 4
    assert "stopped  epoch 1, step 4" in out


def test_stop_requests_and_waits(start: Start, run: RunDirectory) -> None:
    followed = start("waits", *RUN, saving=0.5)
    until(lambda: training(run))
    stopping = start("waits", "stop", "mine")
    _, err = stopping.communicate(timeout=PATIENCE)
    assert stopping.returncode == 0
    assert err.splitlines() == [
        "mine: stop requested; waiting until it has stopped (Ctrl-C: do not wait)",
        "the trainer answered: saving, then leaving",
        "mine: stopped at epoch 1, step 4.",
        "Resume it: wmse-tui resume mine",
    ]
    followed.communicate(timeout=PATIENCE)
    assert followed.returncode == 4  # stopped, but not by this command's own signal


def test_stop_reports_the_step_of_the_exit_event(start: Start, run: RunDirectory) -> None:
    """The last steps may not have been reported one by one."""
    start("ahead", *RUN)
    until(lambda: training(run))
    _, err = start("ahead", "stop", "mine").communicate(timeout=PATIENCE)
    assert "mine: stopped at epoch 1, step 6." in err


def test_a_reader_that_closes_the_output_ends_the_command_quietly(start: Start, run: RunDirectory) -> None:
    process = start("waits", *RUN, "--json")
    until(lambda: training(run))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    request(run, "checkpoint")  # the answer is one more line for the closed output
    err = process.stderr.read()
    assert process.wait(PATIENCE) == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
