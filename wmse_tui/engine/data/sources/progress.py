"""Progress of a long preparation, reported at a rate that costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, float, float, str], None]
"""What is being done ("fetching stl10_binary.tar.gz"), done, total (0: unknown), unit; may raise to stop."""

REPORT_SECONDS = 0.2


class ProgressMeter:
    """Counts the pieces of one task and reports at its start, at its end and a few times a second.

    Args:
        progress: called with the counts.
        name: what is being done.
        total: how many `unit` there are; 0 if unknown.
        unit: "bytes", "images", "files".
        done: how many are already done.
    """

    def __init__(self, progress: Progress, name: str, *, total: float, unit: str, done: float = 0) -> None:
        self._progress = progress
        self._name = name
        self._total = total
        self._unit = unit
        self._reported = time.monotonic()
        self.done = done
        progress(name, done, total, unit)

    def advance(self, count: float) -> None:
        """Count some more."""
        self.done += count
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS or self.done == self._total:
            self.report()

    def report(self) -> None:
        """Report now, as before a pause."""
        self._reported = time.monotonic()
        self._progress(self._name, self.done, self._total, self._unit)
