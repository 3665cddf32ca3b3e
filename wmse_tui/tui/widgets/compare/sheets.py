"""The three tables of Compare: pure functions of the comparison, in sanitised text.

The marker of its curve identifies a run: it is before the run's name everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wmse_tui.runs.state.status import TONES
from wmse_tui.runs.table.compare import Comparison, Difference, RepetitionGroup, Result, Spread
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.runs.text.units import count, duration, number, percentage
from wmse_tui.tui.widgets.table import Cell, Sheet

Marker = Callable[[int], str]
_NAME = 24
_VALUE = 14


def results_sheet(comparison: Comparison, marker: Marker, problems: Mapping[str, str]) -> Sheet:
    """One row for each run; `problems` are those of logs that cannot be read, by the path of the run."""
    heading = (
        "run",
        "state",
        "epoch",
        "linear %",
        "k-NN %",
        "best lin.",
        "best k-NN",
        "time",
        "images/s",
        "loss",
        "seed",
        "device",
    )
    rows = tuple(
        (
            Cell(f"{marker(index)} {without_middle(safe(result.row.run_id), _NAME)}", index),
            _status(result, problems.get(result.row.path, "")),
            Cell(f"{result.row.epoch}/{result.row.epochs or '?'}"),
            *(Cell(percentage(value)) for value in _accuracies(result)),
            Cell(duration(result.elapsed_seconds)),
            Cell("-" if result.images_per_second is None else f"{result.images_per_second:.0f}"),
            Cell(number(result.row.loss)),
            Cell(str(result.row.seed)),
            Cell(safe(result.row.device, 40) or "-", "muted"),
        )
        for index, result in enumerate(comparison.results)
    )
    right = frozenset((*range(2, 7), 8, 9, 10))
    return Sheet(tuple(map(Cell, heading)), rows, right, empty="no run is compared")


def differences_sheet(comparison: Comparison, marker: Marker) -> Sheet:
    """One row for each option that differs, one column for each run."""
    runs = tuple(
        Cell(f"{marker(index)} {without_middle(safe(result.row.run_id), _VALUE)}", index)
        for index, result in enumerate(comparison.results)
    )
    readable = sum(not result.config_problem for result in comparison.results)
    same = "All options are the same." if readable > 1 else "There is nothing to compare with yet."
    rows = tuple(_option(difference) for difference in comparison.differences)
    return Sheet((Cell("option"), *runs), rows, empty=same)


def repetitions_sheet(comparison: Comparison, marker: Marker) -> Sheet:
    """One row for each group of runs that differ in nothing that matters but the seed."""
    rows = tuple(_repetition(group, marker) for group in comparison.groups if len(group.runs) > 1)
    heading = ("runs", "n", "linear %", "k-NN %", "time", "seeds")
    return Sheet(
        tuple(map(Cell, heading)),
        rows,
        frozenset({1, 2, 3}),
        empty="No two of these runs differ in the seed only.",
    )


def _accuracies(result: Result) -> tuple[float | None, ...]:
    row = result.row
    return row.final_linear, row.final_knn, row.best_linear, row.best_knn


def _status(result: Result, problem: str) -> Cell:
    if problem:
        return Cell("unreadable", "bad")
    return Cell(result.row.status, TONES[result.row.status])


def _option(difference: Difference) -> tuple[Cell, ...]:
    values = tuple(
        Cell(safe(setting.text(), _VALUE) or "-", None if setting.state == "set" else "muted")
        for setting in difference.settings
    )
    return (Cell(difference.key), *values)


def _repetition(group: RepetitionGroup, marker: Marker) -> tuple[Cell, ...]:
    waiting = len(group.runs) - len(group.completed) - len(group.copies)
    notes = [f"{waiting} not completed"] * (waiting > 0)
    notes += [count(len(group.copies), "copy", "copies")] * bool(group.copies)
    seconds = None if group.elapsed_seconds is None else group.elapsed_seconds.mean
    return (
        Cell(" ".join(map(marker, group.places)) + (f" ({', '.join(notes)})" if notes else "")),
        Cell(str(len(group.completed))),
        Cell(_spread(group.final_linear)),
        Cell(_spread(group.final_knn)),
        Cell(duration(seconds)),
        Cell(", ".join(map(str, group.seeds)), "muted"),
    )


def _spread(spread: Spread | None) -> str:
    return percentage(None) if spread is None else percentage(spread.mean, spread.std)
