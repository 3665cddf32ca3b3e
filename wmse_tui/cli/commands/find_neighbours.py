"""`wmse-tui neighbours`: test images with their nearest training images, found in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from wmse_tui.cli.arguments import Json, RunOrCheckpoint, RunsDir
from wmse_tui.cli.engine_command import run_engine_command


def neighbours(target: RunOrCheckpoint, runs_dir: RunsDir = None, json: Json = False) -> None:
    """Find the nearest training images of some test images.

    Distances are between features of the trained encoder, as in k-NN. The classes are printed, the images
    are saved as a PNG file in the run; the Monitor screen shows them.
    """
    from wmse_tui.cli.locating import find_checkpoint_target
    from wmse_tui.runs.process.evaluation_process import neighbours_command_line

    found = find_checkpoint_target(target, runs_dir)
    run = found if found.is_dir() else found.parent.parent

    def lines(result: dict[str, Any]) -> list[str]:
        return neighbours_text(result, run)

    raise typer.Exit(
        run_engine_command(
            neighbours_command_line(str(found)), what="search for neighbours", as_json=json, lines=lines
        )
    )


def neighbours_text(result: dict[str, Any], run: Path) -> list[str]:
    """Return a line for each test image: its class and those of its neighbours; ! marks another class."""
    from wmse_tui.cli.table_text import aligned
    from wmse_tui.runs.directory import RunDirectory
    from wmse_tui.runs.text.units import percent

    rows = [tuple(map(str, row)) for row in result["classes"]]
    known = [row for row in rows if row[0]]
    shown = [("image", *(f"nearest {number}" for number in range(1, len(rows[0]))))] if rows else []
    for image, *others in rows:
        marked = (f"! {name or '-'}" if image and name != image else name or "-" for name in others)
        shown.append((image or "-", *marked))
    text = aligned(shown)
    alike = sum(name == row[0] for row in known for name in row[1:])
    pairs = sum(len(row) - 1 for row in known)
    if pairs:
        text.append(f"{percent(alike / pairs)} of the neighbours have the class of their image")
    searched = f"{result['images']:,} of {result['of']:,}"
    return [
        *text,
        f"{result['split']} images, nearest of {searched} ({result['train_split']}), {result['metric']}",
        f"checkpoint  {result['checkpoint']}, epoch {result['epoch']}",
        f"file  {RunDirectory(run).artifacts / result['file']}",
    ]
