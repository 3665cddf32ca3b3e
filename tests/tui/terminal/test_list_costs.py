"""What the list of runs sends through a terminal: nothing while nothing changes, and little for a key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.runs.directory import RunDirectory

RUNS = 300


@pytest.fixture
def many(make_run: Callable[..., RunDirectory]) -> list[RunDirectory]:
    """Three hundred runs of a few steps each, the newest first."""
    return [make_run(f"run-{number:03}", started=1.7e9 - 60 * number) for number in range(RUNS)]


@pytest.mark.slow
def test_three_hundred_runs_cost_nothing_while_idle_and_two_rows_for_a_key(
    open_app: Callable[..., Any],
    many: list[RunDirectory],
    make_run: Callable[..., RunDirectory],
    tmp_path: Path,
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("bell: false\nnotices: false\nnotifications: osc777\n")
    scene = open_app((), TEXTUAL_FPS="30", WMSE_TUI_SETTINGS=str(settings))
    terminal = scene.terminal
    terminal.wait_for(lambda sent: re.search(rb"(?<!of )300 runs", sent) is not None, 60)  # all are read
    terminal.wait_quiet(0.5)

    terminal.forget()
    refreshes_of_the_list = 2
    terminal.wait_quiet(2.0 * refreshes_of_the_list + 0.5)
    assert terminal.bytes == 0

    terminal.type("j")
    terminal.wait_for("run-001")
    terminal.wait_quiet(0.2)
    assert terminal.bytes < 2500  # two rows and the details of the run

    terminal.forget()
    terminal.type("G")
    terminal.wait_for("run-299")

    terminal.forget()
    make_run("other", "diverged", started=time.time())  # which this app did not start
    terminal.wait_for("\x1b]777;notify;wmse-tui;other has diverged: the loss is not finite, k-NN ")
    terminal.wait_quiet(0.5)
    assert terminal.seen().count(b"\x1b]777") == terminal.seen().count(b"\x07") == 1, "and no bell"
