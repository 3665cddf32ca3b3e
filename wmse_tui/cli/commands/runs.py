"""`wmse-tui runs`: all runs, newest first."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wmse_tui.cli.parameters import Json, RunsDir

if TYPE_CHECKING:
    from wmse_tui.runs.table.index import RunRow

SAID = (
    "run_id",
    "path",
    "title",
    "preset",
    "method",
    "dataset",
    "arch",
    "state",
    "state_reason",
    "place",
    "attempt",
    "epoch",
    "epochs",
    "best_knn",
    "best_linear",
    "started",
    "updated",
)
"""Keys that `--json` gives."""
_ATTRIBUTES = {
    "state": "status",
    "state_reason": "status_reason",
    "place": "position",
}  # the output keeps its keys


def runs(runs_dir: RunsDir = None, json: Json = False) -> None:
    """List the runs, newest first."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.runs.table.index import RunIndex

    root = runs_root(runs_dir)
    digests = []
    for digest in RunIndex(root).refresh():
        if digest.problem:  # one log that cannot be read must not hide the others
            print_message(f"{digest.run_id}: {digest.problem}")
        else:
            digests.append(digest)
    if json:
        sys.stdout.write(jsonlib.dumps([run_to_json(digest) for digest in digests], indent=2) + "\n")
        return
    if not digests:
        print_message(
            f"There are no runs in {root} yet. Start one: wmse-tui run --preset quickstart --headless"
        )
        return
    for line in run_table(digests):
        sys.stdout.write(line + "\n")
    print_lost_positions()


def print_lost_positions() -> None:
    """Say that runs lost their place in the queue: nothing starts by itself after a reboot."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.runs.queue.status import lost_places

    lost = lost_places()
    if lost:
        whom = "1 run has lost its place" if lost == 1 else f"{lost} runs have lost their place"
        print_message(f"{whom} in the queue (a reboot, a kill); queue again: wmse-tui queue again")


def run_to_json(digest: RunRow) -> dict[str, Any]:
    """Return what a list says of a run, as JSON; accuracies are fractions, times unix seconds."""
    return {key: getattr(digest, _ATTRIBUTES.get(key, key)) for key in SAID}


def run_table(digests: Sequence[RunRow]) -> list[str]:
    """Return the list as aligned, safe lines under a heading."""
    from wmse_tui.runs.text.sanitize import safe
    from wmse_tui.runs.text.units import moment, percent

    rows = [
        ("run", "state", "epoch", "best k-NN", "best linear", "last event", "title"),
        *(
            (
                safe(digest.run_id),
                f"{digest.status} {digest.position}" if digest.position else digest.status,
                f"{digest.epoch}/{digest.epochs or '?'}",
                percent(digest.best_knn),
                percent(digest.best_linear),
                moment(digest.updated)[:16],
                safe(digest.title or digest.dataset),
            )
            for digest in digests
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if 2 <= place <= 4 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
