"""Watching a run: from its directory to its current RunState, for every viewer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Checkpoint
from wmse_tui.runs.process.liveness import TrainerEvidence, gather_evidence, patience, status_of
from wmse_tui.runs.state.folded_log import FoldedLog, RecordSink
from wmse_tui.runs.state.orphan_checkpoints import orphan_checkpoints
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status


class RunWatcher:
    """Polls one run; four times a second is enough and costs nearly nothing while nothing happens.

    Args:
        run: the run.
        records: what the records are passed to, so that a log is read and parsed once.
        clock: seconds, for the time without growth.

    Attributes:
        crash_unconfirmed: whether the last poll found the run crashed by the times in its log alone, and this
            watcher has not yet seen it unchanged for `patience`: on a machine whose clock is far behind, its
            trainer may still be running.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        records: RecordSink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self._clock = clock
        self._log = FoldedLog(run, records=records)
        self._shown = self._log.state
        self._grown_at: float | None = None  # by this machine's clock, from the last record's time at first
        self._seen_at = 0.0  # when this watcher began to see the log as it is
        self._checked_at = 0.0
        self.crash_unconfirmed = False
        self._found: tuple[RunState, tuple[Checkpoint, ...]] | None = None

    @property
    def behind(self) -> float | None:
        """The share of the log that has been read where the last poll ran out of time, else None."""
        return self._log.share if self._log.behind else None

    def poll(self, *, budget_seconds: float | None = None) -> RunState:
        """The run as it is now; the identical object where nothing changed.

        Args:
            budget_seconds: how long to read, though a block at least. The states of a longer
                log are then those of its beginning, each poll with more of it (`behind`).

        Raises:
            StorageError: the log is there and cannot be read.
        """
        before, begun = self._log.state, self._clock()
        self._log.read_block()
        while self._log.behind and (budget_seconds is None or self._clock() - begun < budget_seconds):
            self._log.read_block()
        folded = self._log.state
        status, reason, position = self._status(grown=folded is not before)
        shown = replace(
            folded,
            status=status,
            status_reason=reason,
            position=position,
            unreadable=self._log.unreadable,
            missing=self._log.missing,
        )
        if status == "crashed":  # it may have died between a checkpoint and its event
            shown = replace(shown, checkpoints=(*shown.checkpoints, *self._unlogged()))
        if shown != self._shown:
            self._shown = shown
        return self._shown

    def _unlogged(self) -> tuple[Checkpoint, ...]:
        """Searched once for each folded state: none is made while the run has no trainer."""
        if self._found is None or self._found[0] is not self._log.state:
            self._found = self._log.state, orphan_checkpoints(self.run, self._log.state)
        return self._found[1]

    def _status(self, *, grown: bool) -> tuple[Status, str, int]:
        if self._log.behind:  # an exit event may be in what is not read yet
            running = gather_evidence(self.run).lock_held
            return ("running", "", 0) if running else ("unknown", "its log is being read", 0)
        evidence = self._evidence(grown=grown)
        status, reason = status_of(self._log.state, evidence)
        by_log = status == "crashed" and not evidence.local and not evidence.lock_held
        self.crash_unconfirmed = by_log and self._clock() - self._seen_at <= patience(self._log.state)
        number = evidence.position.number if evidence.position is not None and status == "queued" else 0
        return status, reason, number

    def _evidence(self, *, grown: bool) -> TrainerEvidence:
        now = self._clock()
        if self._grown_at is None:
            self._seen_at, self._grown_at = now, now - self._age()
        elif grown:  # since the last check, which may be long ago: the app may have been suspended
            self._seen_at, self._grown_at = now, max(self._checked_at, now - self._age())
        self._checked_at = now
        return gather_evidence(self.run, since_growth=now - self._grown_at)

    def _age(self) -> float:
        """Seconds since the last record, by the clocks of its writer and of this machine."""
        updated = self._log.state.updated
        return 0.0 if updated is None else max(0.0, time.time() - updated)


def view_run(run: RunDirectory) -> RunState:
    """The state of the run now, read once. Raises StorageError."""
    return RunWatcher(run).poll()
