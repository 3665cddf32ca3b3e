"""Requests are polled while the images are looked for on a disk that does not answer."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.engine.data.sources.progress import Progress
from wmse_tui.engine.training import polled
from wmse_tui.engine.training.polled import run_polled
from wmse_tui.engine.training.requests import StopRequested
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.watch import view_run

STUCK = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from wmse_tui.engine import __main__
from wmse_tui.engine.training import session
def load(experiment, *, progress, named):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(threading.Event().wait).result()
session.load_data = load
sys.exit(__main__.main())
"""


def nothing() -> None: ...


def test_results_reports_and_errors_pass_through() -> None:
    reports: list[tuple[str, float, float, str]] = []

    def work(progress: Progress) -> int:
        for done in range(3):
            progress("counting", done, 2, "images")
        return 7

    assert run_polled(work, progress=lambda *report: reports.append(report), poll=nothing) == 7
    assert reports == [("counting", done, 2, "images") for done in range(3)]
    with pytest.raises(ZeroDivisionError):
        run_polled(lambda progress: 1 // 0, progress=lambda *report: None, poll=nothing)


def test_a_request_ends_work_at_its_next_report() -> None:
    cleaned = threading.Event()

    def work(progress: Progress) -> None:
        try:
            while True:
                time.sleep(0.01)
                progress("counting", 0, 0, "images")
        finally:
            cleaned.set()

    def stop(*report: object) -> None:
        raise StopRequested("requested")

    with pytest.raises(StopRequested):
        run_polled(work, progress=stop, poll=nothing)
    assert cleaned.is_set()
    assert not polled.work_is_left()


def test_a_trainer_whose_disk_does_not_answer_is_stopped(make_run: Callable[..., RunDirectory]) -> None:
    run = make_run("schedule.epochs=1")
    trainer = subprocess.Popen([sys.executable, "-c", STUCK, str(run.path)], cwd=Path.home())
    deadline = time.monotonic() + 60
    while "data" not in run.events.read_text(encoding="utf-8") if run.events.exists() else True:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(60) == 4
    assert view_run(run).status == "stopped"
