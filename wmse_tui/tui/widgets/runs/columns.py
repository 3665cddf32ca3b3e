"""The columns of the list of runs: content, order, and which a narrow list omits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache

from wmse_tui.runs.state.status import TONES, Tone
from wmse_tui.runs.table.groups import RunGroup
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.options_cache import OptionsCache
from wmse_tui.runs.table.run_columns import NAMED, NOT_READ, Options, RunColumn, column_names, run_column
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.runs.text.units import MISSING, number, percentage
from wmse_tui.tui.charts.spark import spark
from wmse_tui.tui.widgets.runs.ages import age
from wmse_tui.tui.widgets.table import Cell

GAP = 1
_MEAN = 13  # cells of a mean with its deviation, "87.31 ± 10.42"
_WIDEST = 16  # of a column that is no usual one


@dataclass(frozen=True, slots=True)
class CellContext:
    """The context of a cell: its width, the current minute, ASCII mode, and the options of the run."""

    width: int
    minute: int
    ascii: bool = False
    options: Options = field(default_factory=lambda: NOT_READ)


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: in settings and messages.
        title: in the heading.
        least, most: its width, in cells.
        rank: in a narrow list the highest is omitted first; 0 never is.
        cell: its content for a run.
        right: aligned to the right.
        sort: the name of the column that it is sorted as; "": its own.
    """

    name: str
    title: str
    least: int
    most: int
    rank: int
    cell: Callable[[RunRow, CellContext], Cell]
    right: bool = False
    sort: str = ""

    @property
    def base(self) -> RunColumn:
        """What it shows, and is sorted by."""
        found = run_column(self.sort or self.name)
        assert found is not None, "every column of the app is one of `runs --columns`"
        return found

    @property
    def least_for_means(self) -> int:
        """The least width where it shows means too."""
        return self.least if self.base.average is None or self.sort else max(self.least, _MEAN)


def _text(value: Callable[[RunRow], str], tone: Tone | None = None) -> Callable[[RunRow, CellContext], Cell]:
    return lambda row, context: Cell(safe(value(row), context.width), tone)


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


# fmt: off
COLUMNS: tuple[Column, ...] = (
    #      name      title      least most rank  cell
    Column("run",    "Run",        16,  34,   0,
           lambda row, context: Cell(without_middle(safe(row.run_id), context.width))),
    Column("state",  "State",       9,   9,   0,
           lambda row, _: Cell(NAMED["state"].text(row, NOT_READ), TONES[row.status])),
    Column("preset", "Preset",     10,  18,   7, _text(lambda row: row.preset)),
    Column("method", "Method",      7,  12,   3, _text(lambda row: row.method)),
    Column("data",   "Data set",    9,  13,   9, _text(lambda row: row.dataset)),
    Column("epoch",  "Epoch",       9,   9,   0, _epochs, right=True),
    Column("curve",  "Curve",       8,  20,   4, _curve, sort="loss"),
    Column("loss",   "Loss",        6,   7,   5, _loss, right=True),
    Column("knn",    "k-NN%",       6,   7,   2, _accuracy(lambda row: row.final_knn), right=True),
    Column("linear", "Lin.%",       6,   7,   1, _accuracy(lambda row: row.final_linear), right=True),
    Column("age",    "Age",         6,   6,   0,
           lambda row, context: Cell(age(row.started, context.minute), "muted"), right=True),
    Column("tags",   "Tags",        8,  24,   6, _text(lambda row: " ".join(row.tags))),
    Column("host",   "Host",        8,  14,   8, _text(lambda row: row.host, "muted")),
)
MORE_COLUMNS: tuple[Column, ...] = (
    Column("seed",       "Seed",     5,   6,   4, lambda row, _: Cell(str(row.seed)), right=True),
    Column("lr",         "lr",       8,   8,   4,
           lambda row, _: Cell(number(row.lr) if row.lr else ""), right=True),
    Column("bestknn",    "Best k-NN%", 11, 11, 3, _accuracy(lambda row: row.best_knn), right=True),
    Column("bestlinear", "Best lin.%", 11, 11, 3, _accuracy(lambda row: row.best_linear), right=True),
    Column("step",       "Step",     8,   9,   6, lambda row, _: Cell(f"{row.step:,}"), right=True),
    Column("verdict",    "Whitening", 10, 13,  5,
           _text(lambda row: "" if row.verdict == "unknown" else row.verdict)),
    Column("device",     "Device",   9,  20,   8, _text(lambda row: row.device, "muted")),
    Column("note",       "Note",    10,  40,   6, _text(lambda row: row.note)),
)
"""Columns that are shown only where they are chosen."""
# fmt: on
BY_NAME = {column.name: column for column in (*COLUMNS, *MORE_COLUMNS)}
DEFAULT = tuple(column.name for column in COLUMNS)
"""The columns of a list whose user has chosen none."""


@cache
def column_named(name: str) -> Column | None:
    """The column of a name, also one of an option or of a further result; None where there is none."""
    if name in BY_NAME:
        return BY_NAME[name]
    base = run_column(name)
    if base is None:
        return None

    def cell(row: RunRow, context: CellContext) -> Cell:
        text = base.text(row, context.options).removesuffix(" %")
        return Cell("" if text == MISSING else safe(text, context.width))

    title = _heading(base)
    least = len(title) + 1
    return Column(name, title, least, max(least, _WIDEST), 2, cell, right=base.right)


def _heading(base: RunColumn) -> str:
    """The last part of an option's name where no other option ends so."""
    leaf = base.name.rpartition(".")[2]
    alone = sum(name.rpartition(".")[2] == leaf for name in column_names()) == 1
    return leaf if base.of_option and alone else base.title


def group_cell(column: Column, group: RunGroup, context: CellContext, options: OptionsCache) -> Cell:
    """What a column shows of a group: a mean with its deviation, or the values that its runs have."""
    match column.name:
        case "run":
            return Cell(without_middle(safe(group.title), context.width))
        case "state":
            return Cell(group.progress())
        case "age":
            started = max((row.started for row in group.rows if row.started is not None), default=None)
            return Cell(age(started, context.minute), "muted")
        case "curve":
            return Cell("")
    text = group.text(column.base, options).removesuffix(" %")
    if column.base.average is not None and len(text) > context.width:
        text = text.partition(" ± ")[0]  # never a number without its last digits
    return Cell(safe(text, context.width))


def fit_columns(
    width: int, names: Collection[str] = DEFAULT, *, means: bool = False
) -> tuple[tuple[Column, int], ...]:
    """Those of the named columns that fit into `width` cells, each with its own width; together they fill it.

    The least useful are omitted first. Spare width goes to the columns that can grow, and to the run's id.
    With `means` there is space for the means of groups.
    """
    others = [found for name in names if name not in BY_NAME and (found := column_named(name)) is not None]
    shown = [column for name, column in BY_NAME.items() if name in names or name == "run"] + others
    least = {column.name: column.least_for_means if means else column.least for column in shown}
    while sum(least[column.name] + GAP for column in shown) - GAP > width:
        droppable = [column for column in shown if column.rank]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda column: column.rank))
    left = max(0, width - sum(least[column.name] + GAP for column in shown) + GAP)
    widths = {column.name: least[column.name] for column in shown}
    for column in sorted(shown, key=lambda column: column.rank):
        more = max(0, min(left, column.most - least[column.name]))
        widths[column.name] += more
        left -= more
    widths["run"] += left
    return tuple((column, widths[column.name]) for column in shown)
