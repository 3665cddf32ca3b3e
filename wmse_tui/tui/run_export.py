"""Exporting a run from the app: a dialog, then `wmse-tui export` in a process of its own."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from textual.app import App

from wmse_tui.config.locations import expanded, working_dir
from wmse_tui.config.sections.backbone import no_counterpart
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.export_formats import EXPORT_FORMATS
from wmse_tui.runs.followers import followers_of
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.tui.dialogs import Confirm
from wmse_tui.tui.export_dialog import ExportDialog, ExportRow
from wmse_tui.tui.services import Notify

_SHOWN = 4  # lines of a refusal
_OF_THE_SHELL = (" --", "`wmse-tui ")  # steps of a refusal that only a command line can follow


async def export_run(app: App[int], notify: Notify, run: RunDirectory) -> None:
    """Ask for format and file, write the file, and report the result or the refusal."""
    folder, note = working_dir(), await asyncio.to_thread(_followers_line, run)
    title = f"Export {without_middle(safe(run.id), 50)}"
    rows, fitting = await asyncio.to_thread(_rows, run)
    choice = await app.push_screen_wait(
        ExportDialog(title, rows, safe(str(folder), 60), note, chosen=fitting)
    )
    if choice is None:
        return
    try:
        file = expanded(Path(choice.path), folder)
        exists = await asyncio.to_thread(os.path.lexists, file)
    except (OSError, RuntimeError, ValueError) as error:
        notify(f"{choice.path}: {error}", severity="error", title="Not exported")
        return
    if exists:
        text = f"There is {safe(str(file), 300)} already."
        question = Confirm("Replace the file?", text, yes="Replace", no="Keep", danger=True)
        if not await app.push_screen_wait(question):
            return
    notify(f"{run.id} is being exported as {choice.format}.")
    arguments = [str(run.path), "--format", choice.format, "--output", str(file)]
    code, output = await _run_command("export", *arguments, *(["--force"] if exists else []))
    if code == 0:
        notify(output or str(file), title="Exported")
    else:
        lines = (line for line in output.splitlines() if not any(each in line for each in _OF_THE_SHELL))
        text = "\n".join(lines)
        notify(text or f"the export ended with status {code}", severity="error", title="Not exported")


def _rows(run: RunDirectory) -> tuple[list[ExportRow], int]:
    """Every format with what it is and why it cannot be chosen, and the index of the first that can."""
    experiment = read_configuration(run).experiment
    unlike = no_counterpart(experiment.backbone) if experiment is not None else ""
    rows, fitting = [], []
    for index, (name, each) in enumerate(EXPORT_FORMATS.items()):
        about = each.title
        if each.of_torchvision and unlike:
            about = f"not of this encoder: {about}"
        elif each.missing_packages():
            about = f"needs wmse-tui[{each.extra}]: {about}"
        else:
            fitting.append(index)
        rows.append(ExportRow(name, name, about, f"{run.id}{each.suffix or '-' + name}"))
    return rows, fitting[0]


def _followers_line(run: RunDirectory) -> str:
    """Where the numbers of the run are sent, and how far each target has them; "" where nowhere."""
    parts = [f"{target} up to step {position.step:,}" for target, position in followers_of(run)]
    return f"Followed by {safe(', '.join(parts), 300)}." if parts else ""


async def _run_command(*arguments: str) -> tuple[int, str]:
    """Run `wmse-tui` with these arguments; its exit code, and its result or the reason of its refusal."""
    process = await asyncio.create_subprocess_exec(
        *interpreter_command("wmse_tui", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:  # the app is being left
            with suppress(ProcessLookupError):
                process.terminate()
    code = process.returncode or 0
    lines = err.decode(errors="replace").splitlines()
    if code == 0:
        return 0, next(iter(out.decode(errors="replace").splitlines() or lines[-1:]), "")
    at = next((index for index, line in enumerate(lines) if line.startswith("wmse-tui: ")), 0)
    text = "\n".join(lines[at : at + _SHOWN])
    return code, text.removeprefix("wmse-tui: ")
