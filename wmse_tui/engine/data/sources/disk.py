"""Disk space, permissions and kinds of files: checked before, and explained as `DataError` after."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import NoReturn

from wmse_tui.engine.errors import DataError
from wmse_tui.runs.preflight import nearest_existing
from wmse_tui.runs.text.sanitize import safe

_FREE_SPACE = ("free some space, or set dataset.root (or WMSE_TUI_DATA) to a larger disk, and start again",)


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Refuse before the first byte what does not fit.

    Raises:
        DataError: `folder` has less than `needed` bytes free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"not enough space in {folder}",
            f"{bytes_text(needed)} needed {purpose}, {bytes_text(free)} free",
            next=_FREE_SPACE,
        )


def refuse_os(error: OSError, path: Path, purpose: str) -> NoReturn:
    """Raise an error of the operating system about `path` as a DataError.

    Raises:
        DataError: always.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        raise DataError(
            f"no space left to {purpose}", f"{safe(str(path))}: {error.strerror}", next=_FREE_SPACE
        ) from error
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        raise DataError(
            f"no permission to {purpose}",
            f"{safe(str(path))}: {error.strerror}; {_ownership(path)}",
            next=(
                "set dataset.root (or WMSE_TUI_DATA) to a folder you may write to",
                "or ask the owner for the data",
            ),
        ) from error
    raise DataError(f"cannot {purpose}", f"{path}: {error.strerror or error}") from error


def bytes_text(count: int) -> str:
    """A number of bytes as text: 2.6 GB, 812 kB, 431 bytes."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:,.0f} {unit}"
    return f"{count:,} bytes"


def _ownership(path: Path) -> str:
    """The owner of the nearest existing folder, and of this process."""
    folder = nearest_existing(path)
    try:
        status = folder.stat()
    except OSError as error:
        return f"{folder}: {error.strerror}"
    mode = status.st_mode & 0o7777
    return f"{folder} belongs to uid {status.st_uid} (mode {mode:04o}), this is uid {os.geteuid()}"
