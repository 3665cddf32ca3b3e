"""The standard streams of a command: always open, and never a reason to end it.

A scheduler's log on a full disk, `>&-` and a terminal of another encoding must not end the following of a
run. So what stdout or stderr cannot store is dropped, which `lost` reports, and a character that the encoding
lacks is replaced. A reader of stdout that has exited and a terminal that has hung up are still errors: the
command then leaves the run alone.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

_PASSED_ON = (errno.EPIPE, errno.EIO)


class _Tolerant(io.FileIO):
    """Bytes to a descriptor; what the system refuses counts as written."""

    def __init__(self, descriptor: int, passed_on: tuple[int, ...]) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._passed_on = passed_on
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write some of `data`; all of it counts as written where the system refuses it."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in self._passed_on or isinstance(error, BlockingIOError):
                raise
            self.error = error
            return memoryview(data).nbytes


class Streams:
    """The tolerant stdout and stderr of this process."""

    def __init__(self) -> None:
        for descriptor in range(3):
            _open_if_closed(descriptor)
        if sys.stdin is None:
            sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 (for good)
        self._stdout = _Tolerant(1, _PASSED_ON)
        # A reader of messages that has exited is no reason to leave a run: stdout is what is followed.
        self._stderr = _Tolerant(2, (errno.EIO,))
        sys.stdout = _text(self._stdout, sys.stdout)
        sys.stderr = _text(self._stderr, sys.stderr)

    @property
    def lost(self) -> OSError | None:
        """Why some of stdout was dropped; None: all of it was written."""
        return self._stdout.error


def _open_if_closed(descriptor: int) -> None:
    """Open /dev/null in place of a closed descriptor, which the next file would become.

    It stays open in the program that a command becomes (`follow`).
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null == descriptor:
            os.set_inheritable(null, True)
        else:
            os.dup2(null, descriptor)
            os.close(null)


def _text(raw: _Tolerant, replaced: TextIO | None) -> io.TextIOWrapper:
    if replaced is not None:
        with suppress(OSError, ValueError):
            replaced.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(replaced, "encoding", None) or "utf-8",
        errors="replace",
        line_buffering=raw.fileno() == 2 or raw.isatty(),
    )
