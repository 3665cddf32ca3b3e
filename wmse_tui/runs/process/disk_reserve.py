"""Disk space that a running trainer preallocates, and frees so that its last events can be written."""

from __future__ import annotations

import os
from contextlib import suppress

from wmse_tui.runs.directory import RunDirectory

RESERVE_BYTES = 4 * 2**20
"""Enough for the events that wait while three checkpoints in a row are refused, and for the error itself."""


def preallocate(run: RunDirectory) -> None:
    """Allocate the space on the disk; where there is too little, allocate nothing and raise nothing."""
    try:
        descriptor = os.open(run.reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        free(run)


def free(run: RunDirectory) -> None:
    """Free the space; nothing happens where none was allocated."""
    with suppress(OSError):  # also where the directory was moved or removed
        run.reserve.unlink()
