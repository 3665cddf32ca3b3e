"""The newest request of a kind takes the place of the others, and every request gets one last line."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from wmse_tui.engine.service.protocol import Request
from wmse_tui.engine.service.worker import Cancelled, Job, RequestWorker

SECONDS = 20.0


class Said:
    """Collects lines; `next` waits for the next one that is no progress."""

    def __init__(self) -> None:
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()

    def write(self, number: int | None, fields: Mapping[str, Any]) -> None:
        if "progress" not in fields:
            self.lines.put({"id": number, **fields})

    def next(self) -> dict[str, Any]:
        return self.lines.get(timeout=SECONDS)


def job_of(number: int, said: Any) -> Job:
    return Job(Request(id=number, ask="measure", config="", fields={}), said)


def test_a_newer_request_ends_the_one_at_work_and_the_one_that_waits() -> None:
    said, started, go_on = Said(), threading.Event(), threading.Event()

    def work(job: Job) -> dict[str, Any]:
        started.set()
        assert go_on.wait(SECONDS)
        job.check()
        return {"answer": job.request.id}

    lane = RequestWorker("lane", work)
    lane.submit(job_of(1, said))
    assert started.wait(SECONDS)
    lane.submit(job_of(2, said))
    lane.submit(job_of(3, said))
    assert said.next() == {"id": 2, "cancelled": True}
    go_on.set()
    assert said.next() == {"id": 1, "cancelled": True}
    assert said.next() == {"id": 3, "answer": 3}
    assert said.lines.empty()


def test_an_answer_that_comes_too_late_is_not_given() -> None:
    said, started, go_on = Said(), threading.Event(), threading.Event()

    def deaf(job: Job) -> dict[str, Any]:
        started.set()
        assert go_on.wait(SECONDS)
        return {"answer": job.request.id}

    lane = RequestWorker("lane", deaf)
    lane.submit(job_of(1, said))
    assert started.wait(SECONDS)
    lane.cancel(99)
    lane.cancel(1)
    go_on.set()
    assert said.next() == {"id": 1, "cancelled": True}
    assert said.lines.empty()


def test_a_request_that_waits_can_be_cancelled() -> None:
    said, started, go_on = Said(), threading.Event(), threading.Event()

    def work(job: Job) -> dict[str, Any]:
        started.set()
        assert go_on.wait(SECONDS)
        return {"answer": job.request.id}

    lane = RequestWorker("lane", work)
    lane.submit(job_of(1, said))
    assert started.wait(SECONDS)
    later = job_of(2, said)
    lane.submit(later)
    lane.cancel(2)
    assert said.next() == {"id": 2, "cancelled": True}
    assert not lane.idle()
    go_on.set()
    assert said.next() == {"id": 1, "cancelled": True}


def test_progress_ends_a_request_that_is_wanted_no_more() -> None:
    job = job_of(1, Said())
    job.progress("reading", 1, 2, "images")
    job.cancelled.set()
    with pytest.raises(Cancelled):
        job.progress("reading", 2, 2, "images")
