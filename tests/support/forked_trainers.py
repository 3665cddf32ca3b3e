"""Trainers as processes of their own, without the seconds in which each imports torch.

`start_trainer` gives a process that was forked where torch is imported already and then does what
`python -m wmse_tui.engine RUN_DIR` does: a session of its own, no standard input, its output in trainer.log,
handlers of its own. It is a child of the test's process. What a trainer does before torch is imported is
tested with an interpreter of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from wmse_tui.runs.directory import RunDirectory

PR_SET_CHILD_SUBREAPER = 36  # of prctl.h: orphaned descendants become children of this process
CLONE_NEWNS = 0x20000  # of sched.h: mounts of this process alone
MS_RDONLY, MS_REC, MS_PRIVATE = 1, 0x4000, 0x40000  # of mount.h


class ForkedTrainer:
    """A child process by its id, as `subprocess.Popen` has it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exited = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, a negative signal number where one ended it; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._exited)
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout: float = 60) -> int:
        """Return the exit code, once there is one.

        Raises:
            TimeoutError: it still runs after `timeout` seconds.
        """
        if self.poll() is None and not select.select([self._exited], [], [], timeout)[0]:
            raise TimeoutError(f"the trainer {self.pid} still runs after {timeout:g} s")
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_trainer(
    run: RunDirectory, *, mounts: Mapping[str, str] | None = None, limits: Mapping[str, int] | None = None
) -> ForkedTrainer:
    """Start an attempt at a run, with the environment of the caller.

    Args:
        run: the run.
        mounts: file systems in memory that this process alone sees: a folder, and the options of its mount,
            such as "size=100k". Only where `may_mount`.
        limits: names of resource limits, such as "RLIMIT_FSIZE", and their values; RLIMIT_AS counts from what
            a trainer has when it begins.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    prctl = ctypes.CDLL(None).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        request = {
            "run": str(run.path),
            "log": str(run.trainer_log),
            "environment": dict(os.environ),
            "mounts": dict(mounts or {}),
            "limits": dict(limits or {}),
        }
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        return ForkedTrainer(int(server.stdout.readline()))
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def _server() -> subprocess.Popen[str]:
    """The process that forks, until this one closes its input by ending."""
    server = subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # threads would not be in the forked process
        start_new_session=True,
    )
    atexit.register(server.communicate)
    return server


def _serve() -> int:
    """Fork a trainer for each request; returns in the forked processes too, with their exit codes."""

    sys.path.append(str(Path(__file__).parent))
    import forked_ranks

    import wmse_tui.engine.__main__
    import wmse_tui.engine.training.session
    from wmse_tui.engine.distribution import other_ranks

    other_ranks.start_rank = forked_ranks.fork_rank  # type: ignore[assignment]
    while line := _line_of_input():
        if between := os.fork():
            os.waitpid(between, 0)
            os.write(1, b"\n")
            continue
        if child := os.fork():  # leave the trainer to the process that asked
            os.write(1, str(child).encode())
            os._exit(0)
        request = json.loads(line)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for folder, options in request["mounts"].items():
            _mount(folder, options)
        for name, value in request["limits"].items():
            used = psutil.Process().memory_info().vms if name == "RLIMIT_AS" else 0
            resource.setrlimit(getattr(resource, name), (used + value, resource.RLIM_INFINITY))
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv[1:] = [request["run"]]
        return wmse_tui.engine.__main__.main()
    return 0


def _mount(folder: str, options: str) -> None:
    """Put an empty file system in memory over a folder, in a mount namespace of this process."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) or library.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "this process may not mount")
    read_only = MS_RDONLY if options == "ro" else 0
    words = None if read_only else options.encode()
    if library.mount(b"none", os.fsencode(folder), b"tmpfs", read_only, words):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)


@functools.cache
def may_mount() -> bool:
    """Whether trainers of this user may be given file systems of their own."""
    probe = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x20000))"
    return subprocess.run([sys.executable, "-S", "-c", probe], check=False).returncode == 0


def _line_of_input() -> bytes:
    """One line, unbuffered: a forked process would have a copy of what was read ahead."""
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 65536)
        if not read:
            return b""
        line += read
    return line


if __name__ == "__main__":
    sys.exit(_serve())
