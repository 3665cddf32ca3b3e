"""The newest request of a kind replaces the others, and every request gets one last line."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from wmse_tui.engine.service.protocol import Request
from wmse_tui.engine.service.worker import Cancelled, Job, RequestWorker

SECONDS = 20.0


class QueueWriter:
    """Collects lines; `next` waits for the next one that is no progress."""

    def __init__(self) -> None:
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()

    def write(self, number: int | None, fields: Mapping[str, Any]) -> None:
        if "progress" not in fields:
            self.lines.put({"id": number, **fields})

    def next(self) -> dict[str, Any]:
        return self.lines.get(timeout=SECONDS)


def job_of(number: int, lines: Any) -> Job:
    return Job(Request(id=number, ask="measure", config="", fields={}), lines)


def test_a_newer_request_cancels_the_running_and_the_waiting_one() -> None:
    lines, started, proceed = QueueWriter(), threading.Event(), threading.Event()

    def work(job: Job) -> dict[str, Any]:
        started.set()
        assert proceed.wait(SECONDS)
        job.check()
        return {"answer": job.request.id}

    worker = RequestWorker("worker", work)
    worker.submit(job_of(1, lines))
    assert started.wait(SECONDS)
    worker.submit(job_of(2, lines))
    worker.submit(job_of(3, lines))
    assert lines.next() == {"id": 2, "cancelled": True}
    proceed.set()
    assert lines.next() == {"id": 1, "cancelled": True}
    assert lines.next() == {"id": 3, "answer": 3}
    assert lines.lines.empty()


def test_the_answer_of_a_cancelled_request_is_dropped() -> None:
    lines, started, proceed = QueueWriter(), threading.Event(), threading.Event()

    def uninterrupted(job: Job) -> dict[str, Any]:
        started.set()
        assert proceed.wait(SECONDS)
        return {"answer": job.request.id}

    worker = RequestWorker("worker", uninterrupted)
    worker.submit(job_of(1, lines))
    assert started.wait(SECONDS)
    worker.cancel(99)
    worker.cancel(1)
    proceed.set()
    assert lines.next() == {"id": 1, "cancelled": True}
    assert lines.lines.empty()


def test_a_waiting_request_can_be_cancelled() -> None:
    lines, started, proceed = QueueWriter(), threading.Event(), threading.Event()

    def work(job: Job) -> dict[str, Any]:
        started.set()
        assert proceed.wait(SECONDS)
        return {"answer": job.request.id}

    worker = RequestWorker("worker", work)
    worker.submit(job_of(1, lines))
    assert started.wait(SECONDS)
    later = job_of(2, lines)
    worker.submit(later)
    worker.cancel(2)
    assert lines.next() == {"id": 2, "cancelled": True}
    assert not worker.idle()
    proceed.set()
    assert lines.next() == {"id": 1, "cancelled": True}


def test_progress_ends_a_cancelled_request() -> None:
    job = job_of(1, QueueWriter())
    job.progress("reading", 1, 2, "images")
    job.cancelled.set()
    with pytest.raises(Cancelled):
        job.progress("reading", 2, 2, "images")
