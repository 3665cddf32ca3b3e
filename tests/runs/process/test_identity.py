"""Process identity, with real processes: a signal reaches exactly the process that is meant, or none."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from unittest import mock

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.identity import (
    Process,
    TrainerRecord,
    identify,
    is_copied,
    is_running,
    is_suspended,
    own_trainer,
    read_trainer,
    send_signal,
    write_launch,
    write_trainer,
)
from wmse_tui.runs.process.liveness import gather_evidence, status_of
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.run import RunState

Spawn = Callable[..., "Popen[str]"]
Eventually = Callable[[Callable[[], object]], None]
WAIT = "import sys; print('here', flush=True); sys.stdin.readline()"


@pytest.fixture
def child(spawn: Spawn) -> Popen[str]:
    child = spawn(WAIT)
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    return child


def known(child: Popen[str]) -> Process:
    process = identify(child.pid)
    assert process is not None
    return process


def test_a_process_is_itself_until_it_ends(child: Popen[str]) -> None:
    process = known(child)
    assert is_running(process)
    child.kill()
    child.wait()
    assert is_running(process) is False
    assert identify(child.pid) is None


def test_a_zombie_is_not_alive(child: Popen[str]) -> None:
    process = known(child)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    os.kill(child.pid, 0)  # which still seems to find it
    assert is_running(process) is False
    assert not send_signal(process, signal.SIGTERM)


@pytest.mark.parametrize("other", [{"start_ticks": 1}, {"boot_id": "another"}, {"host": "elsewhere"}])
def test_no_signal_reaches_a_process_that_only_has_the_same_id(
    child: Popen[str], other: dict[str, object]
) -> None:
    process = replace(known(child), **other)  # type: ignore[arg-type]
    assert not send_signal(process, signal.SIGKILL)
    assert not is_running(process)
    assert child.poll() is None


def test_of_another_machine_nothing_is_known(child: Popen[str]) -> None:
    assert is_running(replace(known(child), host="elsewhere")) is None


def test_a_suspended_process_is_recognised_and_continues(child: Popen[str], eventually: Eventually) -> None:
    process = known(child)
    assert not is_suspended(process)
    assert send_signal(process, signal.SIGSTOP)
    eventually(lambda: is_suspended(process))
    assert is_running(process)
    assert send_signal(process, signal.SIGCONT)
    eventually(lambda: not is_suspended(process))
    assert send_signal(process, signal.SIGTERM)
    assert child.wait(60) == -signal.SIGTERM


def test_a_name_with_blanks_and_parentheses_does_not_confuse(spawn: Spawn) -> None:
    rename = "import ctypes; ctypes.CDLL(None).prctl(15, b') Z 1 (', 0, 0, 0); "
    child = spawn(rename + WAIT)
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    assert is_running(known(child))


def test_a_trainer_says_who_it_is(run: RunDirectory) -> None:
    written = write_trainer(run, attempt=3)
    assert read_trainer(run) == written
    assert (written.process, written.attempt) == (identify(), 3)
    assert written.argv


def test_a_copied_directory_has_no_trainer_and_a_renamed_one_keeps_it(
    run: RunDirectory, tmp_path: Path
) -> None:
    """The process lives, but it trains the original: it must neither be signalled nor waited for."""
    with RunLock(run):
        write_trainer(run, attempt=1)
        copy = RunDirectory(tmp_path / "copy")
        shutil.copytree(run.path, copy.path)
        assert own_trainer(copy) is None
        assert own_trainer(run) == identify()
        evidence = gather_evidence(copy)
        assert (evidence.copied, evidence.process_running, evidence.lock_held) == (True, False, False)
        reason = "a copy, made before the original had an exit event; no process trains it here"
        assert status_of(RunState(seq=1, attempt=1), evidence) == ("crashed", reason)
        moved = RunDirectory(run.path.rename(tmp_path / "moved"))
        assert own_trainer(moved) == identify()
        assert gather_evidence(moved).lock_held


@pytest.mark.parametrize(("ahead", "since"), [(60.0, 0.0), (9e6, math.inf)])
def test_a_launch_in_the_future_is_not_waited_for(run: RunDirectory, ahead: float, since: float) -> None:
    with mock.patch.object(time, "time", return_value=1e9 + ahead):
        write_launch(run)
    with mock.patch.object(time, "time", return_value=1e9):
        assert gather_evidence(run).since_launch == since


def test_nothing_is_claimed_of_a_record_that_cannot_be_compared(run: RunDirectory) -> None:
    written = write_trainer(run, attempt=1)
    other = replace(written, directory=(1, 2))
    assert is_copied(run, other)
    assert not is_copied(run, replace(other, host="elsewhere")), "its device numbers are its own"
    assert not is_copied(run, replace(other, directory=None)), "of an earlier version"
    assert not is_copied(RunDirectory(run.path / "missing"), other)


def test_a_launch_is_recorded_until_the_trainer_writes_its_own_record(run: RunDirectory) -> None:
    write_launch(run)
    launch = read_trainer(run)
    assert launch is not None
    assert launch.process is None
    write_trainer(run, attempt=1)
    trainer = read_trainer(run)
    assert trainer is not None
    assert trainer.process == identify()
    assert [path.name for path in run.path.glob(".*")] == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"process": {"pid": "x"}}', b"\xff", b"[" * 100_000])
def test_a_file_without_a_record_names_no_trainer(run: RunDirectory, content: bytes) -> None:
    run.trainer_json.write_bytes(content)
    assert read_trainer(run) is None


def test_fields_of_later_versions_are_passed_over(run: RunDirectory) -> None:
    written = write_trainer(run, attempt=1)
    values = json.loads(run.trainer_json.read_text())
    run.trainer_json.write_text(json.dumps({**values, "gpu": 3}))
    assert read_trainer(run) == written
    assert isinstance(written, TrainerRecord)


def test_a_file_that_cannot_be_written_is_an_error(run: RunDirectory) -> None:
    run.trainer_json.mkdir()
    (run.trainer_json / "x").touch()
    with pytest.raises(StorageError, match=r"cannot record the trainer of the run: .*trainer.json: "):
        write_trainer(run, attempt=1)
    assert [path.name for path in run.path.glob(".*")] == []
