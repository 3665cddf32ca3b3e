"""A screenshot of the app as an SVG file: in the run on the screen, or else in the current folder."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from wmse_tui.config.atomic import publish
from wmse_tui.config.locations import working_dir
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import publish_file
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.services import ServicesApp


async def save_screenshot(app: ServicesApp, run: RunDirectory | None) -> None:
    """Write what is on the screen, and report where, or why it cannot be written."""
    image = app.export_screenshot(title=safe(f"wmse-tui {run.id}" if run is not None else "wmse-tui"))
    name = time.strftime("screen-%Y%m%d-%H%M%S.svg")
    try:
        path = await asyncio.to_thread(_write, run, name, image.encode())
    except OSError as error:
        reason = f"{Path(error.filename or '').parent}: {error.strerror or error}"
        app.services.notify(f"The screen cannot be written: {reason}", severity="error")
    else:
        app.services.notify(f"The screen is in {path}")


def _write(run: RunDirectory | None, name: str, content: bytes) -> Path:
    """Write the file into the run; where there is none or it cannot be written, into the current folder.

    Raises:
        OSError: neither accepts it; the error of the first one.
    """
    first_error: OSError | None = None
    if run is not None:
        try:
            publish_file(run.artifacts / name, content)
        except OSError as error:
            first_error = error
        else:
            return run.artifacts / name
    path = working_dir() / name
    try:
        publish(path, content)
    except OSError as error:
        raise first_error or error from None
    return path
