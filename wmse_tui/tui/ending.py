"""Ends the app promptly, with the terminal restored and an exit status that names the cause.

Textual ignores SIGTERM, SIGHUP and the death of its output thread, and its event loop blocks while the
terminal accepts no bytes. So signals, a hang-up of the terminal and errors in threads are handled here: the
app is requested to exit, and a watchdog ends the process if it does not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from textual.app import App

from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS, TERMINATING

GRACE_SECONDS = 1.2
"""Seconds from a signal to the end of the process, also if the terminal blocks."""
POLL_SECONDS = 0.4  # seconds between two checks of the terminal
DRAIN_SECONDS = 0.5  # seconds to discard what is being written to a stuck terminal
_PIECE = 0.02

# First what ends a sequence that was cut off (a string, a frame), then what Textual turned on.
RESTORE = (
    "\x1b\\\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1006l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
)

Handler = Callable[[int, FrameType | None], Any] | int | None


class Ending:
    """A context around the run of an app; `signal` is what ended it, if that was a signal or a hang-up."""

    def __init__(self, app: App[Any]) -> None:
        self.signal: int | None = None
        self._app = app
        self._handlers: dict[int, Handler] = {}
        self._thread_hook = threading.excepthook
        self._over = threading.Event()
        self._freeing: threading.Thread | None = None
        self._terminal = sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
        self._modes: list[Any] | None = None

    def __enter__(self) -> Ending:
        with contextlib.suppress(termios.error):
            self._modes = termios.tcgetattr(self._terminal)
        # SIGHUP even where it was ignored (nohup): without a terminal there is no app.
        for number in ENDING_SIGNALS:
            self._handlers[number] = signal.signal(number, self._on_signal)
        threading.excepthook = self._on_thread_error
        threading.Thread(target=self._watch_terminal, name="hang-up watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.signal is None and hung_up(self._terminal):
            self.signal = signal.SIGHUP
        self._over.set()
        if self._freeing is not None:  # the terminal is being restored; the process ends with that
            self._freeing.join(timeout=DRAIN_SECONDS)
        threading.excepthook = self._thread_hook
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._begin(signal.SIGTERM if number in TERMINATING else number)

    def _watch_terminal(self) -> None:
        """A hang-up without a signal (a lost controlling terminal) is found by polling."""
        while not self._over.wait(POLL_SECONDS):
            if hung_up(self._terminal):
                self._begin(signal.SIGHUP)
                return

    def _on_thread_error(self, error: threading.ExceptHookArgs) -> None:
        """An error that ended a thread: without the thread the app would seem fine and never change."""
        if isinstance(error.exc_value, OSError) and hung_up(self._terminal):
            self._begin(signal.SIGHUP)
        elif isinstance(error.exc_value, Exception):
            self._in_loop(self._app._handle_exception, error.exc_value)  # noqa: SLF001 (there is no public way)

    def _begin(self, number: int) -> None:
        if self.signal is not None:
            return
        self.signal = number
        threading.Thread(target=self._watchdog, name="watchdog", daemon=True).start()
        self._in_loop(self._app.exit, 128 + number)

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        loop = self._app._loop  # noqa: SLF001
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(call, *arguments)

    def _watchdog(self) -> None:
        if self._over.wait(GRACE_SECONDS):
            return
        self._freeing = threading.current_thread()
        if self._over.is_set():  # just now
            return
        with contextlib.suppress(OSError, termios.error):
            self._free_terminal()
        os._exit(128 + (self.signal or signal.SIGTERM))

    def _free_terminal(self) -> None:
        """Restore a terminal that accepts no more bytes; pending output is discarded."""
        # A background process may not touch its terminal; ours must not be stopped for it at the last moment.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        # Reopened: the present file description is shared with the shell and must not become non-blocking.
        terminal = os.open(os.ttyname(self._terminal), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        _to_devnull(self._terminal)
        # A thread in the middle of a write blocks the terminal; a signal interrupts the write.
        for thread in threading.enumerate():
            if thread is not self._freeing and thread.ident is not None:
                signal.pthread_kill(thread.ident, signal.SIGTERM)
        if self._modes is not None:
            termios.tcsetattr(terminal, termios.TCSANOW, self._modes)
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            termios.tcflush(terminal, termios.TCOFLUSH)
            try:
                os.write(terminal, RESTORE.encode())
            except BlockingIOError:
                time.sleep(_PIECE)
            else:
                break


def hung_up(descriptor: int) -> bool:
    """Whether `descriptor` is a terminal that has hung up."""
    try:
        termios.tcgetattr(descriptor)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def detach_dead_streams() -> None:
    """Redirect standard streams that have hung up to /dev/null: flushing them would fail at the end."""
    for descriptor in range(3):
        if hung_up(descriptor):
            _to_devnull(descriptor)


def _to_devnull(descriptor: int) -> None:
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, descriptor)
    os.close(devnull)
