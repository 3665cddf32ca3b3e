"""The options of the runs of a list, each configuration read once: it never changes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import read_experiment
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.run_columns import NOT_READ, Options, RunColumn

if TYPE_CHECKING:
    from wmse_tui.runs.table.recipe import RepetitionKey


class OptionsCache:
    """Options by run. One thread may read while others ask."""

    def __init__(self) -> None:
        self._known: dict[str, Options] = {}  # by path
        self._repetitions: dict[str, RepetitionKey] = {}  # likewise

    def of(self, row: RunRow) -> Options:
        """The options of a run; NOT_READ before they are read, None where they cannot be."""
        return self._known.get(row.path, NOT_READ)

    def repetition(self, row: RunRow) -> RepetitionKey | None:
        """Equal for runs that repeat each other; None before the options are read, and if they cannot be."""
        options = self.of(row)
        if not options:
            return None
        if row.path not in self._repetitions:
            from wmse_tui.runs.table.recipe import repetition_key_of  # the schema, read with the options

            self._repetitions[row.path] = repetition_key_of(options)
        return self._repetitions[row.path]

    def missing(self, rows: Iterable[RunRow]) -> tuple[RunRow, ...]:
        """The runs whose options have not been read."""
        return tuple(row for row in rows if row.path not in self._known)

    def read(self, rows: Iterable[RunRow], budget_seconds: float | None = None) -> None:
        """Read the options of the runs that are missing, one at least, until the budget is spent."""
        from wmse_tui.config.diff import flatten  # the schema, which a list without options need not build

        deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
        for row in self.missing(rows):
            experiment = read_experiment(RunDirectory(Path(row.path)))
            self._known[row.path] = None if experiment is None else flatten(experiment)
            if deadline is not None and time.monotonic() >= deadline:
                return

    def read_for(self, columns: Iterable[RunColumn], rows: Iterable[RunRow]) -> None:
        """Read the options of the runs if a column shows one."""
        if any(column.of_option for column in columns):
            self.read(rows)

    def forget_all_but(self, rows: Iterable[RunRow]) -> None:
        """Forget the runs that are gone: another one may get the path."""
        there = {row.path for row in rows}
        for path in [path for path in self._known if path not in there]:
            del self._known[path]
            self._repetitions.pop(path, None)
