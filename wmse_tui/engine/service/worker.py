"""One thread for each kind of request, in which the newest request replaces the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wmse_tui.engine.jsonl import Throttle
from wmse_tui.engine.service.protocol import AnswerWriter, Request


class Cancelled(Exception):
    """The request was cancelled or replaced."""


class Job:
    """A request that is being answered.

    Attributes:
        gpu_used: the work computed on a GPU, which holds memory for this process until it ends.
    """

    def __init__(self, request: Request, answers: AnswerWriter) -> None:
        self.request = request
        self.gpu_used = False
        self.cancelled = threading.Event()
        self._answers = answers
        self._throttle = Throttle()

    def check(self) -> None:
        """Raise `Cancelled` if the request was cancelled."""
        if self.cancelled.is_set():
            raise Cancelled

    def progress(self, name: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        """Report progress: the first and the last of each part, and in between a few times a second.

        Raises:
            Cancelled: the request was cancelled.
        """
        self.check()
        if self._throttle.due(name, done, total):
            self.write({"progress": {"name": name, "done": done, "total": total, "unit": unit}})

    def write(self, fields: dict[str, Any]) -> None:
        """Write a line about this request."""
        self._answers.write(self.request.id, fields)

    def end(self, fields: dict[str, Any]) -> None:
        """Write the last line, which for a cancelled request reports only that."""
        self.write({"cancelled": True} if self.cancelled.is_set() else fields)


class RequestWorker:
    """A thread that answers one request at a time.

    Args:
        name: of the thread.
        work: turns a job into the fields of its last line; whatever it raises but `Cancelled` is an error in
            this program.
    """

    def __init__(self, name: str, work: Callable[[Job], dict[str, Any]]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._waiting: Job | None = None
        self._current: Job | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, job: Job) -> None:
        """Answer `job` next, and cancel the earlier ones."""
        with self._changed:
            replaced, self._waiting = self._waiting, job
            if self._current is not None:
                self._current.cancelled.set()
            self._changed.notify()
        if replaced is not None:
            replaced.cancelled.set()
            replaced.end({})

    def cancel(self, number: int) -> None:
        """Cancel request `number`, if it is still unanswered."""
        waiting = None
        with self._changed:
            if self._current is not None and self._current.request.id == number:
                self._current.cancelled.set()
            if self._waiting is not None and self._waiting.request.id == number:
                waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancelled.set()
            waiting.end({})

    def idle(self) -> bool:
        """Whether no request is unanswered."""
        with self._changed:
            return self._current is None and self._waiting is None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None)
                job = self._current = self._waiting
                self._waiting = None
            assert job is not None
            try:
                last = self._work(job)
            except Cancelled:
                last = {"cancelled": True}
            job.end(last)
            with self._changed:
                self._current = None
