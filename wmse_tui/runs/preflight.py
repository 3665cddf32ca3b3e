"""Cheap checks before anything is created: may runs be written there, and does a checkpoint fit?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wmse_tui.runs.errors import BadPlace, NotAFolder
from wmse_tui.runs.text.units import size

TOO_LITTLE = 200_000_000
"""Bytes: under this, the first checkpoints of a ResNet-18 with Adam (about 150 MB each) do not fit."""
SCARCE = 1_000_000_000
"""Bytes: under this, the two newest checkpoints, the best and the final one may not fit together."""


def check_runs_dir(root: Path) -> str:
    """Check the folder for runs; returns a note for the user, or "".

    Raises:
        BadPlace: runs cannot be written there, or the disk is as good as full; NotAFolder where it is a file.
    """
    existing = nearest_existing(root)
    elsewhere = "put runs elsewhere: --runs-dir DIR, or set WMSE_TUI_RUNS"
    if not existing.is_dir():
        raise NotAFolder(
            f"the folder for runs cannot be made: {existing} is a file",
            f"wanted: {root}",
            next=(elsewhere,),
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise BadPlace(
            f"the folder for runs cannot be written: {existing}",
            _why_not_writable(existing),
            next=(elsewhere,),
        )
    disk = shutil.disk_usage(existing)
    if not disk.total:  # no disk: /proc and its like, which report the reason when written to
        return ""
    free = disk.free
    if free < TOO_LITTLE:
        raise BadPlace(
            f"the disk is full: {size(free)} left for runs",
            f"{root} needs at least {size(TOO_LITTLE)} for its checkpoints",
            next=("free some space (`wmse-tui rm RUN` removes old runs)", elsewhere),
        )
    if free < SCARCE:
        return f"only {size(free)} are left on the disk of {root}; checkpoints may not fit"
    return ""


def _why_not_writable(folder: Path) -> str:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "that file system is read-only"
    about = folder.stat()
    return (
        f"it belongs to user {about.st_uid} with mode {about.st_mode & 0o777:03o}; you are user {os.getuid()}"
    )


def nearest_existing(path: Path) -> Path:
    """Return `path`, or the nearest folder above it that exists and can be seen by this user."""
    path = path.expanduser().absolute()
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110 - Path.exists raises EACCES
        path = path.parent
    return path
