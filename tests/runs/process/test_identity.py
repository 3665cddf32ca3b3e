"""Process identity, with real processes: a signal reaches exactly the process that is meant, or nobody."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from subprocess import Popen

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.identity import (
    Process,
    TrainerRecord,
    identify,
    is_running,
    is_suspended,
    read_trainer,
    send_signal,
    write_launch,
    write_trainer,
)

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


def test_a_suspended_process_is_seen_and_goes_on(child: Popen[str], eventually: Eventually) -> None:
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


def test_a_launch_is_said_until_the_trainer_speaks(run: RunDirectory) -> None:
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
def test_a_file_that_says_nothing_is_nobody(run: RunDirectory, content: bytes) -> None:
    run.trainer_json.write_bytes(content)
    assert read_trainer(run) is None


def test_fields_of_later_versions_are_passed_over(run: RunDirectory) -> None:
    written = write_trainer(run, attempt=1)
    values = json.loads(run.trainer_json.read_text())
    run.trainer_json.write_text(json.dumps({**values, "gpu": 3}))
    assert read_trainer(run) == written
    assert isinstance(written, TrainerRecord)


def test_trouble_with_the_file_is_told(run: RunDirectory) -> None:
    run.trainer_json.mkdir()
    (run.trainer_json / "x").touch()
    with pytest.raises(StorageError, match=r"cannot record the trainer of the run: .*trainer.json: "):
        write_trainer(run, attempt=1)
    assert [path.name for path in run.path.glob(".*")] == []
