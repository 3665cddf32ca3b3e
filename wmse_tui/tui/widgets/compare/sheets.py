"""The four tables of Compare: pure functions of the comparison, in sanitised text.

The marker of its curve identifies a run: it is before the run's name everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from wmse_tui.runs.state.status import TONES
from wmse_tui.runs.table.compare import (
    Comparison,
    Difference,
    Measure,
    RepetitionGroup,
    Result,
    Spread,
    unlike,
)
from wmse_tui.runs.table.transfer_table import TransferCell, column_title
from wmse_tui.runs.text.sanitize import safe, shortened_apart, without_middle
from wmse_tui.runs.text.units import count, duration, number, percentage
from wmse_tui.tui.widgets.table import Cell, Sheet

Marker = Callable[[int], str]
_NAME = 24
_VALUE = 14


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of the results: its cell's text, and the value by which rows are sorted (None comes last)."""

    title: str
    text: Callable[[Result], str]
    value: Callable[[Result], float | str | None]
    number: bool = True
    measure: Measure | None = None  # of an accuracy


def _accuracy(title: str, measure: Measure, value: Callable[[Result], float | None]) -> ResultColumn:
    return ResultColumn(title, lambda result: percentage(value(result)), value, measure=measure)


RESULT_COLUMNS: tuple[ResultColumn, ...] = (
    ResultColumn("run", lambda result: result.row.run_id, lambda result: result.row.run_id, number=False),
    ResultColumn("state", lambda result: result.row.status, lambda result: result.row.status, number=False),
    ResultColumn(
        "epoch",
        lambda result: f"{result.row.epoch}/{result.row.epochs or '?'}",
        lambda result: result.row.epoch,
    ),
    _accuracy("linear %", "linear", lambda result: result.row.final_linear),
    _accuracy("k-NN %", "knn", lambda result: result.row.final_knn),
    _accuracy("best lin.", "linear", lambda result: result.row.best_linear),
    _accuracy("best k-NN", "knn", lambda result: result.row.best_knn),
    ResultColumn(
        "time",
        lambda result: duration(result.elapsed_seconds),
        lambda result: result.elapsed_seconds,
        number=False,
    ),
    ResultColumn(
        "images/s",
        lambda result: "-" if result.images_per_second is None else f"{result.images_per_second:.0f}",
        lambda result: result.images_per_second,
    ),
    ResultColumn("loss", lambda result: number(result.row.loss), lambda result: result.row.loss),
    ResultColumn("seed", lambda result: str(result.row.seed), lambda result: result.row.seed),
    ResultColumn(
        "device",
        lambda result: safe(result.row.device, 40) or "-",
        lambda result: result.row.device or None,
        number=False,
    ),
)
_RIGHT = frozenset(index for index, column in enumerate(RESULT_COLUMNS) if column.number)


@dataclass(frozen=True, slots=True)
class ResultOrder:
    """How the results are sorted.

    Attributes:
        column: an index into `RESULT_COLUMNS`; None: as the runs were marked.
        descending: the largest value first. Runs without a value are last either way.
    """

    column: int | None = None
    descending: bool = False

    def next(self, step: int) -> ResultOrder:
        """By the next column, the best accuracy first; after the last column as the runs were marked."""
        choices = (None, *range(len(RESULT_COLUMNS)))
        column = choices[(choices.index(self.column) + step) % len(choices)]
        return ResultOrder(column, column is not None and RESULT_COLUMNS[column].measure is not None)

    def reversed(self) -> ResultOrder:
        """In the other direction; the order in which runs were marked has none."""
        return self if self.column is None else replace(self, descending=not self.descending)

    def places(self, results: Sequence[Result]) -> tuple[int, ...]:
        """The indices of `results` in this order."""
        places = range(len(results))
        if self.column is None:
            return tuple(places)
        values = [RESULT_COLUMNS[self.column].value(result) for result in results]
        known = [(value, place) for place, value in enumerate(values) if _comparable(value)]
        sorted_ = sorted(known, key=lambda pair: pair[0], reverse=self.descending)  # type: ignore[arg-type,return-value]
        return (
            *(place for _, place in sorted_),
            *(place for place in places if not _comparable(values[place])),
        )


_AS_MARKED = ResultOrder()


def _comparable(value: float | str | None) -> bool:
    return value is not None and value == value  # not NaN, which has no order


def results_sheet(
    comparison: Comparison, marker: Marker, problems: Mapping[str, str], order: ResultOrder = _AS_MARKED
) -> Sheet:
    """One row for each run, the best of each accuracy with a star, unless they are unlike (`unlike`).

    Args:
        comparison: of the runs.
        marker: the marker of a run's curve, by its index.
        problems: of logs that cannot be read, by the path of the run.
        order: of the rows; marker and colour of a run stay.
    """
    heading = tuple(
        Cell(f"{column.title} {'▼' if order.descending else '▲'}" if index == order.column else column.title)
        for index, column in enumerate(RESULT_COLUMNS)
    )
    best = _best(comparison.results)
    names = _names(comparison, _NAME)
    rows = []
    for place in order.places(comparison.results):
        result = comparison.results[place]
        cells = [Cell(column.text(result)) for column in RESULT_COLUMNS]
        cells[0] = Cell(f"{marker(place)} {names[place]}", place)
        cells[1] = _status(result, problems.get(result.row.path, ""))
        cells[-1] = replace(cells[-1], style="muted")
        for index, value in best.items():
            if RESULT_COLUMNS[index].value(result) == value:
                cells[index] = Cell(f"* {cells[index].text}", "good")
        rows.append(tuple(cells))
    return Sheet(heading, tuple(rows), _RIGHT, empty="no run is compared")


def _names(comparison: Comparison, width: int) -> tuple[str, ...]:
    """The names of the runs in at most `width` characters, different ones different."""
    return shortened_apart([safe(result.row.run_id) for result in comparison.results], width)


def _best(results: Sequence[Result]) -> dict[int, float]:
    """The highest of each column of accuracies that can be compared, where they differ."""
    found = {}
    for index, column in enumerate(RESULT_COLUMNS):
        if column.measure is None or unlike(results, column.measure):
            continue
        values = {float(value) for result in results if (value := column.value(result)) is not None}
        if len(values) > 1:
            found[index] = max(values)
    return found


def differences_sheet(comparison: Comparison, marker: Marker) -> Sheet:
    """One row for each option that differs, one column for each run."""
    runs = tuple(
        Cell(f"{marker(index)} {name}", index) for index, name in enumerate(_names(comparison, _VALUE))
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


def transfer_sheet(comparison: Comparison, marker: Marker) -> Sheet:
    """One row for each run, one column for each set: the linear probe in percent.

    A star marks the best, a tilde a run that is no worse than the number of test images explains.
    """
    names = _names(comparison, _NAME)
    heading = (
        Cell("run"),
        *(Cell(without_middle(safe(column_title(column)), _NAME)) for column in comparison.transfer),
    )
    rows = []
    for place in range(len(names)):
        name = Cell(f"{marker(place)} {names[place]}", place)
        cells = (column.cells[place] for column in comparison.transfer)
        rows.append((name, *map(_transferred, cells)))
    return Sheet(
        heading,
        tuple(rows),
        frozenset(range(1, len(heading))),
        empty="No run was transferred to other images yet: wmse-tui eval RUN --transfer SETS",
    )


def _transferred(cell: TransferCell | None) -> Cell:
    if cell is None:
        return Cell(percentage(None), "muted")
    mark = {"best": "* ", "tie": "~ ", "": ""}[cell.rank]
    return Cell(mark + percentage(cell.score.value), "good" if cell.rank else None)


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
