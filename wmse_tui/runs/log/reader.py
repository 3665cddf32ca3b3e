"""The records of a log that another process is still writing, as their lines become complete."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.runs.errors import EventError
from wmse_tui.runs.log.encoding import decode, split
from wmse_tui.runs.log.events import Count, Record
from wmse_tui.runs.log.follow import BLOCK, LONGEST, LineFollower, LogPoint


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a log was read, and what was found so far: a reader of another process continues from there."""

    point: LogPoint
    next_seq: Count  # expected of the next record
    missing: Count
    unreadable: Count


_READING = "read the run's log"
_HEAD = 4096  # bytes that hold the first record of most logs


def first_time(path: Path) -> float | None:
    """When the log at `path` was begun, in unix seconds; None where there is no record yet.

    Raises:
        StorageError: the log exists and cannot be read.
    """
    lines = LineFollower(path, reading=_READING)
    while True:
        for line in lines.poll(block=_HEAD):
            with suppress(EventError):
                return split(line)[0].t  # its fields are not checked
        if not lines.behind:
            return None


class EventReader:
    """The records of the log at `path`, in order, as they appear.

    Args:
        longest: bytes of a line at most; a longer one is skipped.

    Attributes:
        missing: records that are absent by the numbering.
        generation, behind, offset, size: as in LineFollower. Records of an earlier generation are obsolete.
    """

    def __init__(self, path: Path, *, longest: int = LONGEST) -> None:
        self._lines = LineFollower(path, reading=_READING, longest=longest)
        self._restart()

    def _restart(self) -> None:
        self.generation = self._lines.generation
        self.missing = 0
        self._damaged = 0
        self._expected = 1

    @property
    def behind(self) -> bool:
        return self._lines.behind

    @property
    def offset(self) -> int:
        return self._lines.offset

    @property
    def size(self) -> int:
        return self._lines.size

    @property
    def unreadable(self) -> int:
        """Lines that were no event of this version."""
        return self._damaged + self._lines.overlong

    def resume(self, position: LogPosition) -> None:
        """Continue from `position` with the next poll, the first one; see `LineFollower.resume`."""
        self._lines.resume(position.point)
        self._expected = position.next_seq
        self.missing, self._damaged = position.missing, position.unreadable

    def position(self) -> LogPosition | None:
        """How far the log was read; None where that cannot be recorded (`LineFollower.point`).

        Raises:
            StorageError: the log exists and cannot be read.
        """
        point = self._lines.point()
        return None if point is None else LogPosition(point, self._expected, self.missing, self.unreadable)

    def poll(self, *, block: int = BLOCK) -> tuple[Record, ...]:
        """The records of at most `block` further bytes; none where the log does not exist yet.

        Raises:
            StorageError: the log exists and cannot be read.
        """
        lines = self._lines.poll(block=block)
        if self._lines.generation != self.generation:
            self._restart()
        return tuple(record for record in map(self._record, lines) if record is not None)

    def _record(self, line: bytes) -> Record | None:
        try:
            record = decode(line)
        except EventError:
            self._damaged += 1
            return None
        self.missing += max(0, record.seq - self._expected)
        self._expected = record.seq + 1
        return record
