"""`wmse-tui export`: an encoder, its features or a whole run in a format that others read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wmse_tui.cli.arguments import Json, RunOrCheckpoint, RunsDir
from wmse_tui.cli.engine_command import run_engine_command
from wmse_tui.runs.export_formats import EXPORT_FORMATS, FormatName
from wmse_tui.runs.process.interpreter import interpreter_command

if TYPE_CHECKING:
    from wmse_tui.runs.directory import RunDirectory


USED_BY: dict[str, tuple[FormatName, ...]] = {
    "--split": ("npz", "parquet"),
    "--license": ("hf",),
    "--all-checkpoints": ("archive",),
    "--device": ("npz", "parquet"),
}
"""Options that only some formats use."""


class Split(StrEnum):
    """The labelled images whose features are exported."""

    TRAIN = "train"
    TEST = "test"
    ALL = "all"


def export(
    target: RunOrCheckpoint,
    format: Annotated[  # noqa: A002 (the name of the option)
        FormatName,
        typer.Option(
            "--format",
            "-f",
            help="; ".join(f"{name}: {each.title}" for name, each in EXPORT_FORMATS.items()) + ".",
            show_default=False,
        ),
    ],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="best|final|last|FILE",
            help="Which checkpoint of a run (default: final, best or last, whichever is there).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The file or folder to write (default: RUN-CHECKPOINT with the format's suffix, here).",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    split: Annotated[
        Split | None,
        typer.Option(
            "--split", help="npz, parquet: which labelled images (default: all).", show_default=False
        ),
    ] = None,
    license: Annotated[  # noqa: A002 (the name of the option)
        str | None,
        typer.Option(
            "--license",
            metavar="NAME",
            help="hf: the licence of the weights, for the model card (default: none is named).",
            show_default=False,
        ),
    ] = None,
    all_checkpoints: Annotated[
        bool,
        typer.Option("--all-checkpoints", help="archive: every checkpoint, not only final, best and newest."),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="npz, parquet: auto, cpu, cuda or cuda:N (default: the run's).",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Export an encoder, its features or a whole run.

    The file is loaded back by the library it is for, and its features are compared with the encoder's,
    before it is put in place. Beside it, NAME.json has what it is and the lines of Python that load it.
    """
    from wmse_tui.cli.locating import find_checkpoint_target, find_run

    _refuse_unused(
        format,
        {
            "--checkpoint": checkpoint,
            "--split": split,
            "--license": license,
            "--all-checkpoints": all_checkpoints or None,
            "--device": device,
        },
    )
    if format == "archive":
        _write_archive(find_run(target, runs_dir), output, all_checkpoints, force=force, as_json=json)
        return
    arguments = [str(find_checkpoint_target(target, runs_dir)), "--format", format]
    given = {
        "--checkpoint": checkpoint,
        "--output": None if output is None else str(output),
        "--split": split,
        "--license": license,
        "--device": device,
    }
    for name, value in given.items():
        if value is not None:
            arguments += [name, value]
    if force:
        arguments.append("--force")
    raise typer.Exit(
        run_engine_command(
            interpreter_command("wmse_tui.engine.commands", "export", *arguments),
            what="export",
            as_json=json,
            lines=export_text,
        )
    )


def _refuse_unused(name: FormatName, given: dict[str, object]) -> None:
    """Raise BadParameter where an option was given that has no effect on the format."""
    for option, value in given.items():
        formats = USED_BY.get(option)
        if value is not None and (name not in formats if formats is not None else name == "archive"):
            served = ", ".join(formats or [each for each in EXPORT_FORMATS if each != "archive"])
            raise typer.BadParameter(f"{option} has no effect on {name}; it is for {served}")


def export_text(result: dict[str, Any]) -> list[str]:
    """Return the result of an export as text: the file, how it was checked, and the lines that load it."""
    difference = result.get("difference")
    checked = f"loaded back, its features differ by {difference:.1e}" if difference else "loaded back, equal"
    recipe = [f"    {line}" for line in result.get("recipe", ())]
    return [f"written: {result.get('file')}", f"checked: {checked}", "load it:", *recipe]


def _write_archive(
    run: RunDirectory, output: Path | None, all_checkpoints: bool, *, force: bool, as_json: bool
) -> None:
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.follow.jsonlines import write_object
    from wmse_tui.config.locations import expanded
    from wmse_tui.runs.archive import write_archive
    from wmse_tui.runs.text.units import size

    path = Path(f"{run.id}.tar") if output is None else expanded(output)
    if path.is_dir():
        path /= f"{run.id}.tar"
    manifest = write_archive(run, path.absolute(), every_checkpoint=all_checkpoints, overwrite=force)
    if as_json:
        write_object({"file": str(path.absolute()), **manifest})
    else:
        print_message(f"written: {path} ({size(path.stat().st_size)}); wmse-tui import {path} unpacks it")
