"""Room on the disk that a running trainer holds, and gives up so that its last words can be written."""

from __future__ import annotations

import os

from wmse_tui.runs.directory import RunDirectory

RESERVE_BYTES = 4 * 2**20
"""Enough for the events that wait while three checkpoints in a row are refused, and for the error itself."""


def preallocate(run: RunDirectory) -> None:
    """Take the room, really allocated; a disk without it holds none, and the run goes on."""
    try:
        descriptor = os.open(run.reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        release(run)


def release(run: RunDirectory) -> None:
    """Let the room go; nothing happens where none is held."""
    run.reserve.unlink(missing_ok=True)
