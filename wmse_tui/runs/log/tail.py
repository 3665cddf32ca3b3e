"""The end of a growing text file, in a bounded number of lines: what a trainer and its libraries printed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from wmse_tui.runs.log.follow import LineFollower
from wmse_tui.runs.text.sanitize import safe

LINES = 3000
_WINDOW = 256 * 1024  # bytes of an old file that are read at all
_LONGEST = 2000  # characters of a line that are shown


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The last lines, sanitised; `left_out` bytes before them were not read or not stored."""

    lines: tuple[str, ...] = ()
    left_out: int = 0


class LogTail:
    """Follows the file at `path`, which need not exist; a file that was restarted is read from its start.

    Args:
        lines: stored at most.
        window: bytes read at once at most; those before them are only counted.
    """

    def __init__(self, path: Path, *, lines: int = LINES, window: int = _WINDOW) -> None:
        self._follower = LineFollower(path, reading="read the trainer's output")
        self._limit = lines
        self._window = window
        self._lines: deque[tuple[str, int]] = deque()  # a line, and its length in the file
        self._seen: tuple[int, bytes] = (0, b"")  # generation and unfinished line of the last poll
        self._end = LogEnd()

    def poll(self) -> LogEnd:
        """The end of the file as it is now; the identical object where nothing changed.

        Raises:
            StorageError: the file exists and cannot be read.
        """
        follower = self._follower
        new = follower.poll(window=self._window)
        if not follower.exists:
            self._lines.clear()
            self._end = LogEnd() if self._end.lines else self._end
            return self._end
        seen = (follower.generation, follower.partial)
        if not new and seen == self._seen:
            return self._end
        if follower.generation != self._seen[0]:
            self._lines.clear()
        self._seen = seen
        skipped = max(0, len(new) - self._limit)
        self._lines.extend((_shown(line), len(line) + 1) for line in islice(new, skipped, None))
        while len(self._lines) > self._limit:
            self._lines.popleft()
        unfinished = (_shown(follower.partial),) if follower.partial else ()
        left_out = follower.offset - sum(length for _, length in self._lines)
        self._end = LogEnd((*(line for line, _ in self._lines), *unfinished), left_out)
        return self._end


def overwritten(line: bytes) -> str:
    """The text of a line as a terminal ends up showing it: a carriage return overwrites what precedes it."""
    return line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]


def _shown(line: bytes) -> str:
    return safe(overwritten(line).expandtabs(4), _LONGEST)
