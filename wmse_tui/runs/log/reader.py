"""Reading a log that somebody else is still writing: a poll gives the lines that have become whole.

The reader changes nothing and needs no notification (those do not cross network filesystems). It always
begins at the start of a line: a torn line that the writer takes back is never mixed with its replacement.
"""

from __future__ import annotations

import os
from pathlib import Path

from wmse_tui.runs.errors import EventError, StorageError
from wmse_tui.runs.log.encoding import decode
from wmse_tui.runs.log.events import Record

_BLOCK = 256 * 1024  # bytes read at once: a hundredth of a second's work
_LONGEST = 8 * 1024 * 1024  # bytes; a longer line is none of ours


class EventReader:
    """The records of the log at `path`, in order, as they appear.

    Args:
        longest: bytes of a line at most; one that is longer is passed over.

    Attributes:
        unreadable: lines that were no event of this version.
        missing: records that the numbering says should be there and are not.
        generation: how often the log was begun anew (the file was replaced or cut): what was read before no
            longer counts.
        behind: whether the last poll stopped before the end, so that the next one has more at once.
        offset, size: how far the log has been read, and how long it was at the last poll, in bytes.
    """

    def __init__(self, path: Path, *, longest: int = _LONGEST) -> None:
        self.path = path
        self._longest = longest
        self.generation = 0
        self.behind = False
        self._restart()
        self._file: tuple[int, int] | None = None

    def _restart(self) -> None:
        self.unreadable = 0
        self.missing = 0
        self.size = 0
        self.offset = 0  # always the start of a line
        self._expected = 1
        self._inside_giant = False

    def poll(self, *, block: int = _BLOCK) -> tuple[Record, ...]:
        """The records of at most `block` further bytes; none where the log does not exist yet.

        Raises:
            StorageError: the log is there and cannot be read.
        """
        self.behind = False
        try:
            with self.path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if self._file not in (None, identity) or status.st_size < self.offset:
                    self.generation += 1
                    self._restart()
                self._file = identity
                self.size = status.st_size
                if status.st_size == self.offset:
                    return ()
                content = os.pread(file.fileno(), min(block, self._longest), self.offset)
                if b"\n" not in content and len(content) >= block:
                    content = os.pread(file.fileno(), self._longest, self.offset)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageError.of("read the run's log", self.path, error) from error
        return self._take(content)

    def _take(self, content: bytes) -> tuple[Record, ...]:
        end = content.rfind(b"\n") + 1
        too_long = end == 0 and len(content) >= self._longest
        self.behind = (end > 0 or too_long) and self.offset + len(content) < self.size
        if end == 0:
            if too_long:  # no line is that long: pass over it, and count it once
                self.unreadable += not self._inside_giant
                self._inside_giant = True
                self.offset += len(content)
            return ()
        self.offset += end
        lines = content[: end - 1].split(b"\n")
        if self._inside_giant:
            del lines[0]
            self._inside_giant = False
        return tuple(record for record in map(self._record, lines) if record is not None)

    def _record(self, line: bytes) -> Record | None:
        try:
            record = decode(line)
        except EventError:
            self.unreadable += 1
            return None
        self.missing += max(0, record.seq - self._expected)
        self._expected = record.seq + 1
        return record


def read_log(path: Path) -> tuple[Record, ...]:
    """All records of a log as it is now. Raises StorageError."""
    reader = EventReader(path)
    records = list(reader.poll())
    while reader.behind:
        records += reader.poll()
    return tuple(records)
