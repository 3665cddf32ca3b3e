"""SIGTERM reaches the process that holds the lock of the run, and no other that a file names."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from faults import Fault, Faults

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.identity import (
    TrainerRecord,
    directory_identity,
    host,
    identify,
    write_record,
)
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.signalling import send_request, terminate_trainer

Spawn = Callable[..., "Popen[str]"]
HOLD = """
import sys
from pathlib import Path
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import RunLock
lock = RunLock(RunDirectory(Path(sys.argv[1])))
lock.acquire()
print("ready", flush=True)
sys.stdin.readline()
"""
ONLY_OPEN = """
import sys
file = open(sys.argv[1] + "/trainer.lock", "a+")
print("ready", flush=True)
sys.stdin.readline()
"""


def started(spawn: Spawn, script: str, *arguments: object) -> Popen[str]:
    child = spawn(script, *arguments)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def name_in_file(run: RunDirectory, child: Popen[str]) -> None:
    """Write a `trainer.json` that names `child`, as any program can."""
    directory = directory_identity(run.path)
    record = TrainerRecord(process=identify(child.pid), time=0.0, host=host(), attempt=9, directory=directory)
    write_record(run, record)


def test_the_holder_of_the_lock_is_terminated(run: RunDirectory, spawn: Spawn) -> None:
    trainer = started(spawn, HOLD, run.path)
    name_in_file(run, trainer)
    assert terminate_trainer(run)
    assert trainer.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EROFS"])
def test_a_stop_that_cannot_be_written_is_a_signal(run: RunDirectory, spawn: Spawn, error: str) -> None:
    trainer = started(spawn, HOLD, run.path)
    name_in_file(run, trainer)
    with Faults(run.control, Fault("open", error, lasting=True)):
        with pytest.raises(StorageError):
            send_request(run, "checkpoint", by="cli")
        assert trainer.poll() is None
        assert send_request(run, "stop", by="cli") == ""
    assert trainer.wait(60) == -signal.SIGTERM
    with Faults(run.control, Fault("open", error)), pytest.raises(StorageError):
        send_request(run, "stop", by="cli")
    assert send_request(run, "stop", by="cli")


def test_a_process_without_the_lock_is_not(run: RunDirectory, spawn: Spawn) -> None:
    stranger = started(spawn, "import sys; print('ready', flush=True); sys.stdin.readline()")
    name_in_file(run, stranger)
    assert not terminate_trainer(run)
    with RunLock(run):  # held, by another process than the one that is named
        assert not terminate_trainer(run)
    assert stranger.poll() is None


def test_a_process_that_has_the_lock_file_open_is_not(run: RunDirectory, spawn: Spawn) -> None:
    stranger = started(spawn, ONLY_OPEN, run.path)
    name_in_file(run, stranger)
    assert not terminate_trainer(run)
    with RunLock(run):
        assert not terminate_trainer(run)
    assert stranger.poll() is None


def test_the_trainer_of_another_run_is_not(run: RunDirectory, spawn: Spawn) -> None:
    other = create_run(run.path.parent, run.config.read_text(), name="other")
    trainer = started(spawn, HOLD, other.path)
    name_in_file(run, trainer)
    assert not terminate_trainer(run)
    run.lock.symlink_to(other.lock)
    assert not terminate_trainer(run)
    assert trainer.poll() is None


def test_where_the_system_does_not_show_who_holds_it_no_signal_is_sent(
    run: RunDirectory, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = started(spawn, HOLD, run.path)
    name_in_file(run, trainer)
    real = Path.read_text

    def hidden(path: Path, *arguments: str, **options: str) -> str:
        return "pos:\t0\n" if path.parent.name == "fdinfo" else real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", hidden)
    assert not terminate_trainer(run)
    assert trainer.poll() is None
