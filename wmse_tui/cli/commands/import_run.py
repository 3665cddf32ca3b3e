"""`wmse-tui import`: an archive of a run becomes a run here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wmse_tui.cli.arguments import Json, RunsDir


def import_run(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="An archive that `wmse-tui export` wrote.", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name the run (default: as it was).", show_default=False),
    ] = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Import a run from an archive.

    Every file is compared with the archive's checksums before the run appears.
    """
    import sys

    from wmse_tui.cli.follow.jsonlines import write_object
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.config.locations import expanded
    from wmse_tui.runs.archive import import_archive

    run = import_archive(expanded(file), runs_root(runs_dir), name=name)
    if json:
        write_object({"run_id": run.id, "path": str(run.path)})
    else:
        sys.stdout.write(f"{run.id}\n")
