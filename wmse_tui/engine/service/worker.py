"""One thread for each kind of request, in which the newest request takes the place of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from wmse_tui.engine.service.protocol import Answers, Request

PROGRESS_SECONDS = 0.2


class Cancelled(Exception):
    """The request is wanted no more."""


class Job:
    """A request on its way to an answer."""

    def __init__(self, request: Request, answers: Answers) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self._answers = answers
        self._told = ("", float("-inf"))

    def check(self) -> None:
        """Go on? Raises `Cancelled` if not."""
        if self.cancelled.is_set():
            raise Cancelled

    def progress(self, name: str, done: float = 0, total: float = 0, unit: str = "") -> None:
        """Tell how far it is: the first and the last of each part, and in between a few a second.

        Raises:
            Cancelled: the request is wanted no more.
        """
        self.check()
        now = time.monotonic()
        last_name, last_time = self._told
        if name != last_name or (total and done == total) or now - last_time >= PROGRESS_SECONDS:
            self._told = (name, now)
            self.say({"progress": {"name": name, "done": done, "total": total, "unit": unit}})

    def say(self, fields: dict[str, Any]) -> None:
        """Write a line about this request."""
        self._answers.write(self.request.id, fields)

    def end(self, fields: dict[str, Any]) -> None:
        """Write the last line, which for a cancelled request says only that."""
        self.say({"cancelled": True} if self.cancelled.is_set() else fields)


class RequestWorker:
    """Works on one request at a time.

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
        """Work on `job` next, and on no earlier one."""
        with self._changed:
            before, self._waiting = self._waiting, job
            if self._current is not None:
                self._current.cancelled.set()
            self._changed.notify()
        if before is not None:
            before.cancelled.set()
            before.end({})

    def cancel(self, number: int) -> None:
        """Work no more on request `number`, if it is still unanswered."""
        before = None
        with self._changed:
            if self._current is not None and self._current.request.id == number:
                self._current.cancelled.set()
            if self._waiting is not None and self._waiting.request.id == number:
                before, self._waiting = self._waiting, None
        if before is not None:
            before.cancelled.set()
            before.end({})

    def idle(self) -> bool:
        """Whether there is nothing to do."""
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
