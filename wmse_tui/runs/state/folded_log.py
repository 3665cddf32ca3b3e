"""The state that the log of a run folds to, up to date, and the digest that its trainer writes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.log.reader import EventReader, LogPosition
from wmse_tui.runs.state.config import summarise
from wmse_tui.runs.state.digest import read_digest, write_digest
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

_SMALL = 128 * 1024  # bytes of a digest that is written as often as there is a reason to
_GROWTH = 8  # bytes of a larger digest for each byte that the log has grown since the one before


class RecordSink(Protocol):
    """Accepts every record of a log as it is read: an ActivityLog, or a list."""

    def extend(self, records: Iterable[Record], /) -> None:
        """Add the next records."""

    def clear(self) -> None:
        """Forget all of them: the log was restarted."""


class FoldedLog:
    """Reads the log of a run: from its digest on, or all of it where the records are wanted.

    Args:
        run: the run.
        records: what the records are passed to.

    Attributes:
        state: what the log folds to as far as it was read, without its status.
    """

    def __init__(self, run: RunDirectory, *, records: RecordSink | None = None) -> None:
        self.run = run
        self._records = records
        self._reader = EventReader(run.events)
        self._generation = 0
        digest = read_digest(run) if records is None else None
        if digest is None:
            self.state = self._empty()
        else:
            self.state = digest.state
            self._reader.resume(digest.position)

    def _empty(self) -> RunState:
        return RunState(run_id=self.run.id, path=str(self.run.path), summary=summarise(self.run.config))

    @property
    def behind(self) -> bool:
        """Whether the last block was not the end of the log."""
        return self._reader.behind

    @property
    def share(self) -> float:
        """The share of the log that was read."""
        return self._reader.offset / self._reader.size

    @property
    def unreadable(self) -> int:
        """Lines and records that could not be used."""
        return self.state.unreadable + self._reader.unreadable

    @property
    def missing(self) -> int:
        """Records that the numbering says should be there."""
        return self._reader.missing

    def read_block(self) -> None:
        """Read and fold the next block of the log.

        Raises:
            StorageError: the log is there and cannot be read.
        """
        records = self._reader.poll()
        if self._reader.generation != self._generation:
            self._generation = self._reader.generation
            self.state = self._empty()
            if self._records is not None:
                self._records.clear()
        self.state = fold(self.state, records)
        if self._records is not None:
            self._records.extend(records)

    def position(self) -> LogPosition | None:
        """How far the log was read, for a digest. Raises StorageError."""
        return self._reader.position()


class DigestWriter:
    """Writes the digest of the run that this process trains, as a reader of its log.

    Bytes written are bounded by those of the log: a digest is written anew once the log has grown by a share
    of it. So what readers must still fold is a small part of a log, and a step costs the same in a run of a
    million.

    Args:
        locate: returns the run, whose directory may have been moved.
    """

    def __init__(self, locate: Callable[[], RunDirectory]) -> None:
        self._locate = locate
        self._log: FoldedLog | None = None
        self._size = 0  # bytes of the last digest
        self._offset = 0  # in the log, of the last digest

    def update(self, *, last: bool = False) -> None:
        """Bring the digest up to date where that is due, or in any case (`last`). Never raises.

        A disk that refuses it costs nothing but the time that readers save.
        """
        with suppress(OSError, RunsError, ValueError):
            run = self._locate()
            if not (last or self._is_due(run)):
                return
            log, self._log = self._log, None  # begin anew after a failure
            if log is None or log.run != run:
                log = FoldedLog(run)
            log.read_block()
            while log.behind:
                log.read_block()
            position = log.position()
            if position is not None:
                self._offset = position.point.offset
                self._size = write_digest(run, position, log.state)
            self._log = log

    def _is_due(self, run: RunDirectory) -> bool:
        grown = run.events.stat().st_size - self._offset
        return grown > 0 and (self._size <= _SMALL or grown * _GROWTH >= self._size)
