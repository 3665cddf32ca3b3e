"""`wmse-tui tag`: tags and a note of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from wmse_tui.cli.arguments import Run, RunsDir
from wmse_tui.cli.completion import complete_tag

if TYPE_CHECKING:
    from wmse_tui.runs.directory import RunDirectory


def tag(
    run: Run,
    tags: Annotated[
        list[str] | None,
        typer.Argument(metavar="TAG", help="Tags to add.", autocompletion=complete_tag, show_default=False),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            "--remove", metavar="TAG", help="A tag to remove; may be repeated.", autocompletion=complete_tag
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help='Write a note; "" removes it.')
    ] = None,
    runs_dir: RunsDir = None,
) -> None:
    """Tag runs, or write a note about them.

    RUN may be several, separated by commas. Their tags and notes are printed.
    """
    from wmse_tui.cli.locating import find_own_run, find_run

    find = find_own_run if tags or remove or note is not None else find_run
    for directory in dict.fromkeys(find(one, runs_dir) for one in run.split(",")):
        _tag(directory, tags or (), remove or (), note)


def _tag(directory: RunDirectory, tags: Sequence[str], remove: Sequence[str], note: str | None) -> None:
    from dataclasses import replace

    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.runs.annotations import MAX_NOTE, read_annotations, retagged, write_annotations
    from wmse_tui.runs.text.sanitize import safe

    before = read_annotations(directory)
    added = [text.removeprefix("+") for text in tags]
    unknown = [text for text in remove if text not in before.tags]
    if unknown:
        known = ", ".join(before.tags) or "none"
        raise UserError(f"{directory.id} has no tag {safe(unknown[0], 80)!r}", f"It has: {known}.")
    if note is not None and len(note) > MAX_NOTE:
        raise UserError("the note is too long", f"{len(note)} characters; at most {MAX_NOTE} are allowed.")
    after = retagged(before, add=added, remove=remove)
    if note is not None:
        after = replace(after, note=note.strip())
    if before.problem:
        print_message(f"note: {before.problem}" + ("; it is replaced" if after != before else ""))
    if after != before:
        write_annotations(directory, after)
    sys.stdout.write(" ".join(after.tags) + "\n" if after.tags else "")
    sys.stdout.write("".join(f"{safe(line)}\n" for line in after.note.splitlines()))
