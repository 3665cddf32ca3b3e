"""The complete lines of a file that another process appends to.

Polling needs no notification from the system, which network filesystems do not deliver, and changes nothing.
A poll always begins at the start of a line: a torn line that its writer cuts off is never mixed with its
replacement.
"""

from __future__ import annotations

import os
from pathlib import Path

from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.run_folder import file_descriptor

BLOCK = 256 * 1024  # bytes read at once: a hundredth of a second's work for a log
LONGEST = 8 * 1024 * 1024  # bytes of a line


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
                self._identify(os.fstat(descriptor))
                if window is not None:
                    return self._newest(descriptor, window)
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
            return []
        except OSError as error:
            raise StorageError.of(self._reading, self.path, error) from error
        return self._split(content)

    def _identify(self, status: os.stat_result) -> None:
        """Restart where this is not the file of the last poll, or is shorter than what was read."""
        file = (status.st_dev, status.st_ino)
        removed = self._file is not None and not self.exists  # a new file may get the old inode
        if self._file is not None and (removed or self._file != file or status.st_size < self.offset):
            self.generation += 1
            self._restart()
        self._file, self.exists, self.size = file, True, status.st_size

    def _split(self, content: bytes) -> list[bytes]:
        end = content.rfind(b"\n") + 1
        overlong = end == 0 and len(content) >= self._longest
        self.behind = (end > 0 or overlong) and self.offset + len(content) < self.size
        self.partial = b"" if overlong else content[end:]
        if end == 0:
            if overlong:  # counted once, however many polls it lasts
                self.overlong += not self._inside_overlong
                self._inside_overlong = True
                self.offset += len(content)
            return []
        self.offset += end
        lines = content[: end - 1].split(b"\n")
        if self._inside_overlong:
            del lines[0]
            self._inside_overlong = False
        return lines

    def _newest(self, descriptor: int, window: int) -> list[bytes]:
        """The lines of the new bytes, or of the last `window` of them."""
        skip = self.size - self.offset > window
        if skip:
            self.generation += 1
            self.offset = self.size - window
        content = os.pread(descriptor, self.size - self.offset, self.offset)
        if skip:
            begin = content.find(b"\n") + 1
            self.offset += begin
            content = content[begin:]
        *lines, self.partial = content.split(b"\n")
        self.offset += len(content) - len(self.partial)
        return lines
