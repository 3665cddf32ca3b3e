"""`wmse-tui runs`: all runs, newest first."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import TYPE_CHECKING, Any

from wmse_tui.cli.options import Json, RunsDir

if TYPE_CHECKING:
    from wmse_tui.runs.view import RunView


def runs(runs_dir: RunsDir = None, json: Json = False) -> None:
    """List the runs, newest first."""
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.cli.messages import say
    from wmse_tui.runs.catalogue import list_runs
    from wmse_tui.runs.errors import StorageError
    from wmse_tui.runs.watch import view_run

    root = runs_root(runs_dir)
    views = []
    for directory in list_runs(root):
        try:
            views.append(view_run(directory))
        except StorageError as error:  # one log that cannot be read must not hide the others
            say(f"{directory.id}: {error.title}: {error.detail}")
    if json:
        sys.stdout.write(jsonlib.dumps([brief(view) for view in views], indent=2) + "\n")
        return
    if not views:
        say(f"There are no runs in {root} yet. Start one: wmse-tui run --preset quickstart --headless")
        return
    for line in table(views):
        sys.stdout.write(line + "\n")


def brief(view: RunView) -> dict[str, Any]:
    """Return what a list says of a run, as JSON; accuracies are fractions, times unix seconds."""
    best_knn, best_linear = view.best_knn, view.best_linear
    return {
        "run_id": view.run_id,
        "path": view.path,
        "title": view.summary.title,
        "preset": view.summary.preset,
        "method": view.summary.method,
        "dataset": view.summary.dataset,
        "arch": view.summary.arch,
        "state": view.state,
        "attempt": view.attempt,
        "epoch": view.epoch,
        "epochs": view.epochs,
        "best_knn": best_knn.knn.top1 if best_knn and best_knn.knn else None,
        "best_linear": best_linear.linear.top1 if best_linear and best_linear.linear else None,
        "started": view.started,
        "updated": view.updated,
    }


def table(views: list[RunView]) -> list[str]:
    """Return the list as aligned, safe lines under a heading."""
    from wmse_tui.runs.text import safe
    from wmse_tui.runs.words import moment, percent

    rows = [("run", "state", "epoch", "best k-NN", "best linear", "last event", "title")]
    for view in views:
        said = brief(view)
        rows.append(
            (
                safe(view.run_id),
                view.state,
                f"{view.epoch}/{view.epochs or '?'}",
                percent(said["best_knn"]),
                percent(said["best_linear"]),
                moment(view.updated)[:16],
                safe(view.summary.title or view.summary.dataset),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if 2 <= place <= 4 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
