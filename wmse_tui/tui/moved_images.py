"""Runs whose images are no longer in the folders of their configuration: the user says where they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.app import App

from wmse_tui.config.locations import expanded
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.process.rebind import missing_folders, rebind_run
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.dialogs import Ask


async def locate_images(app: App[Any], runs: Sequence[RunDirectory]) -> bool:
    """Ask for each folder of images that does not exist, once, and give the answers to the runs.

    Returns:
        Whether every run has its folders now; False where the user cancelled.

    Raises:
        RunsError: a run is being trained, or cannot be given another folder.
    """
    missing = await asyncio.to_thread(lambda: [(run, missing_folders(run)) for run in runs])
    found: dict[Path, str] = {}
    for run, folders in missing:
        for option, folder in folders.items():
            if folder not in found:
                answer: str | None = await app.push_screen_wait(_question(run, option, folder))
                if answer is None:
                    return False
                found[folder] = str(expanded(Path(answer)))
    for run, folders in missing:
        overrides = [f"{option}={found[folder]}" for option, folder in folders.items()]
        if overrides:
            try:
                await asyncio.to_thread(rebind_run, run, overrides)
            except ConfigError as error:
                raise StorageError("the run cannot be given another folder", str(error)) from error
    return True


def _question(run: RunDirectory, option: str, folder: Path) -> Ask:
    text = (
        f"{safe(run.id, 60)} finds no folder {safe(str(folder), 200)} ({option}).\n\n"
        "Where are its images now? Others than those that it began with are refused."
    )
    return Ask("Moved images", text, value=safe(str(folder), 500), check=_problem)


def _problem(text: str) -> str:
    try:
        return "" if expanded(Path(text)).is_dir() else "There is no such folder."
    except (OSError, ValueError) as error:
        return str(error)
