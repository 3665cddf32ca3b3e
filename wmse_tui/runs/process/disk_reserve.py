"""Disk space that a running trainer preallocates, and frees so that its last events can be written."""

from __future__ import annotations

import os
from contextlib import suppress

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import remove_file, update_file

RESERVE_BYTES = 4 * 2**20
"""Enough for the events that wait while three checkpoints in a row are refused, and for the error itself."""


def preallocate(run: RunDirectory) -> None:
    """Allocate the space on the disk; where there is too little, allocate nothing and raise nothing."""
    try:
        descriptor = update_file(run.reserve, os.O_WRONLY)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        free(run)


def free(run: RunDirectory) -> None:
    """Free the space; nothing happens where none was allocated."""
    with suppress(OSError):  # also where the directory was moved or removed
        remove_file(run.reserve)
