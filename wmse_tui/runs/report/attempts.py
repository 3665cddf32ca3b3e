"""The attempts at a run: when each began and ended, on what, and what ended it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wmse_tui.runs.log.events import Attempt, Error, Exit, Record


@dataclass(slots=True)
class AttemptHistory:
    """One attempt as its records have it; times are unix seconds."""

    number: int
    began: float
    ended: float
    setup: Attempt | None = None
    error: Error | None = None
    exit: Exit | None = None

    @property
    def outcome(self) -> str:
        """What ended it, as text; "no exit event" where its process ended without one, or trains still."""
        if self.exit is None:
            return "no exit event"
        return self.exit.status + (f": {self.error.title}" if self.error is not None else "")


class AttemptCollector:
    """Accepts the records of a log (`RecordSink`) and retains its attempts."""

    def __init__(self) -> None:
        self._found: dict[int, AttemptHistory] = {}

    def extend(self, records: Iterable[Record], /) -> None:
        """Add the next records."""
        for record in records:
            one = self._found.setdefault(record.attempt, AttemptHistory(record.attempt, record.t, record.t))
            one.ended = record.t
            match record.event:
                case Attempt():
                    one.setup = record.event
                case Error():
                    one.error = record.event
                case Exit():
                    one.exit = record.event

    def clear(self) -> None:
        """Forget all of them: the log was restarted."""
        self._found.clear()

    @property
    def attempts(self) -> tuple[AttemptHistory, ...]:
        """The attempts so far, in their order."""
        return tuple(self._found.values())
