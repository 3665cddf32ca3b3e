"""Signals while a run is followed: noted by number, acted upon by the follower, never in the handler.

SIGHUP is the exception: the terminal is gone and nothing here is worth saving, so the process leaves at once.
A hang-up that was ignored from the start (nohup) stays ignored.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any

from wmse_tui.cli.exits import ExitCode

_NOTED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""A scheduler warns with one of the last two before it ends a job (SLURM: `--signal=B:USR1@120`)."""
ECHO_SECONDS = 0.4
"""A wrapper may pass a Ctrl-C on to a process that had it already: the same key is not counted twice."""


class Signals:
    """Collects SIGINT, SIGTERM and a scheduler's warnings between `__enter__` and `__exit__`."""

    def __init__(self) -> None:
        self._noted: list[int] = []
        self._last = float("-inf")
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in _NOTED:
            self._before[number] = signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _leave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @property
    def noted(self) -> bool:
        """Whether a signal waits to be taken."""
        return bool(self._noted)

    def take(self) -> tuple[int, ...]:
        """Return the signals noted since the last call, oldest first."""
        taken, self._noted = tuple(self._noted), []
        return taken

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGINT and now - self._last < ECHO_SECONDS:
            return
        self._last = now
        self._noted.append(number)


def exit_for(number: int) -> ExitCode:
    """Return the exit status of a command that was interrupted by signal `number`."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED


def _leave(*_: object) -> None:
    os._exit(ExitCode.HUNG_UP)
