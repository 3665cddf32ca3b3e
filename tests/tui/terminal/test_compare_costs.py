"""What Compare and Paper send: nothing when idle, little for a key, and little while a run trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from wmse_tui.runs.directory import RunDirectory


def test_compare_and_paper_send_nothing_while_idle_and_little_for_a_key(
    open_app: Callable[..., Any], make_run: Callable[..., RunDirectory]
) -> None:
    for number in range(8):
        make_run(f"run-{number}", overrides=(f"seed={number}", f"optimizer.lr={1e-3 * (number + 1)}"))
    terminal = open_app((), TEXTUAL_FPS="30").terminal
    terminal.wait_for("run-7", 60)
    terminal.type("4c")
    terminal.wait_for("Compare which runs?")
    for _ in range(8):
        terminal.type(" j")
    terminal.wait_quiet(0.5)
    terminal.type("\r")
    terminal.wait_for("by epoch, linear y")
    terminal.wait_quiet(0.5)

    terminal.forget()
    terminal.wait_quiet(2.5)
    assert terminal.bytes == 0
    terminal.type("j")
    terminal.wait_quiet(0.3)
    assert 0 < terminal.bytes < 1500  # two rows of the table

    terminal.type("5")
    terminal.wait_for("91.55 / 89.69")
    terminal.wait_quiet(0.5)
    terminal.forget()
    terminal.wait_quiet(2.5)
    assert terminal.bytes == 0
    terminal.type("j")
    terminal.wait_quiet(0.3)
    assert 0 < terminal.bytes < 4000  # two cells of the grid, and the details


def test_a_run_that_trains_costs_compare_little(open_app: Callable[..., Any]) -> None:
    scene = open_app(TEXTUAL_FPS="30", STANDIN_STEP="0.02")
    scene.training()
    terminal = scene.terminal
    terminal.type("4c")
    terminal.wait_for("Compare which runs?")
    terminal.type(" \r")
    terminal.wait_for("by epoch, linear y")
    time.sleep(3)  # the first pictures
    terminal.forget()
    seconds = 5.0
    time.sleep(seconds)
    assert terminal.bytes > 0
    assert terminal.bytes / seconds < 4 * 1024
