"""Work that may wait for a disk that does not answer, while requests are polled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from wmse_tui.engine.data.sources.progress import Progress

Result = TypeVar("Result")

THREAD = "polled work"
INTERVAL_SECONDS = 0.25
GRACE_SECONDS = 5.0
"""How long work that is asked to end may need to leave the disk in order, before it is left alone."""


class _Ended(BaseException):
    """Unwinds the work; no handler of errors inside it may stop that."""


def run_polled(work: Callable[[Progress], Result], *, progress: Progress, poll: Callable[[], None]) -> Result:
    """Run `work` in a thread; its reports and `poll` are called in this one.

    Args:
        work: receives the function to report its progress with.
        progress, poll: if either raises, `work` is ended at its next report, or left alone if it makes none.

    Raises:
        What `work`, `progress` or `poll` raise.
    """
    reports: queue.SimpleQueue[tuple[str, float, float, str] | None] = queue.SimpleQueue()
    ended = threading.Event()
    results: list[Result] = []
    errors: list[BaseException] = []

    def report(name: str, done: float, total: float, unit: str) -> None:
        if ended.is_set():
            raise _Ended
        reports.put((name, done, total, unit))

    def body() -> None:
        try:
            results.append(work(report))
        except BaseException as error:  # noqa: BLE001  raised again by the caller
            errors.append(error)
        reports.put(None)

    thread = threading.Thread(target=body, name=THREAD, daemon=True)
    thread.start()
    try:
        while True:
            try:
                found = reports.get(timeout=INTERVAL_SECONDS)
            except queue.Empty:
                poll()
                continue
            if found is None:
                break
            progress(*found)
    except BaseException:
        ended.set()
        thread.join(GRACE_SECONDS)
        raise
    if errors:
        raise errors[0]
    return results[0]


def work_is_left() -> bool:
    """Whether work was left alone that still waits: Python would wait for its threads at exit."""
    return any(thread.name == THREAD for thread in threading.enumerate())
