"""What viewers show of a real trainer that is stopped, continued, and killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.state.watch import RunWatcher

Record = Callable[[str, object], None]


def comes_to(watcher: RunWatcher, state: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while watcher.poll().status != state:
        assert time.monotonic() < end, f"{watcher.poll().status}, not {state}"
        time.sleep(0.05)


@pytest.fixture
def trainer(make_run: Callable[..., RunDirectory]) -> tuple[RunDirectory, subprocess.Popen[bytes]]:
    run = make_run("schedule.epochs=5000", "evaluation.every=10000")
    return run, launch_trainer(run, python=sys.executable)


def test_sigstop_shows_stalled(trainer: tuple[RunDirectory, subprocess.Popen[bytes]]) -> None:
    run, process = trainer
    try:
        viewers = RunWatcher(run), RunWatcher(run)
        comes_to(viewers[0], "running")
        process.send_signal(signal.SIGSTOP)
        for viewer in viewers:
            comes_to(viewer, "stalled", 5)
            assert "suspended" in viewer.poll().status_reason
        request_id = request(run, "stop")  # waits until it continues
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 4
        comes_to(viewers[0], "stopped", 5)
        assert [control.outcome for control in viewers[0].poll().controls if control.id == request_id] == [
            "accepted"
        ]
        viewers[1].poll()
        assert viewers[0].poll() == viewers[1].poll(), "every viewer has the same state"
    finally:
        process.kill()
        process.wait()


def test_killed_shows_crashed_within_five_seconds(
    trainer: tuple[RunDirectory, subprocess.Popen[bytes]],
) -> None:
    run, process = trainer
    try:
        viewer = RunWatcher(run)
        comes_to(viewer, "running")
        process.kill()
        process.wait()
        comes_to(viewer, "crashed", 5)
    finally:
        process.kill()
        process.wait()
