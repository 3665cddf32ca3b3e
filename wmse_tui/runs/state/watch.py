"""Watching a run: from its directory to its current RunState, for every viewer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Checkpoint, Record
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.process.liveness import TrainerEvidence, gather_evidence, status_of
from wmse_tui.runs.state.config import summarise
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.orphan_checkpoints import orphan_checkpoints
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status


class RecordSink(Protocol):
    """What is passed every record of a log as it is read: an ActivityLog, or a list."""

    def extend(self, records: Iterable[Record], /) -> None:
        """Take the next records."""

    def clear(self) -> None:
        """Forget all of them: the log was begun anew."""


class RunWatcher:
    """Polls one run; four times a second is plenty and costs nearly nothing while nothing happens.

    Args:
        run: the run.
        records: what the records are passed to, so that a log is read and parsed once.
        clock: seconds, for the time without growth.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        records: RecordSink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self._records = records
        self._clock = clock
        self._reader = EventReader(run.events)
        self._empty = RunState(run_id=run.id, path=str(run.path), summary=summarise(run.config))
        self._folded = self._empty
        self._shown = self._empty
        self._generation = 0
        self._grown_at: float | None = None
        self._found: tuple[RunState, tuple[Checkpoint, ...]] | None = None

    @property
    def behind(self) -> float | None:
        """The share of the log that has been read where the last poll ran out of time, else None."""
        return self._reader.offset / self._reader.size if self._reader.behind else None

    def poll(self, *, budget_seconds: float | None = None) -> RunState:
        """The run as it is now; the very same object as before where nothing changed.

        Args:
            budget_seconds: how long to read, though a block at least. A longer log then comes as pictures of
                its beginning, one a poll, each with more of it (`behind`).

        Raises:
            StorageError: the log is there and cannot be read.
        """
        before, begun = self._folded, self._clock()
        while True:
            records = self._reader.poll()
            if self._reader.generation != self._generation:
                self._generation = self._reader.generation
                self._folded = self._empty
                if self._records is not None:
                    self._records.clear()
            self._folded = fold(self._folded, records)
            if self._records is not None:
                self._records.extend(records)
            if not self._reader.behind:
                break
            if budget_seconds is not None and self._clock() - begun >= budget_seconds:
                break
        status, reason, position = self._status(grown=self._folded is not before)
        shown = replace(
            self._folded,
            status=status,
            status_reason=reason,
            position=position,
            unreadable=self._folded.unreadable + self._reader.unreadable,
            missing=self._reader.missing,
        )
        if status == "crashed":  # it may have died between a checkpoint and the line that tells of it
            shown = replace(shown, checkpoints=(*shown.checkpoints, *self._unlogged()))
        if shown != self._shown:
            self._shown = shown
        return self._shown

    def _unlogged(self) -> tuple[Checkpoint, ...]:
        """Looked for once for what is folded: nobody makes any while the run has no trainer."""
        if self._found is None or self._found[0] is not self._folded:
            self._found = self._folded, orphan_checkpoints(self.run, self._folded)
        return self._found[1]

    def _status(self, *, grown: bool) -> tuple[Status, str, int]:
        if self._reader.behind:  # the last word may be in what is not read yet
            running = gather_evidence(self.run).lock_held
            return ("running", "", 0) if running else ("unknown", "its log is being read", 0)
        evidence = self._look(grown=grown)
        status, reason = status_of(self._folded, evidence)
        number = evidence.position.number if evidence.position is not None and status == "queued" else 0
        return status, reason, number

    def _look(self, *, grown: bool) -> TrainerEvidence:
        now = self._clock()
        if self._grown_at is None:
            self._grown_at = now - self._age()
        elif grown:
            self._grown_at = now
        return gather_evidence(self.run, since_growth=now - self._grown_at)

    def _age(self) -> float:
        """Seconds from the last record to the first poll, by the clocks of its writer and of this machine."""
        updated = self._folded.updated
        return 0.0 if updated is None else max(0.0, time.time() - updated)


def view_run(run: RunDirectory) -> RunState:
    """The run as it is now, for those who look once. Raises StorageError."""
    return RunWatcher(run).poll()
