"""`wmse-tui report`: one run, or several compared, as a file for people without this program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from wmse_tui.cli.arguments import Runs, RunsDir

ReportFormat = Literal["html", "markdown"]
SUFFIXES: dict[ReportFormat, str] = {"html": ".html", "markdown": ".md"}


def report(
    run: Runs,
    format: Annotated[  # noqa: A002 (the name of the option)
        ReportFormat,
        typer.Option("--format", "-f", help="html: one file with curves; markdown: without them."),
    ] = "html",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file to write, - for stdout (default: RUN-report with the format's suffix, here).",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Write a report of a run, or of several compared.

    Its result beside the published number, recipe, curves, evaluations, diagnostics, checkpoints, attempts,
    and the command that reproduces it. Nothing in it depends on when or where it was made.
    """
    from wmse_tui.cli.console import UserError, print_message
    from wmse_tui.cli.locating import find_run
    from wmse_tui.config.locations import expanded
    from wmse_tui.runs.errors import OutputExists
    from wmse_tui.runs.output import write_output
    from wmse_tui.runs.report.content import read_run
    from wmse_tui.runs.report.content import report as report_of
    from wmse_tui.runs.report.html_page import html_page
    from wmse_tui.runs.report.markdown_page import markdown_page

    found = {directory.path: directory for directory in (find_run(text, runs_dir) for text in run)}
    document = report_of([read_run(directory) for directory in found.values()])
    text = html_page(document) if format == "html" else markdown_page(document)
    if output == Path("-"):
        sys.stdout.write(text)
        return
    first = next(iter(found.values()))
    path = Path(f"{first.id}-report{SUFFIXES[format]}") if output is None else expanded(output)
    try:
        write_output(path, text, overwrite=force)
    except OutputExists as error:
        raise UserError(
            error.title, error.detail, ("choose another name: -o", "replace it: --force")
        ) from None
    print_message(f"written: {path}")
