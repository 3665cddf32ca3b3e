"""The columns of the list of runs: what each says, how it sorts, and which goes first where room is short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wmse_tui.runs.state.status import TONES, Tone
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.runs.text.units import number
from wmse_tui.tui.charts.spark import spark
from wmse_tui.tui.widgets.runs.ages import age
from wmse_tui.tui.widgets.table import Cell

GAP = 1


@dataclass(frozen=True, slots=True)
class CellContext:
    """What a cell depends on besides its run: its width, the current minute, and ASCII."""

    width: int
    minute: int
    ascii: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Args:
        name: in settings and messages.
        title: in the heading.
        least, most: how wide it is.
        rank: where room is short the highest goes first; 0 never goes.
        key: what the rows are sorted by; runs without (None) are last either way.
        cell: what it says of a run.
        falling: the way that is tried first when sorting.
        right: numbers stand at the right.
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
    return lambda digest, context: Cell(safe(value(digest), context.width), tone)


def _lower(value: Callable[[RunRow], str]) -> Callable[[RunRow], Any]:
    return lambda digest: value(digest).lower() or None


def _percent(value: Callable[[RunRow], float | None]) -> Callable[[RunRow, CellContext], Cell]:
    def cell(digest: RunRow, context: CellContext) -> Cell:  # noqa: ARG001
        found = value(digest)
        return Cell("" if found is None else f"{100 * found:.2f}")

    return cell


def _epochs(digest: RunRow, context: CellContext) -> Cell:
    whole = f"{digest.epoch}/{digest.epochs or '?'}"
    return Cell(whole if len(whole) <= context.width else f"{digest.epoch}")


def _curve(digest: RunRow, context: CellContext) -> Cell:
    return Cell(spark(digest.sparkline, context.width, ascii=context.ascii), "good")


def _loss(digest: RunRow, context: CellContext) -> Cell:  # noqa: ARG001
    return Cell("" if digest.loss is None else number(digest.loss, 3))


def _state(digest: RunRow) -> str:
    return f"{digest.status} {digest.position}" if digest.position else digest.status


def _tags(digest: RunRow) -> str:
    return " ".join(digest.tags)


COLUMNS: tuple[Column, ...] = (
    Column(
        name="run",
        title="Run",
        least=16,
        most=34,
        rank=0,
        key=_lower(lambda d: d.run_id),
        cell=lambda d, context: Cell(without_middle(safe(d.run_id), context.width)),
    ),
    Column(
        name="state",
        title="State",
        least=9,
        most=9,
        rank=0,
        key=lambda d: (d.status, d.position),
        cell=lambda d, _: Cell(_state(d), TONES[d.status]),
    ),
    Column(
        name="preset",
        title="Preset",
        least=10,
        most=18,
        rank=7,
        key=_lower(lambda d: d.preset),
        cell=_text(lambda d: d.preset),
    ),
    Column(
        name="method",
        title="Method",
        least=7,
        most=12,
        rank=3,
        key=_lower(lambda d: d.method),
        cell=_text(lambda d: d.method),
    ),
    Column(
        name="data",
        title="Data set",
        least=9,
        most=13,
        rank=9,
        key=_lower(lambda d: d.dataset),
        cell=_text(lambda d: d.dataset),
    ),
    Column(
        name="epoch",
        title="Epoch",
        least=9,
        most=9,
        rank=0,
        falling=True,
        right=True,
        key=lambda d: d.epoch,
        cell=_epochs,
    ),
    Column(
        name="curve",
        title="Curve",
        least=8,
        most=20,
        rank=4,
        key=lambda d: d.loss,
        cell=_curve,
    ),
    Column(
        name="loss",
        title="Loss",
        least=6,
        most=7,
        rank=5,
        right=True,
        key=lambda d: d.loss,
        cell=_loss,
    ),
    Column(
        name="knn",
        title="k-NN%",
        least=6,
        most=7,
        rank=2,
        falling=True,
        right=True,
        key=lambda d: d.best_knn,
        cell=_percent(lambda d: d.best_knn),
    ),
    Column(
        name="linear",
        title="Lin.%",
        least=6,
        most=7,
        rank=1,
        falling=True,
        right=True,
        key=lambda d: d.best_linear,
        cell=_percent(lambda d: d.best_linear),
    ),
    Column(
        name="age",
        title="Age",
        least=6,
        most=6,
        rank=0,
        right=True,
        key=lambda d: None if d.started is None else -d.started,
        cell=lambda d, context: Cell(age(d.started, context.minute), "muted"),
    ),
    Column(
        name="tags",
        title="Tags",
        least=8,
        most=24,
        rank=6,
        key=_lower(_tags),
        cell=_text(_tags),
    ),
    Column(
        name="host",
        title="Host",
        least=8,
        most=14,
        rank=8,
        key=_lower(lambda d: d.host),
        cell=_text(lambda d: d.host, "muted"),
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}


def fit_columns(width: int) -> tuple[tuple[Column, int], ...]:
    """The columns that `width` cells have room for, each with its own width; together they fill it.

    The least useful go first. What is left over goes to those that can grow, the run's id before all.
    """
    shown = list(COLUMNS)
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
    return tuple((column, widths[column.name]) for column in shown)
