"""`wmse-tui runs`: all runs, newest first."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wmse_tui.cli.arguments import Json, RunsDir
from wmse_tui.cli.table_text import aligned

if TYPE_CHECKING:
    from wmse_tui.runs.table.index import RunRow

JSON_KEYS = {
    "run_id": "run_id",
    "path": "path",
    "title": "title",
    "preset": "preset",
    "method": "method",
    "dataset": "dataset",
    "arch": "arch",
    "state": "status",
    "state_reason": "status_reason",
    "place": "position",
    "attempt": "attempt",
    "epoch": "epoch",
    "epochs": "epochs",
    "best_knn": "best_knn",
    "best_linear": "best_linear",
    "started": "started",
    "updated": "updated",
}
"""Keys of `--json`, each with the field of a `RunRow` that it is."""


def runs(runs_dir: RunsDir = None, json: Json = False) -> None:
    """List the runs, newest first."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.runs.table.catalogue import unreadable_runs
    from wmse_tui.runs.table.index import RunIndex

    root = runs_root(runs_dir)
    rows = []
    for row in RunIndex(root).refresh():
        if row.problem:  # one unreadable log must not hide the other runs
            print_message(f"{row.run_id}: {row.problem}")
        else:
            rows.append(row)
    for name, reason in unreadable_runs(root).items():
        print_message(f"{name}: not listed: {reason}")
    if json:
        sys.stdout.write(jsonlib.dumps([run_to_json(row) for row in rows], indent=2) + "\n")
        return
    if not rows:
        start = "wmse-tui run --preset quickstart --headless"
        print_message(f"There are no runs in {root} yet. Start one: {start}")
        return
    for line in run_table(rows):
        sys.stdout.write(line + "\n")
    print_lost_positions()


def print_lost_positions() -> None:
    """Report runs that lost their position in the queue: nothing starts by itself after a reboot."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.runs.queue.positions import lost_notice

    lost = lost_notice()
    if lost:
        print_message(f"{lost}; queue again: wmse-tui queue again")


def run_to_json(row: RunRow) -> dict[str, Any]:
    """Return the row of a run as JSON; accuracies are fractions, times unix seconds."""
    return {key: getattr(row, field) for key, field in JSON_KEYS.items()}


def run_table(rows: Sequence[RunRow]) -> list[str]:
    """Return the runs as aligned, sanitised lines under a heading."""
    from wmse_tui.runs.text.units import moment, percent

    table = [("run", "state", "epoch", "best k-NN", "best linear", "last event", "title")]
    table += [
        (
            row.run_id,
            f"{row.status} {row.position}" if row.position else row.status,
            f"{row.epoch}/{row.epochs or '?'}",
            percent(row.best_knn),
            percent(row.best_linear),
            moment(row.updated)[:16],
            row.title or row.dataset,
        )
        for row in rows
    ]
    return aligned(table, right=(2, 3, 4))
