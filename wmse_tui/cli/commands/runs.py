"""`wmse-tui runs`: all runs, newest first."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from wmse_tui.cli.arguments import Json, RunsDir
from wmse_tui.cli.table_text import aligned

if TYPE_CHECKING:
    from wmse_tui.runs.table.index import RunIndex, RunRow

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
HEADING = ("run", "state", "epoch", "best k-NN", "best linear", "last event", "title")
WIDTHS = (9, 9, 9, 11, 16, 0)
"""Of the columns after the first, where rows are printed before all of them are known."""
SOON_SECONDS = 0.1
"""Of reading logs between two groups of rows."""


def runs(runs_dir: RunsDir = None, json: Json = False) -> None:
    """List the runs, newest first."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.runs.table.catalogue import unreadable_runs
    from wmse_tui.runs.table.index import RunIndex

    root = runs_root(runs_dir)
    index = RunIndex(root)
    if json:
        rows = _readable(index.refresh())
        sys.stdout.write(jsonlib.dumps([run_to_json(row) for row in rows], indent=2) + "\n")
    else:
        count = _print_table(index)
    for name, reason in unreadable_runs(root).items():
        print_message(f"{name}: not listed: {reason}")
    if json:
        return
    if count:
        print_lost_positions()
    else:
        start = "wmse-tui run --preset quickstart --headless"
        print_message(f"There are no runs in {root} yet. Start one: {start}")


def _print_table(index: RunIndex) -> int:
    """Print the runs as their logs are read, and return their number."""
    count, widths = 0, tuple[int, ...]()
    for group in _as_read(index):
        rows = _readable(group)
        if rows and not count and index.loading:  # what the others need is not known yet
            longest = max(len(run.id) for run in index.runs)
            widths = (longest, *WIDTHS)
        for line in run_table(rows, heading=not count, widths=widths) if rows else ():
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        count += len(rows)
    return count


def _as_read(index: RunIndex) -> Iterator[list[RunRow]]:
    """The rows of the runs, newest first: each as soon as those of all newer ones are known."""
    printed: set[str] = set()
    while True:
        found = {row.path: row for row in index.refresh(SOON_SECONDS)}
        known = takewhile(found.__contains__, (str(run.path) for run in index.runs))
        group = [found[path] for path in (known if index.loading else found) if path not in printed]
        printed.update(row.path for row in group)
        yield group
        if not index.loading:
            return


def _readable(rows: Iterable[RunRow]) -> list[RunRow]:
    """The rows of logs that can be read; one that cannot must not hide the other runs."""
    from wmse_tui.cli.console import print_message

    readable = []
    for row in rows:
        if row.problem:
            print_message(f"{row.run_id}: {row.problem}")
        else:
            readable.append(row)
    return readable


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


def run_table(rows: Sequence[RunRow], *, heading: bool = True, widths: Sequence[int] = ()) -> list[str]:
    """Return the runs as aligned, sanitised lines, under a heading unless the table continues one."""
    from wmse_tui.runs.text.units import moment, percent

    table = [HEADING] if heading else []
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
    return aligned(table, right=(2, 3, 4), widths=widths)
