"""The signals that mean "save and exit", recorded from the first line of a trainer on.

A scheduler, `systemctl stop` and a shutdown send them to every process of a job at once: the trainer records
them, its loader workers ignore them, and so the order of their arrival does not matter.
"""

from __future__ import annotations

import signal
from types import FrameType

from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS, STOP_SIGNALS


class StopSignals:
    """Records the last of `STOP_SIGNALS`; `number` is None until one arrives."""

    def __init__(self) -> None:
        self.number: int | None = None

    def listen(self) -> None:
        """Install the handlers, which only record, and receive what was deferred until now.

        A hang-up of any terminal is ignored.
        """
        for number in STOP_SIGNALS:
            signal.signal(number, self._record)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)

    def _record(self, number: int, _frame: FrameType | None) -> None:
        self.number = number


def ignore_stop_signals() -> None:
    """Leave these signals to the trainer: for a process that ends with it, also where they were blocked."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
