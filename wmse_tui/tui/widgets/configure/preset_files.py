"""Saving a draft as a preset, loading a configuration, naming the next run: what the dialogs ask and do."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from wmse_tui.config.draft import Draft, command_line, name_fault, preset_file, save_preset
from wmse_tui.config.locations import expanded, runs_dir, working_dir
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import check_name
from wmse_tui.runs.errors import BadRunName
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui.dialogs import Ask, Confirm, CopyText, ProblemDialog
from wmse_tui.tui.path_completion import PathInput
from wmse_tui.tui.services import ServicesApp
from wmse_tui.tui.widgets.configure.preset_library import PresetLibrary, file_entry


async def save_draft(app: ServicesApp, library: PresetLibrary, draft: Draft) -> bool:
    """Ask for a name and write the draft into the folder of the user's presets; whether it was written."""
    entry = library.entry
    if entry is None:
        return False
    own = entry.key if entry.kind == "user" else f"{draft.base.name.partition('.')[0]}-mine"
    text = "Name of the preset; its file names what it extends and lists the differences."
    name = await app.push_screen_wait(Ask("Save as preset", text, value=own, check=name_fault))
    if not name:
        return False
    file = preset_file(name)
    if await asyncio.to_thread(os.path.lexists, file):
        text = f"You already have a preset {safe(name, 80)}:\n{safe(str(file), 300)}"
        question = Confirm("Replace?", text, yes="Replace", no="Keep", danger=True)
        if not await app.push_screen_wait(question):
            return False
    try:
        await asyncio.to_thread(save_preset, draft, name)
    except ConfigError as error:
        app.push_screen(ProblemDialog.of("the preset cannot be saved", error))
        return False
    entry = library.entry
    if entry is not None and entry.key != name and entry.kind not in ("copy", "images"):
        library.reset_all()  # what was changed there is in the new preset now
    library.reload(name)
    library.choose(name)
    app.services.notify(str(file), title="Saved")
    return True


async def load_file(app: ServicesApp, library: PresetLibrary) -> bool:
    """Ask for a file, or the folder of a run, and edit its configuration; whether there is one."""
    text = ""
    while True:
        question = Ask(
            "Load",
            "A configuration file, or the folder of a run; tab completes. Relative paths start in\n"
            f"{safe(str(working_dir()), 300)}",
            value=text,
            placeholder="experiment.yaml",
            check=lambda text: "" if text.isprintable() else "a path has no such characters",
            line=PathInput,
        )
        text = (await app.push_screen_wait(question) or "").strip()
        if not text:
            return False
        try:
            entry = await asyncio.to_thread(file_entry, expanded(Path(text)))
        except (ConfigError, OSError) as error:
            await app.push_screen_wait(ProblemDialog.of("the file cannot be used", error))
            continue  # with the path that was typed
        library.add(entry)
        library.choose(entry.key)
        return True


def copy_command(app: ServicesApp, draft: Draft, run_name: str) -> None:
    """Copy the command line that starts the same run, and show it."""
    root = app.services.runs_root
    line = command_line(
        draft, name=run_name or None, runs_dir=None if root == runs_dir() else root.absolute()
    )
    app.copy_to_clipboard(line)
    app.push_screen(CopyText("The same from a shell", line))


async def ask_run_name(app: ServicesApp, name: str) -> str | None:
    """Ask for the name of the next run; None where that was cancelled."""
    text = "Name of the next run, which is also that of its folder. Empty: preset, date and time."
    check = partial(_run_name_problem, app.services.runs_root)
    answer: str | None = await app.push_screen_wait(Ask("Name the run", text, value=name, check=check))
    return answer


async def reset_draft(app: ServicesApp, library: PresetLibrary) -> bool:
    """Undo all changes, after a question; whether there were any and the answer was yes."""
    draft = library.draft
    if draft is None or not draft.active:
        app.services.notify("Nothing differs from the preset.")
        return False
    text = f"{count(len(draft.active), 'change')} would be lost: {safe(', '.join(draft.active), 400)}"
    if not await app.push_screen_wait(Confirm("Reset all?", text, yes="Reset", no="Keep")):
        return False
    library.reset_all()
    return True


def _run_name_problem(root: Path, name: str) -> str:
    if not name:
        return ""
    try:
        check_name(name)
    except BadRunName as error:
        return error.detail
    return f"there is a run named {name} already; choose another name" if os.path.lexists(root / name) else ""
