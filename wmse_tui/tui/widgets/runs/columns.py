"""The columns of the list of runs: content, order, and which a narrow list omits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from wmse_tui.runs.state.status import TONES, Tone
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.runs.text.units import number, percentage
from wmse_tui.tui.charts.spark import spark
from wmse_tui.tui.widgets.runs.ages import age
from wmse_tui.tui.widgets.table import Cell

GAP = 1


@dataclass(frozen=True, slots=True)
class CellContext:
    """The context of a cell: its width, the current minute, and ASCII mode."""

    width: int
    minute: int
    ascii: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: in settings and messages.
        title: in the heading.
        least, most: its width, in cells.
        rank: in a narrow list the highest is omitted first; 0 never is.
        key: what the rows are sorted by; runs without (None) are last either way.
        cell: its content for a run.
        falling: sorted from the largest first by default.
        right: aligned to the right.
    """

    name: str
    title: str
    least: int
    most: int
    rank: int
    key: Callable[[RunRow], Any]
    cell: Callable[[RunRow, CellContext], Cell]
    falling: bool = False
    right: bool = False


def _text(value: Callable[[RunRow], str], tone: Tone | None = None) -> Callable[[RunRow, CellContext], Cell]:
    return lambda row, context: Cell(safe(value(row), context.width), tone)


def _lower(value: Callable[[RunRow], str]) -> Callable[[RunRow], Any]:
    return lambda row: value(row).lower() or None


def _accuracy(value: Callable[[RunRow], float | None]) -> Callable[[RunRow, CellContext], Cell]:
    def cell(row: RunRow, context: CellContext) -> Cell:  # noqa: ARG001
        found = value(row)
        return Cell("" if found is None else percentage(found))

    return cell


def _epochs(row: RunRow, context: CellContext) -> Cell:
    whole = f"{row.epoch}/{row.epochs or '?'}"
    return Cell(whole if len(whole) <= context.width else f"{row.epoch}")


def _curve(row: RunRow, context: CellContext) -> Cell:
    return Cell(spark(row.sparkline, context.width, ascii=context.ascii), "good")


def _loss(row: RunRow, context: CellContext) -> Cell:  # noqa: ARG001
    return Cell("" if row.loss is None else f"{row.loss:#.3g}".removesuffix("."))


def _status(row: RunRow) -> str:
    return f"{row.status} {row.position}" if row.position else row.status


def _tags(row: RunRow) -> str:
    return " ".join(row.tags)


# fmt: off
COLUMNS: tuple[Column, ...] = (
    #      name      title      least most rank  key, cell
    Column("run",    "Run",        16,  34,   0, _lower(lambda row: row.run_id),
           lambda row, context: Cell(without_middle(safe(row.run_id), context.width))),
    Column("state",  "State",       9,   9,   0, lambda row: (row.status, row.position),
           lambda row, _: Cell(_status(row), TONES[row.status])),
    Column("preset", "Preset",     10,  18,   7, _lower(lambda row: row.preset),
           _text(lambda row: row.preset)),
    Column("method", "Method",      7,  12,   3, _lower(lambda row: row.method),
           _text(lambda row: row.method)),
    Column("data",   "Data set",    9,  13,   9, _lower(lambda row: row.dataset),
           _text(lambda row: row.dataset)),
    Column("epoch",  "Epoch",       9,   9,   0, lambda row: row.epoch, _epochs, falling=True, right=True),
    Column("curve",  "Curve",       8,  20,   4, lambda row: row.loss, _curve),
    Column("loss",   "Loss",        6,   7,   5, lambda row: row.loss, _loss, right=True),
    Column("knn",    "k-NN%",       6,   7,   2, lambda row: row.final_knn,
           _accuracy(lambda row: row.final_knn), falling=True, right=True),
    Column("linear", "Lin.%",       6,   7,   1, lambda row: row.final_linear,
           _accuracy(lambda row: row.final_linear), falling=True, right=True),
    Column("age",    "Age",         6,   6,   0, lambda row: None if row.started is None else -row.started,
           lambda row, context: Cell(age(row.started, context.minute), "muted"), right=True),
    Column("tags",   "Tags",        8,  24,   6, _lower(_tags), _text(_tags)),
    Column("host",   "Host",        8,  14,   8, _lower(lambda row: row.host),
           _text(lambda row: row.host, "muted")),
)
MORE_COLUMNS: tuple[Column, ...] = (
    Column("seed",       "Seed",     5,   6,   4, lambda row: row.seed,
           lambda row, _: Cell(str(row.seed)), right=True),
    Column("lr",         "lr",       8,   8,   4, lambda row: row.lr or None,
           lambda row, _: Cell(number(row.lr) if row.lr else ""), right=True),
    Column("bestknn",    "Best k-NN%", 11, 11, 3, lambda row: row.best_knn,
           _accuracy(lambda row: row.best_knn), falling=True, right=True),
    Column("bestlinear", "Best lin.%", 11, 11, 3, lambda row: row.best_linear,
           _accuracy(lambda row: row.best_linear), falling=True, right=True),
    Column("step",       "Step",     8,   9,   6, lambda row: row.step or None,
           lambda row, _: Cell(f"{row.step:,}"), falling=True, right=True),
    Column("verdict",    "Whitening", 10, 13,  5, lambda row: row.verdict,
           _text(lambda row: "" if row.verdict == "unknown" else row.verdict)),
    Column("device",     "Device",   9,  20,   8, _lower(lambda row: row.device),
           _text(lambda row: row.device, "muted")),
    Column("note",       "Note",    10,  40,   6, _lower(lambda row: row.note),
           _text(lambda row: row.note)),
)
"""Columns that are shown only where they are chosen."""
# fmt: on
BY_NAME = {column.name: column for column in (*COLUMNS, *MORE_COLUMNS)}
DEFAULT = tuple(column.name for column in COLUMNS)
"""The columns of a list whose user has chosen none."""


def fit_columns(width: int, names: Collection[str] = DEFAULT) -> tuple[tuple[Column, int], ...]:
    """Those of the named columns that fit into `width` cells, each with its own width; together they fill it.

    The least useful are omitted first. Spare width goes to the columns that can grow, and to the run's id.
    """
    shown = [column for name, column in BY_NAME.items() if name in names or name == "run"]
    while sum(column.least + GAP for column in shown) - GAP > width:
        droppable = [column for column in shown if column.rank]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda column: column.rank))
    left = max(0, width - sum(column.least + GAP for column in shown) + GAP)
    widths = {column.name: column.least for column in shown}
    for column in sorted(shown, key=lambda column: column.rank):
        more = min(left, column.most - column.least)
        widths[column.name] += more
        left -= more
    widths["run"] += left
    return tuple((column, widths[column.name]) for column in shown)
