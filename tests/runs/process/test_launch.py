"""Starting trainers, with stand-ins that are real processes: they need no other process afterwards."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LaunchError, NotARun, RunBusy
from wmse_tui.runs.process.control import pending, request
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.identity import Process, read_trainer, send_signal, write_trainer
from wmse_tui.runs.process.interpreter import FILE
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.watch import RunWatcher, view_run

Eventually = Callable[[Callable[[], object]], None]

# Stands in for the interpreter: it is called as `STAND_IN -P -u ... wmse_tui.engine RUN_DIR`.
TRAINER = """#!{python}
import json, os, signal, sys, time
from pathlib import Path
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Exit, Steps
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.log.writer import EventWriter

run = RunDirectory(Path(sys.argv[-1]))
umask = os.umask(0o077)
print(json.dumps({{
    "argv": sys.argv[1:], "leads_session": os.getsid(0) == os.getpid(), "umask": umask,
    "stdin": os.readlink("/proc/self/fd/0"), "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
    "deferred": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
}}), flush=True)
print("to stderr", file=sys.stderr, flush=True)
with RunLock(run), EventWriter(run.events) as log:
    write_trainer(run, attempt=log.begin_attempt())
    step = 0
    while not (run.path / "enough.tmp").exists():
        step += 1
        print("step", step, flush=True)
        log.write(Steps(step, (1.0 / step,)))
        time.sleep(0.02)
    log.write(Exit(status="completed", step=step, epoch=1, seconds=1.0))
