"""The complete lines of a file that another process appends to.

Polling needs no notification from the system, which network filesystems do not deliver, and changes nothing.
A poll always begins at the start of a line: a torn line that its writer cuts off is never mixed with its
replacement. A file that was cut and has grown again shows by the bytes before that start.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.config.regular_files import RefusedFile
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.run_folder import file_descriptor

BLOCK = 256 * 1024  # bytes read at once: a hundredth of a second's work for a log
MOST_SKIPPED = 32 * 1024 * 1024
"""Bytes of a line that is skipped; a longer one is no line: a file may seem to have any size."""
LONGEST = 8 * 1024 * 1024  # bytes of a line
_EDGE = 4096  # bytes that a checksum of a LogPoint covers


@dataclass(frozen=True, slots=True)
class LogPoint:
    """The start of a line in a file, with checksums by which another file or another past is noticed."""

    offset: int  # bytes
    first: str  # SHA-256 of the first bytes of the file, `_EDGE` at most
    last: str  # and of those before `offset`

    @classmethod
    def at(cls, descriptor: int, offset: int) -> LogPoint:
        """The point at `offset` of an open file. Raises OSError."""
        size = min(_EDGE, offset)
        first, last = (os.pread(descriptor, size, start) for start in (0, offset - size))
        return cls(offset, hashlib.sha256(first).hexdigest(), hashlib.sha256(last).hexdigest())

    def is_end_of(self, path: Path) -> bool:
        """Whether the file at `path` ends at this point. Never raises."""
        try:
            descriptor = file_descriptor(path)
            try:
                size = os.fstat(descriptor).st_size
                return size == self.offset and LogPoint.at(descriptor, size) == self
            finally:
                os.close(descriptor)
        except OSError:
            return False


class LineFollower:
    """The lines of the file at `path` as they become complete; the file need not exist yet.

    Args:
        reading: the activity in errors: "cannot `reading`".
        longest: bytes of a line at most; a longer one is skipped.

    Attributes:
        generation: how often lines did not continue those before: the file was replaced, cut or removed, or
            a `window` was exceeded.
        exists: whether the file was there at the last poll.
        behind: whether the last poll stopped before the end, so that the next one has more at once.
        offset, size: bytes read so far, and the length of the file at the last poll.
        partial: the bytes after the last complete line at the last poll.
        overlong: lines of this generation that were skipped for their length.
    """

    def __init__(self, path: Path, *, reading: str, longest: int = LONGEST) -> None:
        self.path = path
        self._reading = reading
        self._longest = longest
        self._file: tuple[int, int] | None = None  # device and inode
        self._resumed: LogPoint | None = None  # where the next poll continues if that point is still there
        self.generation = 0
        self.exists = False
        self._restart()

    def _restart(self) -> None:
        self.offset = 0
        self.size = 0
        self.partial = b""
        self.behind = False
        self.overlong = 0
        self._inside_overlong = False
        self._skipped = 0  # bytes of a line that is too long
        self._edge = b""  # the bytes before `offset`, `_EDGE` at most

    def resume(self, point: LogPoint) -> None:
        """Continue at `point` with the next poll, the first one.

        Where the file is another by then, or has another past, that poll begins at its start (`generation`).
        """
        self.offset, self._resumed = point.offset, point

    def point(self) -> LogPoint | None:
        """The point that was reached; None within a line that is too long, and where the file is another now.

        Raises:
            StorageError: the file exists and cannot be read.
        """
        if self._inside_overlong:
            return None
        try:
            descriptor = file_descriptor(self.path)
            try:
                status = os.fstat(descriptor)
                same = self._file == (status.st_dev, status.st_ino) and status.st_size >= self.offset
                if not same or self._has_new_past(descriptor):
                    return None
                return LogPoint.at(descriptor, self.offset)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError.of(self._reading, self.path, error) from error

    def poll(self, *, block: int = BLOCK, window: int | None = None) -> list[bytes]:
        """The lines of at most `block` further bytes, without their newlines; none where there is no file.

        Args:
            block: a longer line is still returned whole, up to `longest`.
            window: where more bytes than this are new, only the last of them are read (instead of `block`),
                from the first start of a line in them.

        Raises:
            StorageError: the file exists and cannot be read.
        """
        self.behind = False
        try:
            descriptor = file_descriptor(self.path)
            try:
                self._identify(descriptor)
                if window is not None:
                    return self._newest(descriptor, window)
                if self._skipped > max(MOST_SKIPPED, self._longest):
                    raise RefusedFile(
                        f"a line of more than {self._skipped} bytes, which no run writes", self.path
                    )
                if self.size == self.offset:
                    self.partial = b""
                    return []
                content = os.pread(descriptor, min(block, self._longest), self.offset)
                if b"\n" not in content and len(content) >= block:
                    content = os.pread(descriptor, self._longest, self.offset)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            self.exists = False
            self._lose_resumed()
            return []
        except OSError as error:
            raise StorageError.of(self._reading, self.path, error) from error
        return self._split(content)

    def _identify(self, descriptor: int) -> None:
        """Restart where this is not the file of the last poll, or is shorter than what was read."""
        status = os.fstat(descriptor)
        if self._resumed is not None:
            known = status.st_size >= self.offset and LogPoint.at(descriptor, self.offset) == self._resumed
            if known:
                self._resumed = None
                self._edge = os.pread(descriptor, min(_EDGE, self.offset), max(0, self.offset - _EDGE))
            self._lose_resumed()
        file = (status.st_dev, status.st_ino)
        removed = self._file is not None and not self.exists  # a new file may get the old inode
        cut = status.st_size < self.offset
        grown = status.st_size > self.offset
        other = removed or self._file != file or cut or (grown and self._has_new_past(descriptor))
        if self._file is not None and other:
            self.generation += 1
            self._restart()
        self._file, self.exists, self.size = file, True, status.st_size

    def _has_new_past(self, descriptor: int) -> bool:
        """Whether the file was cut below `offset` and has grown beyond it since."""
        size = len(self._edge)
        return os.pread(descriptor, size, self.offset - size) != self._edge

    def _advance(self, content: bytes) -> None:
        """Count the bytes at `offset` as read."""
        self.offset += len(content)
        self._edge = (self._edge + content[-_EDGE:])[-_EDGE:]

    def _lose_resumed(self) -> None:
        """Restart where the point to resume at was not found."""
        if self._resumed is not None:
            self._resumed = None
            self.generation += 1
            self._restart()

    def _split(self, content: bytes) -> list[bytes]:
        end = content.rfind(b"\n") + 1
        overlong = end == 0 and len(content) >= self._longest
        self.behind = (end > 0 or overlong) and self.offset + len(content) < self.size
        self.partial = b"" if overlong else content[end:]
        if end == 0:
            if overlong:  # counted once, however many polls it lasts
                self.overlong += not self._inside_overlong
                self._inside_overlong = True
                self._skipped += len(content)
                self._advance(content)
            return []
        self._advance(content[:end])
        lines = content[: end - 1].split(b"\n")
        if self._inside_overlong:
            del lines[0]
            self._inside_overlong = False
            self._skipped = 0
        return lines

    def _newest(self, descriptor: int, window: int) -> list[bytes]:
        """The lines of the new bytes, or of the last `window` of them."""
        skip = self.size - self.offset > window
        if skip:
            self.generation += 1
            self.offset, self._edge = self.size - window, b""
        content = os.pread(descriptor, self.size - self.offset, self.offset)
        if skip:
            begin = content.find(b"\n") + 1
            self._advance(content[:begin])
            content = content[begin:]
        *lines, self.partial = content.split(b"\n")
        self._advance(content[: len(content) - len(self.partial)])
        return lines
