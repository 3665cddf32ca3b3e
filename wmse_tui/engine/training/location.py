"""Where a run's directory is: it may be renamed or moved on its disk while its trainer works in it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.identity import directory_identity


class RunLocation:
    """Follows the directory of `run` by an open descriptor, which a move does not change.

    Where the system does not name it (no /proc), or it was moved to another disk, which is a copy and a
    removal, `run` stays what it was.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._descriptor = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self._identity = status.st_dev, status.st_ino

    def find(self) -> RunDirectory:
        """The run's directory; the very same object while it has not moved."""
        if directory_identity(self.run.path) != self._identity:
            with suppress(OSError):
                path = Path(f"/proc/self/fd/{self._descriptor}").readlink()
                if directory_identity(path) == self._identity:
                    self.run = RunDirectory(path)
        return self.run

    def close(self) -> None:
        """Release the directory."""
        os.close(self._descriptor)
