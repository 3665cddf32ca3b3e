"""A process that dies with the one that started it and leaves nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wmse_tui.engine.service import child_process

WAITING = """
import sys, time
from wmse_tui.engine.service import child_process
with child_process.ending_in_order():
    (child_process.folder() / "preview.png").write_bytes(b"x")
    print(child_process.folder(), flush=True)
    for line in sys.stdin:
        if line.startswith("fail"):
            raise ZeroDivisionError
"""

PARENT = """
import os, subprocess, sys, threading
def start():
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "wmse_tui.engine.inspect", "--parent", str(os.getpid())],
        stdin=other_end, stdout=subprocess.PIPE,
    )
    print(child.pid, flush=True)
    child.wait()
other_end, inherited = os.pipe()
os.set_inheritable(inherited, True)  # another process holds the pipe too: the end of stdin never comes
holder = os.fork()
if holder == 0:
    os.execvp("sleep", ["sleep", "60"])
print(holder, flush=True)
threading.Thread(target=start).start()
"""


def waiting(tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_its_folder(number: signal.Signals, tmp_path: Path) -> None:
    with waiting(tmp_path) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "preview.png").exists()
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("line", "status"), [("", 0), ("fail\n", 1)])
def test_its_folder_is_removed_also_when_it_ends_by_itself_or_by_an_error(
    line: str, status: int, tmp_path: Path
) -> None:
    with waiting(tmp_path) as process:
        _, errors = process.communicate(line, timeout=60)
        assert process.returncode == status
        assert ("ZeroDivisionError" in errors) == (status == 1)
    assert not list(tmp_path.iterdir())


def test_the_folders_of_killed_ones_are_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with waiting(tmp_path) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        killed.kill()
    alive = tmp_path / f"{child_process.PREFIX}{os.getpid()}-mine"
    strange = tmp_path / f"{child_process.PREFIX}not-a-pid"
    for folder in (alive, strange):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(child_process, "_folder", None)
    made = child_process.folder()
    assert not left.exists()
    assert {alive, strange, made} == set(tmp_path.iterdir())


def test_it_dies_with_a_parent_that_is_killed_also_when_its_stdin_stays_open(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        holder, child = (int(parent.stdout.readline()) for _ in range(2))
        watcher = os.pidfd_open(child)
        parent.kill()
    try:
        ended, _, _ = select.select([watcher], [], [], 20)
        assert ended
    finally:
        os.close(watcher)
        os.kill(holder, signal.SIGKILL)


def test_it_does_not_start_without_the_parent_that_was_named() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "wmse_tui.engine.inspect", "--parent", "1073741824"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, b"")
