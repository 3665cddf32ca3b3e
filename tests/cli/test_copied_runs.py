"""A copy of a run that trains is a run of its own: no command on it reaches the trainer of the original."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from wmse_tui.runs.annotations import read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.process.identity import own_trainer, write_trainer
from wmse_tui.runs.process.lock import RunLock

Cli = Callable[..., Result]

COMMANDS = {
    # words: exit code, and what is printed
    "show copy": (0, "crashed"),
    "runs": (0, "crashed"),
    "logs copy": (0, ""),
    "tag copy good --note copied": (0, "good"),
    "stop copy": (0, "copy is not running: crashed."),
    "stop copy --after-epoch": (0, "copy is not running: crashed."),
    "attach copy --headless": (1, "wmse-tui: a copy, made before the original had an exit event"),
    "rm copy --yes": (0, "copy"),
}


@pytest.fixture
def original(make_run: Callable[..., RunDirectory], tmp_path: Path) -> Iterator[RunDirectory]:
    """A run that this process trains, and a copy beside it, made while it trains."""
    run = make_run("original", upto=8)
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    with RunLock(run):
        write_trainer(run, attempt=1)
        shutil.copytree(run.path, tmp_path / "runs" / "copy")
        yield run
        assert own_trainer(run) is not None
    signal.signal(signal.SIGTERM, before)
    assert received == []
    assert pending(run) == ()
    assert read_annotations(run).tags == ()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_on_a_copy_leaves_the_original_alone(words: str, original: RunDirectory, cli: Cli) -> None:
    code, printed = COMMANDS[words]
    done = cli(*words.split())
    assert done.exit_code == code, done.output
    assert printed in done.output
    assert original.events.exists()


def test_a_copy_is_called_one(original: RunDirectory, cli: Cli) -> None:
    shown = cli("show", "copy").stdout
    assert "a copy, made before the original had an exit event; no process trains it here" in shown
    assert "a copy" not in cli("show", "original").stdout
