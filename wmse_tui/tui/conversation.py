"""A child process that exchanges lines with one thread, which starts it, serves its pipes and ends it.

The process is tied to the thread that starts it: on Linux it may ask the kernel to end it with that thread.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import IO

from wmse_tui.runs.text.sanitize import safe

STDERR_BYTES = 4096  # bytes of stderr that are stored
LONGEST_LINE = 4 << 20
GRACE_SECONDS = 0.5  # between asking the process to end and ending it


class Conversation:
    """One process, from its start to its end.

    Args:
        command: what to start. Its group is its own: the terminal's Ctrl-C is not for it.
        bell: a pipe's end from which a byte can be read when `outbox` or `closed` has something new.
        outbox: returns the lines that are to be written, once.
        receive: is called with each line that the process writes.
        closed: whether the process is to be ended.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        bell: int,
        *,
        outbox: Callable[[], bytes],
        receive: Callable[[bytes], None],
        closed: Callable[[], bool],
    ) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, process_group=0
        )
        self._bell = bell
        self._outbox = outbox
        self._receive = receive
        self._closed = closed
        self._selector = selectors.DefaultSelector()
        self._unsent = b""
        self._unread = b""
        self._stderr_tail = b""

    def run(self) -> tuple[int, str]:
        """Exchange lines until the process has ended; returns its status and the end of its stderr."""
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        for stream in (stdin, stdout, stderr):
            os.set_blocking(stream.fileno(), False)
        with self._selector as selector, stdout, stderr:
            selector.register(self._bell, selectors.EVENT_READ, self._on_bell)
            selector.register(stdout, selectors.EVENT_READ, lambda: self._read_answers(stdout))
            selector.register(stderr, selectors.EVENT_READ, lambda: self._read_stderr_tail(stderr))
            self._unsent = self._outbox()
            running = True
            while running and not self._closed():
                self._select_writing(stdin)
                running = min(key.data() for key, _ in selector.select())
            with contextlib.suppress(OSError):
                stdin.close()
            status = self._end()
            self._read_stderr_tail(stderr)
        lines = self._stderr_tail.decode("utf-8", "replace").strip().splitlines()
        return status, safe(" / ".join(lines[-3:]), 400)

    def _select_writing(self, stdin: IO[bytes]) -> None:
        registered = stdin in self._selector.get_map()
        if self._unsent and not registered:
            self._selector.register(stdin, selectors.EVENT_WRITE, lambda: self._write(stdin))
        elif registered and not self._unsent:
            self._selector.unregister(stdin)

    def _on_bell(self) -> bool:
        os.read(self._bell, 4096)
        self._unsent += self._outbox()
        return True

    def _write(self, stdin: IO[bytes]) -> bool:
        try:
            self._unsent = self._unsent[os.write(stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            return False
        return True

    def _read_answers(self, stdout: IO[bytes]) -> bool:
        block = os.read(stdout.fileno(), 65536)
        *lines, self._unread = (self._unread + block).split(b"\n")
        for line in lines:
            self._receive(line)
        return bool(block) and len(self._unread) < LONGEST_LINE

    def _read_stderr_tail(self, stderr: IO[bytes]) -> bool:
        """Store what there is to read; a stderr that was closed is read no more."""
        with contextlib.suppress(BlockingIOError):
            block = os.read(stderr.fileno(), 65536)
            self._stderr_tail = (self._stderr_tail + block)[-STDERR_BYTES:]
            if not block and stderr in self._selector.get_map():
                self._selector.unregister(stderr)
        return True

    def _end(self) -> int:
        """Wait for the process, or end it; returns its status."""
        if self._closed():
            self._process.terminate()
        try:
            return self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def exit_text(status: int) -> str:
    """How a process ended, as text: "exit code 1", "killed by SIGSEGV"."""
    if status >= 0:
        return f"exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"killed by {name}" + (" (out of memory, perhaps)" if status == -signal.SIGKILL else "")