"""


# Starts a trainer from a terminal that it owns, and stays there.
STARTER = """
import fcntl, sys, termios, time
from pathlib import Path
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.launch import launch_trainer
fcntl.ioctl(int(sys.argv[3]), termios.TIOCSCTTY, 0)
trainer = launch_trainer(RunDirectory(Path(sys.argv[1])), python=sys.argv[2])
time.sleep(300)
"""


@pytest.fixture
def stand_in(tmp_path: Path, run: RunDirectory) -> Iterator[Path]:
    path = tmp_path / "stand-in"
    path.write_text(TRAINER.format(python=sys.executable))
    path.chmod(0o700)
    yield path
    process = trainer_of(run)  # whatever the test did, nothing of it stays
    if process is not None and process.pid != os.getpid():
        send_signal(process, signal.SIGKILL)


def trainer_of(run: RunDirectory) -> Process | None:
    trainer = read_trainer(run)
    return trainer.process if trainer is not None else None


def test_a_trainer_has_a_session_of_its_own_and_files_for_input_and_output(
    run: RunDirectory, stand_in: Path, tmp_path: Path
) -> None:
    (run.path / "enough.tmp").touch()
    trainer = launch_trainer(run, python=stand_in)
    assert trainer.wait(60) == 0
    lines = run.trainer_log.read_text().splitlines()
    assert lines[1] == "to stderr"
    report = json.loads(lines[0])
    assert report["argv"] == ["-P", "-u", "-X", "faulthandler", FILE, "wmse_tui.engine", str(run.path)]
    assert report["leads_session"]
    assert report["umask"] == 0o077
    assert report["open"][:3] == [0, 1, 2]
    assert len(report["open"]) == 5, "besides them, the slot that it trains on, and the listing itself"
    assert report["stdin"] == "/dev/null"
    assert report["deferred"] == sorted(ENDING_SIGNALS), "until it has its handlers"
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()), "not for what started it"
    assert run.trainer_log.stat().st_mode & 0o777 == 0o600
    assert view_run(run).status == "completed"


def test_a_trainer_survives_the_hang_up_of_the_terminal_it_was_started_from(
    run: RunDirectory, stand_in: Path, spawn: Callable[..., Popen[str]], eventually: Eventually
) -> None:
    ours, theirs = os.openpty()
    starter = spawn(STARTER, run.path, stand_in, theirs, pass_fds=(theirs,), start_new_session=True)
    os.close(theirs)
    eventually(lambda: view_run(run).step >= 3)
    os.close(ours)  # as sshd does when the connection drops
    assert starter.wait(60) == -signal.SIGHUP, "the hang-up reached whoever started the trainer"
    report = json.loads(run.trainer_log.read_text().splitlines()[0])
    assert report["stdin"] == "/dev/null", "not what the starter reads from"
    reached = view_run(run).step
    eventually(lambda: view_run(run).step >= reached + 5)
    assert view_run(run).status == "running"
    (run.path / "enough.tmp").touch()
    eventually(lambda: view_run(run).status == "completed")


def test_two_watchers_see_the_same_and_a_kill_is_a_crash_at_once(
    run: RunDirectory, stand_in: Path, eventually: Eventually
) -> None:
    watchers = [RunWatcher(run), RunWatcher(run)]
    assert watchers[0].poll().status == "new"
    trainer = launch_trainer(run, python=stand_in)
    assert watchers[0].poll().status in ("starting", "running")
    eventually(lambda: watchers[0].poll().step >= 3)
    process = trainer_of(run)
    assert process is not None
    assert process.pid == trainer.pid
    assert send_signal(process, signal.SIGSTOP)
    eventually(lambda: watchers[0].poll().status == "stalled")
    assert watchers[0].poll().status_reason == (
        f"process {process.pid} is suspended; `kill -CONT {process.pid}` lets it continue"
    )
    assert send_signal(process, signal.SIGCONT)
    eventually(lambda: watchers[0].poll().status == "running")
    trainer.kill()
    trainer.wait()
    views = [watcher.poll() for watcher in watchers]
    assert views[0] == views[1]
    assert views[0].status == "crashed"
    assert views[0].status_reason == f"process {process.pid} ended without an exit event"
    assert watchers[0].poll() is views[0], "nothing new, the very same view"


def test_a_second_start_is_refused_and_keeps_the_requests(run: RunDirectory, stand_in: Path) -> None:
    with RunLock(run):
        write_trainer(run, attempt=1)
        asked = request(run, "stop")
        with pytest.raises(
            RunBusy, match=f"run little is being trained already: by process {os.getpid()} on"
        ):
            launch_trainer(run, python=stand_in)
        assert [found.id for found in pending(run)] == [asked]
    assert not run.trainer_log.exists()


def test_requests_to_an_earlier_attempt_do_not_reach_the_next(run: RunDirectory, stand_in: Path) -> None:
    request(run, "stop")
    (run.path / "enough.tmp").touch()
    trainer = launch_trainer(run, python=stand_in)
    assert pending(run) == ()
    assert trainer.wait(60) == 0


def test_a_second_attempt_appends_to_both_logs(run: RunDirectory, stand_in: Path) -> None:
    (run.path / "enough.tmp").touch()
    for _ in range(2):
        assert launch_trainer(run, python=stand_in).wait(60) == 0
    assert run.trainer_log.read_text().count("to stderr") == 2
    state = view_run(run)
    assert (state.attempt, state.status, state.missing) == (2, "completed", 0)


def test_a_trainer_that_never_speaks_is_starting_and_then_crashed(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no module' >&2; exit 1\n")
    broken.chmod(0o700)
    assert launch_trainer(run, python=broken).wait(60) == 1
    assert view_run(run).status == "starting"
    later = time.time() + 61
    monkeypatch.setattr("wmse_tui.runs.process.liveness.time.time", lambda: later)
    state = view_run(run)
    assert state.status == "crashed"
    assert state.status_reason == "the last start failed; trainer.log may show why"
    assert run.trainer_log.read_text() == "no module\n"


def test_a_missing_interpreter_is_an_error(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(
        LaunchError, match=r"the trainer cannot be started: .*/none: No such file or directory"
    ):
        launch_trainer(run, python=tmp_path / "none")


def test_what_is_missing_is_named_although_it_is_not_the_interpreter(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container without its devices has no /dev/null."""
    monkeypatch.setattr(os, "devnull", str(tmp_path / "null"))
    with pytest.raises(LaunchError, match=r"cannot be started: .*/null: No such file or directory"):
        launch_trainer(run)


def test_without_a_run_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="there is no run to train"):
        launch_trainer(RunDirectory(tmp_path))
    assert list(tmp_path.iterdir()) == []
