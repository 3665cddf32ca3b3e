"""The lock, with real processes: one holder, released when it ends, inspected without being acquired."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, RunBusy, StorageError
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.process.lock import RunLock, failure, held

Spawn = Callable[..., "Popen[str]"]
HOLD = """
import sys
from pathlib import Path
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.identity import write_trainer
run = RunDirectory(Path(sys.argv[1]))
lock = RunLock(run)
lock.acquire()
write_trainer(run, attempt=1)
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""
HOLD_WITH_WORKER = """
import os, sys, time
from pathlib import Path
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import RunLock
lock = RunLock(RunDirectory(Path(sys.argv[1])))
lock.acquire()
worker = os.fork()
if worker == 0:
    time.sleep(60)
    os._exit(0)
print(worker, flush=True)
sys.stdin.readline()
"""


def said(child: Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def test_a_second_trainer_is_refused_and_the_error_names_the_first(run: RunDirectory, spawn: Spawn) -> None:
    child = spawn(HOLD, run.path)
    assert said(child) == "held"
    with pytest.raises(RunBusy) as caught:
        RunLock(run).acquire()
    assert caught.value.pid == child.pid
    assert str(caught.value) == (
        f"run little is being trained already: by process {child.pid} on {caught.value.host}"
    )
    assert caught.value.next == ("watch it: wmse-tui attach little", "end it: wmse-tui stop little")
    assert child.poll() is None


def test_the_lock_is_free_the_moment_its_holder_is_killed(run: RunDirectory, spawn: Spawn) -> None:
    child = spawn(HOLD, run.path)
    assert said(child) == "held"
    assert held(run.lock)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not held(run.lock)
    with RunLock(run):
        assert held(run.lock)


def test_a_lock_that_is_given_back_is_free_although_its_holder_lives(run: RunDirectory, spawn: Spawn) -> None:
    child = spawn(HOLD, run.path)
    assert said(child) == "held"
    tell(child)
    assert said(child) == "released"
    assert not held(run.lock)
    assert child.poll() is None


def test_a_worker_of_a_killed_trainer_still_holds_the_run(
    run: RunDirectory, spawn: Spawn, eventually: Callable[[Callable[[], object]], None]
) -> None:
    child = spawn(HOLD_WITH_WORKER, run.path)
    worker = int(said(child))
    child.kill()
    child.wait()
    assert held(run.lock), "the worker still has the device and the memory"
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: not held(run.lock))


def test_looking_takes_nothing_and_makes_nothing(run: RunDirectory) -> None:
    assert not held(run.lock)
    assert not run.lock.exists()
    with RunLock(run):
        pass
    with run.lock.open() as other:  # a reader's close must not drop the lock, as it would a record lock
        lock = RunLock(run)
        lock.acquire()
        other.close()
        assert held(run.lock)
        assert held(run.lock)
        with pytest.raises(RunBusy):
            RunLock(run).acquire()
        lock.release()
    assert not held(run.lock)


def test_taking_and_giving_back_twice_is_fine(run: RunDirectory) -> None:
    lock = RunLock(run)
    lock.acquire()
    lock.acquire()
    lock.release()
    lock.release()
    assert not held(run.lock)


def test_a_holder_that_wrote_nothing_of_itself_is_still_a_holder(run: RunDirectory) -> None:
    with RunLock(run), pytest.raises(RunBusy, match=r"^run little is being trained already$") as caught:
        RunLock(run).acquire()
    assert (caught.value.pid, caught.value.host) == (None, "")


def test_the_name_of_a_foreign_host_cannot_control_the_terminal(run: RunDirectory) -> None:
    write_trainer(run, attempt=1)
    text = run.trainer_json.read_text().replace('"host": "', '"host": "\\u001b]0;')
    run.trainer_json.write_text(text)
    with RunLock(run), pytest.raises(RunBusy) as caught:
        RunLock(run).acquire()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_filesystem_without_locks_is_named_with_the_way_out(number: int) -> None:
    error = failure(Path("/nfs/runs/a/trainer.lock"), OSError(number, os.strerror(number)))
    assert isinstance(error, LocksUnsupported)
    assert str(error) == (
        "files cannot be locked in the runs folder, so two trainers could not exclude each other: "
        f"/nfs/runs/a/trainer.lock: {os.strerror(number)}"
    )
    assert error.next[0] == "store runs on a local disk: --runs-dir DIR, or WMSE_TUI_RUNS=DIR"


def test_a_system_without_such_locks_is_named(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("wmse_tui.runs.process.lock.fcntl.F_OFD_SETLK")
    with pytest.raises(LocksUnsupported, match="this system has no open-file-description locks"):
        RunLock(run).acquire()


def test_a_lock_file_that_cannot_be_opened_is_an_error(run: RunDirectory) -> None:
    run.lock.mkdir()
    with pytest.raises(
        StorageError, match=r"cannot open the run's lock: .*trainer.lock: a folder, not a regular file"
    ):
        RunLock(run).acquire()
