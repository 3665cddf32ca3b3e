"""An app on a terminal of its own: a real process, which a test may kill, stop reading or hang up on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.identity import read_trainer, send_signal
from wmse_tui.runs.state.watch import view_run

# `wmse-tui ARGUMENTS`, with the trainer of the first argument (unless it is empty) and whatever was planted.
SCRIPT = """
import functools, sys
import wmse_tui.runs.process.launch as launch
python = sys.argv.pop(1)
if python:
    launch.launch_trainer = functools.partial(launch.launch_trainer, python=python)
{plant}
from wmse_tui.cli.main import main
main()
"""
QUICK = ("run", "--preset", "quickstart", "--name", "mine")


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition` holds; fails if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


@dataclass
class Scene:
    """A terminal with the app on it, and the run that the app started."""

    terminal: PseudoTerminal
    run: RunDirectory
    beat: Path

    def training(self) -> None:
        """Wait until the app is drawn, and the run it started trains."""
        self.terminal.wait_for("wmse-tui")
        eventually(lambda: self.run.is_run() and view_run(self.run).step > 0)

    def stop_reading(self) -> None:
        """Stop reading, and let the app draw more than the terminal holds."""
        self.terminal.resize(250, 80)  # a screen of many bytes
        self.terminal.wait_quiet(0.2)
        self.terminal.forget()
        self.terminal.stop_reading()
        for _ in range(60):
            self.terminal.type("?")  # the help opens and closes: everything is drawn again
            time.sleep(0.05)

    def keeps_training(self, steps: int = 20) -> bool:
        """Whether the run is trained, and continues for some steps."""
        before = view_run(self.run).step
        eventually(lambda: view_run(self.run).step >= before + steps)
        return view_run(self.run).status == "running"

    def longest_gap(self) -> float:
        """Seconds between two heartbeats of the stand-in, at the most."""
        beats = [float(line) for line in self.beat.read_text().split()]
        return max(later - earlier for earlier, later in pairwise(beats))


Open = Callable[..., Scene]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The whole environment of the app: a capable terminal, and folders of this test."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "WMSE_TUI_RUNS": str(tmp_path / "runs"),
        "WMSE_TUI_CACHE": str(tmp_path / "cache"),
        "WMSE_TUI_DATA": str(tmp_path / "data"),
        "STANDIN_BEAT": str(tmp_path / "beat"),
        "OMP_NUM_THREADS": "1",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
    }


@pytest.fixture
def open_app(tmp_path: Path, standin: Path, environ: dict[str, str]) -> Iterator[Open]:
    """Opens the app: open_app(arguments=QUICK, plant="", real=False, ignore_hang_up=False, **environment).

    `plant` is code that runs before the app, `real` lets the real trainer train in place of the stand-in.
    Neither the app nor its trainer outlives the test.
    """
    scenes: list[Scene] = []

    def begin(
        arguments: Sequence[str] = QUICK,
        *,
        plant: str = "",
        real: bool = False,
        ignore_hang_up: bool = False,
        **more: str,
    ) -> Scene:
        command = [sys.executable, "-c", SCRIPT.format(plant=plant), "" if real else str(standin), *arguments]
        terminal = PseudoTerminal(command, environ={**environ, **more}, ignore_hang_up=ignore_hang_up)
        scene = Scene(terminal, RunDirectory(tmp_path / "runs" / "mine"), tmp_path / "beat")
        scenes.append(scene)
        return scene

    yield begin
    for scene in scenes:
        scene.terminal.__exit__()
        trainer = read_trainer(scene.run)
        if trainer is not None and trainer.process is not None:
            send_signal(trainer.process, signal.SIGKILL)
