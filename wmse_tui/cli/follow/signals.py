"""Signals while a run is followed: recorded by number, acted upon by the follower, never in the handler.

SIGHUP is the exception: the terminal has hung up and there is nothing to save here, so the process exits at
once. A hang-up that was ignored from the start (nohup) stays ignored.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any

from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS

ECHO_SECONDS = 0.4
"""A wrapper may forward a Ctrl-C to a process that has received it already: one key press counts once."""


class Signals:
    """Collects SIGINT, SIGTERM and a scheduler's warnings between `__enter__` and `__exit__`."""

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._last = float("-inf")
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._record)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _exit_hung_up)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @property
    def pending(self) -> bool:
        """Whether a signal is waiting to be taken."""
        return bool(self._pending)

    def take(self) -> tuple[int, ...]:
        """Return the signals recorded since the last call, oldest first."""
        taken, self._pending = tuple(self._pending), []
        return taken

    def _record(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGINT and now - self._last < ECHO_SECONDS:
            return
        self._last = now
        self._pending.append(number)


def exit_for(number: int) -> ExitCode:
    """Return the exit code of a command that was interrupted by signal `number`."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED


def exit_on_warnings() -> None:
    """Let a scheduler's warnings mean what SIGTERM means until a run is followed: without a handler they end
    a process with a status that no script expects."""
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, _exit_terminated)


def _exit_terminated(*_: object) -> None:
    raise SystemExit(ExitCode.TERMINATED)


def _exit_hung_up(*_: object) -> None:
    os._exit(ExitCode.HUNG_UP)
