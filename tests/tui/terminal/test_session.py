"""A day at the terminal, with the real trainer.

Configure, be warned, launch, watch, lose the terminal, come back, stop, resume, compare.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.identity import read_trainer, send_signal
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs

PRESET = """
extends: quickstart
title: a small problem
dataset: {train_images: 600, test_images: 200}
projector: {dim: 16}
method: {whitening_size: 60}
schedule: {epochs: 3000, batch_size: 120, warmup_steps: 5}
evaluation: {every: 10, linear: "off", raw_pixels: false}
"""
ENTER, ESCAPE = "\r", "\x1b"


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[list[PseudoTerminal]]:
    """The terminals that a test opens; they go with it, and so do the trainers."""
    opened: list[PseudoTerminal] = []
    yield opened
    for terminal in opened:
        terminal.__exit__()
    for run in list_runs(tmp_path / "runs"):
        deadline = time.monotonic() + 90
        while held(run.lock) and time.monotonic() < deadline:
            request(run, "stop")
            time.sleep(0.2)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A person's environment, with a preset of their own."""
    presets = tmp_path / "presets"
    presets.mkdir()
    (presets / "teeny.yaml").write_text(PRESET)
    return {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LC_ALL": "C.UTF-8",
        "WMSE_TUI_PRESETS": str(presets),
        "OMP_NUM_THREADS": "1",
    }


def shown(screen: str, pattern: str) -> float:
    """The number that the pattern's group finds on the screen."""
    found = re.search(pattern, screen)
    assert found, f"{pattern!r} is not on the screen\n{screen}"
    return float(found[1])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_session_from_the_first_screen_to_the_comparison_of_two_runs(
    terminals: list[PseudoTerminal], environ: dict[str, str], tmp_path: Path
) -> None:
    def open_app(*arguments: str) -> PseudoTerminal:
        command = [sys.executable, "-m", "wmse_tui", *arguments]
        terminal = PseudoTerminal(command, columns=120, rows=40, environ=environ, draws=True)
        terminals.append(terminal)
        return terminal

    def the_runs() -> tuple[RunDirectory, ...]:
        return list_runs(tmp_path / "runs")

    # Open, choose a preset, change the whitening size, be warned.
    app = open_app()
    app.wait_until(lambda s: "quickstart" in s and "Sections" in s)
    app.type("/teeny" + ENTER)
    app.wait_until(lambda s: "teeny · Title" in s)
    for _ in range(5):
        app.type("]")
    app.wait_until(lambda s: "teeny · Method, whitening" in s and "60 images" in s)
    app.type("l")
    app.wait_until(lambda s: "‹ w_mse ›" in s)
    app.type("j")
    app.wait_until(lambda s: "method.whitening_size" in s)
    app.type(ENTER + "20" + ENTER)
    app.wait_until(lambda s: "20 images" in s and "20 images for 16" in re.sub(r"[\s│]+", " ", s))

    # Launch in spite of it; the loss falls and the accuracy rises.
    app.type("\x12")  # ctrl+r
    app.wait_until(lambda s: "(y)" in s)
    app.type("y")
    app.wait_until(lambda s: "Plots by epoch" in s, 90)
    [run] = the_runs()
    app.wait_until(lambda s: "no structure" in s and "5-NN" in s, 120)
    before = view_run(run)
    first = before.evaluations[0].knn
    assert first is not None
    app.wait_until(
        lambda s: (found := re.search(r"best (\d+\.\d+) %", s)) and float(found[1]) > 100 * first.top1 + 5,
        120,
    )
    early, late = view_run(run).loss.values()[:10], view_run(run).loss.values()[-10:]
    assert sum(v or 0 for v in late) < sum(v or 0 for v in early)
    assert shown(app.screen(), r"loss (\d\.\d+)") < 2.0

    # The terminal hangs up; the trainer continues; another terminal shows the same run.
    app.hang_up()
    assert app.wait(5) == 129
    step = view_run(run).step
    app = open_app("attach", run.id)
    app.wait_until(lambda s: "Plots by epoch" in s and "no structure" in s, 90)
    assert view_run(run).step > step
    assert view_run(run).loss.values(1, step) == before.loss.values() + view_run(run).loss.values(
        before.step + 1, step
    )

    # Stop, resume.
    app.type("S")
    app.wait_until(lambda s: "(y)" in s)
    app.type("y")
    app.wait_until(lambda s: "■ stopped" in s, 90)
    assert view_run(run).status == "stopped"
    stopped_at = view_run(run).step
    while held(run.lock):
        time.sleep(0.05)
    app.type("r")
    app.wait_until(lambda s: "attempt 2" in s and "running" in s, 120)
    deadline = time.monotonic() + 120
    while view_run(run).step <= stopped_at:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    # Duplicate it, launch the copy beside it instead of queueing, compare the two.
    app.type("d")
    app.wait_until(lambda s: "Sections" in s and "a small problem" in s)
    app.type("\x12")
    app.wait_until(lambda s: "(y)" in s)
    app.type("y")
    app.wait_until(lambda s: "No slot is free" in s and "(n)" in s)
    app.type("n")
    app.wait_until(lambda s: "Plots by epoch" in s, 90)
    assert len(the_runs()) == 2
    app.type("3")
    app.wait_until(lambda s: "2 runs" in s and s.count("teeny") >= 2)
    app.type(" ")
    app.type("j")
    app.type(" ")
    app.type("c")
    app.wait_until(lambda s: "Results" in s and "Options that differ" in s)
    for number, marker in zip(the_runs(), "●▲", strict=True):
        assert f"{marker} {number.id}"[:14] in app.screen()

    # Leave; the app asks about both runs.
    app.type("q")
    app.wait_until(lambda s: "Leave running" in s)
    trainer = read_trainer(run)
    assert trainer is not None
    assert trainer.process is not None
    # Suspended, so that the run has certainly not stopped when the app exits.
    assert send_signal(trainer.process, signal.SIGSTOP)
    try:
        app.type("s")
        assert app.wait(10) == ExitCode.COMPLETED
    finally:
        send_signal(trainer.process, signal.SIGCONT)
    for each in the_runs():
        deadline = time.monotonic() + 90
        while view_run(each).status != "stopped":
            assert time.monotonic() < deadline
            time.sleep(0.1)
