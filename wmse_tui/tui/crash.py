"""What remains of an unhandled error: a file for a report, and a sentence for the terminal."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from wmse_tui.config.locations import cache_dir


def note_crash(error: BaseException) -> Path | None:
    """Write the traceback into the cache folder and return the file; None where it cannot be written."""
    folder = cache_dir() / "crashes"
    path = folder / time.strftime(f"app-%Y%m%d-%H%M%S-{os.getpid()}.txt")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(
            "".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace"
        )
    except OSError:
        return None
    return path
