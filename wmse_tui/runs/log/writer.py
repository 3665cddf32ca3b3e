"""The only writer of a run's log: a failing disk costs neither an intact line nor the run.

Opening repairs what an interrupted writer left (a last line without its newline) and raises where it cannot.
After that a full or failing disk stops nothing: the file is cut back to the last whole line, events wait in
memory, and each further write tries again.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from wmse_tui.config.regular_files import RefusedFile
from wmse_tui.runs.errors import EventError, NewerVersion, StorageError
from wmse_tui.runs.log.encoding import encode_event, join, split
from wmse_tui.runs.log.events import Event, Phase, Steps
from wmse_tui.runs.log.follow import LONGEST
from wmse_tui.runs.run_folder import update_file

WAITING = 10_000  # events that may wait for the disk; at a few a second that is an hour or more
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An encoded event that is not yet on the disk; those with `progress` are dropped first."""

    t: float
    attempt: int
    text: str
    progress: bool


class EventWriter:
    """Appends events to the log at `path`; safe to call from several threads of one process.

    Attributes:
        error: that of the last attempt to write, None while writing succeeds.
        dropped: events discarded because too many were waiting (progress and steps first).

    Raises:
        StorageError: the log cannot be opened or repaired.
        NewerVersion: a later version of this program wrote it.
    """

    def __init__(self, path: Path, *, waiting: int = WAITING) -> None:
        self.path = path
        self.error: OSError | None = None
        self.dropped = 0
        self._limit = waiting
        self._waiting: deque[_Waiting] = deque()
        self._mutex = threading.Lock()
        try:
            self._descriptor: int | None = update_file(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise StorageError.of("open the run's log", path, error) from error
        try:
            self._end = _repair(self._descriptor, path)
            self.seq, self.attempt = _last(self._descriptor, self._end, path)
        except OSError as error:
            self.close()
            raise StorageError.of("repair the run's log", path, error) from error
        except NewerVersion:
            self.close()
            raise

    def begin_attempt(self) -> int:
        """The number that the events from now on carry: one more than the last in the log."""
        with self._mutex:
            self.attempt += 1
            return self.attempt

    def write(self, event: Event) -> None:
        """Append one event, or store it until the disk accepts it; a failing disk shows in `error`.

        Raises:
            EventError: the event itself cannot be written, whatever the disk.
            StorageError: the writer is closed.
        """
        if self._descriptor is None:
            raise StorageError("cannot write to the run's log", f"{self.path} was closed")
        text = encode_event(event)  # refused here, where the caller is on the stack
        with self._mutex:
            progress = isinstance(event, (Phase, Steps))
            self._waiting.append(_Waiting(time.time(), self.attempt, text, progress))
            self._flush()
            while len(self._waiting) > self._limit:
                self._drop()

    def sync(self) -> bool:
        """Flush everything to the disk itself; False (see `error`) where that is not possible now."""
        with self._mutex:
            if self._descriptor is None:
                return False
            self._flush()
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self.error = error
            return self.error is None

    def close(self) -> None:
        """Try once more to write what waits, and close the file; a second call does nothing."""
        with self._mutex:
            if self._descriptor is None:
                return
            self._flush()
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.close(descriptor)
            except OSError as error:  # network filesystems report a full disk here
                self.error = error

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush(self) -> None:
        assert self._descriptor is not None
        while self._waiting:
            event = self._waiting[0]
            line = join(self.seq + 1, event.t, event.attempt, event.text).encode() + b"\n"
            try:
                self._append(line)
            except OSError as error:
                self.error = error
                return
            self.seq += 1
            self._waiting.popleft()
        self.error = None

    def _append(self, line: bytes) -> None:
        """One line by one write, whole or not at all."""
        assert self._descriptor is not None
        if self.error is not None:
            self._cut(self._descriptor)  # it may have failed after the last failure
        written, failure = 0, None
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            failure = error
        if written < len(line):
            with suppress(OSError):
                self._cut(self._descriptor)
            message = f"{written} of {len(line)} bytes were written"
            raise failure or OSError(errno.ENOSPC, message, str(self.path))
        self._end += len(line)

    def _cut(self, descriptor: int) -> None:
        if os.fstat(descriptor).st_size > self._end:
            os.ftruncate(descriptor, self._end)

    def _drop(self) -> None:
        self.dropped += 1
        for index, event in enumerate(self._waiting):
            if event.progress:
                del self._waiting[index]
                return
        self._waiting.popleft()


def _repair(descriptor: int, path: Path) -> int:
    """Cut the file after its last newline; the size that remains. Raises RefusedFile for what is no log."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        _require_line(size - end, path)
        start = max(0, end - _BLOCK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _require_line(length: int, path: Path) -> None:
    if length > LONGEST:
        step = f"restore the log, or cut it after its last event: {path.name}"
        raise RefusedFile(f"a line of more than {LONGEST} bytes, which no run writes", path, next=(step,))


def _last(descriptor: int, size: int, path: Path) -> tuple[int, int]:
    """Sequence and attempt of the last line that is an event; (0, 0) where there is none."""
    end, rest = size, b""
    while end > 0:
        _require_line(len(rest), path)
        start = max(0, end - _BLOCK)
        lines = (os.pread(descriptor, end - start, start) + rest).split(b"\n")
        rest = lines.pop(0) if start > 0 else b""  # its beginning is in the block before
        for line in reversed(lines):
            try:
                header, _ = split(line)
            except NewerVersion:
                raise
            except EventError:
                continue
            return header.seq, header.attempt
        end = start
    return 0, 0
