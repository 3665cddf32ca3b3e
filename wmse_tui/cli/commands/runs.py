"""`wmse-tui runs`: all runs, newest first."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wmse_tui.cli.arguments import Json, RunsDir
from wmse_tui.cli.completion import complete_columns, complete_sorting, complete_state, complete_tag
from wmse_tui.cli.table_text import fitted, terminal_width

if TYPE_CHECKING:
    from wmse_tui.runs.table.index import RunIndex, RunRow
    from wmse_tui.runs.table.options_cache import OptionsCache
    from wmse_tui.runs.table.query import Query
    from wmse_tui.runs.table.run_columns import RunColumn

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


USUAL = ("run", "state", "epoch", "bestknn", "bestlinear", "last", "title")
FIRST_SECONDS, SOON_SECONDS = 0.02, 0.1
"""Of reading logs before the first group of rows, and between two groups."""


def runs(
    runs_dir: RunsDir = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only runs of this state; `active`, `ended`, `done`.",
            autocompletion=complete_state,
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="TAG",
            help="Only runs with this tag; may be repeated.",
            autocompletion=complete_tag,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="COLUMN",
            help="Sort by a column; with a minus in front, downwards.",
            autocompletion=complete_sorting,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="The first N only.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="A,B",
            help="Which columns, as in run,knn,bestknn,seed,optimizer.lr,effective_rank: those of the app's "
            "list, any option, any result. An unknown name lists them. Accuracies are those of the last "
            "evaluation unless they are called best.",
            autocompletion=complete_columns,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the runs, newest first.

    On a terminal long names and titles are cut to its width.
    """
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import runs_root
    from wmse_tui.runs.table.catalogue import unreadable_runs
    from wmse_tui.runs.table.index import RunIndex
    from wmse_tui.runs.table.options_cache import OptionsCache

    root = runs_root(runs_dir)
    index = RunIndex(root)
    query, shown = _query(state, tag or ()), _columns(columns)
    options = OptionsCache()
    if json or sort or limit is not None:
        rows = [row for row in _readable(index.refresh()) if query.matches(row)]
        rows = _sorted(rows, sort, options)[:limit]
        count = len(rows)
        if json:
            sys.stdout.write(jsonlib.dumps([run_to_json(row) for row in rows], indent=2) + "\n")
        elif rows:
            sys.stdout.write("".join(f"{line}\n" for line in run_table(rows, columns=shown, options=options)))
    else:
        count = _print_table(index, query, shown, options)
    for name, reason in unreadable_runs(root).items():
        print_message(f"{name}: not listed: {reason}")
    if json:
        return
    if count:
        print_lost_positions()
    elif state or tag:
        print_message(f"No run in {root} matches.")
    else:
        start = "wmse-tui run --preset quickstart --headless"
        print_message(f"There are no runs in {root} yet. Start one: {start}")


def _query(state: str | None, tags: Sequence[str]) -> Query:
    """The filter of the options. Raises UserError for a state that no run has."""
    from wmse_tui.cli.console import UserError
    from wmse_tui.config.problems import did_you_mean
    from wmse_tui.runs.table.query import STATUS_WORDS, parse_query

    if state is not None and state not in STATUS_WORDS:
        hint, known = did_you_mean(state, STATUS_WORDS), ", ".join(STATUS_WORDS)
        raise UserError(f"there is no state {state!r}", f"known: {known}", (hint,) if hint else ())
    words = [f"state:{state}"] if state else []
    return parse_query(" ".join([*words, *(f'tag:"{tag}"' for tag in tags)]))


def _columns(text: str | None) -> tuple[RunColumn, ...]:
    return tuple(map(_column, text.split(",") if text else USUAL))


def _column(text: str) -> RunColumn:
    """The column of a name. Raises UserError for one that there is not."""
    from wmse_tui.cli.console import UserError
    from wmse_tui.config.problems import did_you_mean
    from wmse_tui.runs.table.run_columns import column_names, run_column

    name = text.strip().lower()
    column = run_column(name)
    if column is None:
        known = column_names()
        hint = did_you_mean(name, known)
        raise UserError(f"there is no column {name!r}", f"known: {', '.join(known)}", (hint,) if hint else ())
    return column


def _sorted(rows: list[RunRow], by: str | None, options: OptionsCache) -> list[RunRow]:
    """The rows by a column; those without a value last."""
    from wmse_tui.runs.table.run_columns import sorted_by

    if by is None:
        return rows
    column = _column(by.removeprefix("-"))
    options.read_for((column,), rows)
    return sorted_by(column, rows, options.of, falling=by.startswith("-"))


def _print_table(index: RunIndex, query: Query, columns: Sequence[RunColumn], options: OptionsCache) -> int:
    """Print the runs as their logs are read, and return their number."""
    count, widths = 0, tuple[int, ...]()
    for group in _as_read(index):
        rows = [row for row in _readable(group) if query.matches(row)]
        if rows and not count and index.loading:  # what the others need is not known yet
            longest = max(len(run.id) for run in index.runs)
            widths = tuple(longest if column.name == "run" else column.width for column in columns)
        if rows:
            table = run_table(rows, heading=not count, widths=widths, columns=columns, options=options)
            sys.stdout.write("".join(f"{line}\n" for line in table))
        sys.stdout.flush()
        count += len(rows)
    return count


def _as_read(index: RunIndex) -> Iterator[list[RunRow]]:
    """The rows of the runs, newest first: each as soon as those of all newer ones are known."""
    printed: set[str] = set()
    seconds = FIRST_SECONDS
    while True:
        found = {row.path: row for row in index.refresh(seconds)}
        seconds = SOON_SECONDS
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


def run_table(
    rows: Sequence[RunRow],
    *,
    heading: bool = True,
    widths: Sequence[int] = (),
    columns: Sequence[RunColumn] | None = None,
    options: OptionsCache | None = None,
) -> list[str]:
    """Return the runs as aligned, sanitised lines, under a heading unless the table continues one."""
    from wmse_tui.runs.table.options_cache import OptionsCache

    shown = columns or _columns(None)
    read = options or OptionsCache()
    read.read_for(shown, rows)
    table = [tuple(column.title for column in shown)] if heading else []
    table += [tuple(column.text(row, read.of(row)) for column in shown) for row in rows]
    right = [index for index, column in enumerate(shown) if column.right]
    return fitted(table, right=right, widths=widths, most=terminal_width())
