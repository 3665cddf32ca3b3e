"""What remains of an unhandled error: a file for a report, and a sentence for the terminal."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from wmse_tui.config.atomic import append_private, make_private_folder
from wmse_tui.config.locations import cache_dir


def note_crash(error: BaseException) -> Path | None:
    """Write the traceback into the cache folder and return the file; None where it cannot be written."""
    folder = cache_dir() / "crashes"
    path = folder / time.strftime(f"app-%Y%m%d-%H%M%S-{os.getpid()}.txt")
    try:
        make_private_folder(folder)
        with append_private(path) as file:
            file.write("".join(traceback.format_exception(error)).encode(errors="backslashreplace"))
    except OSError:
        return None
    return path
