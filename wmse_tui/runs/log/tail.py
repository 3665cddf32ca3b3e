"""The end of a growing text file, in a bounded number of lines: what a trainer and its libraries printed."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.text.sanitize import safe

LINES = 3000  # kept at most
_WINDOW = 256 * 1024  # bytes of an old file that are read at all
_LONGEST = 2000  # characters of a line that are shown


@dataclass(frozen=True, slots=True)
class Tail:
    """The last lines, fit for a terminal; `left_out` bytes before them were not read or not kept."""

    lines: tuple[str, ...] = ()
    left_out: int = 0


class LogTail:
    """Follows the file at `path`, which need not exist; a file that was begun again is read from its start.

    Args:
        lines: kept at most.
        window: bytes read at once at most; of what lies further back only the number of bytes is told.
    """

    def __init__(self, path: Path, *, lines: int = LINES, window: int = _WINDOW) -> None:
        self.path = path
        self._kept = lines
        self._window = window
        self._seen: tuple[int, int, int] | None = None  # device, inode, size
        self._restart()
        self._tail = Tail()

    def _restart(self) -> None:
        self._offset = 0
        self._left_out = 0
        self._lines: deque[tuple[str, int]] = deque()  # a line, and its length in the file
        self._rest = b""  # the line that has no end yet

    def poll(self) -> Tail:
        """The end of the file as it is now; the very same object as before where nothing changed.

        Raises:
            StorageError: the file is there and cannot be read.
        """
        try:
            with self.path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                now = (status.st_dev, status.st_ino, status.st_size)
                if now == self._seen:
                    return self._tail
                if self._seen is not None and (now[:2] != self._seen[:2] or now[2] < self._offset):
                    self._restart()
                self._seen = now
                content = self._read(file.fileno(), status.st_size)
        except FileNotFoundError:
            if self._seen is not None:
                self._seen = None
                self._restart()
                self._tail = Tail()
            return self._tail
        except OSError as error:
            raise StorageError.of("read the trainer's output", self.path, error) from error
        self._take(content)
        return self._tail

    def _read(self, descriptor: int, size: int) -> bytes:
        """What is new; only the last part of it, from the start of a line on, where it is too much."""
        if size - self._offset <= self._window:
            content = os.pread(descriptor, size - self._offset, self._offset)
            self._offset += len(content)
            return content
        self._restart()
        content = os.pread(descriptor, self._window, size - self._window)
        self._offset = size - self._window + len(content)
        begin = content.find(b"\n") + 1
        self._left_out = size - self._window + begin
        return content[begin:]

    def _take(self, content: bytes) -> None:
        *whole, self._rest = (self._rest + content).split(b"\n")
        skipped = max(0, len(whole) - self._kept)
        self._left_out += sum(len(line) + 1 for line in islice(whole, skipped))
        self._lines.extend((_shown(line), len(line) + 1) for line in whole[skipped:])
        while len(self._lines) > self._kept:
            self._left_out += self._lines.popleft()[1]
        last = (_shown(self._rest),) if self._rest else ()
        self._tail = Tail((*(line for line, _ in self._lines), *last), self._left_out)


def _shown(line: bytes) -> str:
    """What a terminal would show of a line: what stands before a carriage return was overwritten."""
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    return safe(text.expandtabs(4), _LONGEST)
