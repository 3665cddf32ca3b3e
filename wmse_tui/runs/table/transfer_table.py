"""The transfer of several encoders to the same sets: runs by sets, the best of each set and its ties.

A tie is a run whose accuracy differs from the best one by no more than is due to the number of test images:
the difference is within the root of the sum of squares of the halves of the two 95 % intervals that point to
each other. Both are tested on the same images, so the true uncertainty of the difference is smaller still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from wmse_tui.runs.state.transfer_results import Metric, SavedTransfer, Score

Rank = Literal["best", "tie", ""]


@dataclass(frozen=True, slots=True)
class TransferCell:
    """The linear probe of one run on one set, its checkpoint, and how it compares with the other runs."""

    score: Score
    checkpoint: str
    rank: Rank = ""


@dataclass(frozen=True, slots=True)
class TransferColumn:
    """One set: a cell for each run, None where it was not measured.

    `same_images`: all runs were measured on the same number of images in the same metric. Otherwise none is
    the best.
    """

    set: str
    title: str
    metric: Metric
    cells: tuple[TransferCell | None, ...]
    same_images: bool


def transfer_table(runs: Sequence[Sequence[SavedTransfer]]) -> tuple[TransferColumn, ...]:
    """The columns of the sets that any of the runs was measured on, in the order of their names."""
    by_set = [{one.result.set: one for one in found} for found in runs]
    names = sorted({name for found in by_set for name in found})
    return tuple(_column(name, [found.get(name) for found in by_set]) for name in names)


def column_title(column: TransferColumn) -> str:
    """The title of a set; a star marks a mean per class."""
    return column.title + (" *" if column.metric == "mean_per_class" else "")


def columns_json(columns: Sequence[TransferColumn]) -> list[dict[str, Any]]:
    """The columns as plain values for JSON."""
    return [asdict(column) for column in columns]


def _column(name: str, found: Sequence[SavedTransfer | None]) -> TransferColumn:
    present = [one.result for one in found if one is not None]
    same = len({(one.metric, one.classes, one.train_split, one.test_split) for one in present}) == 1
    best = max((one.linear.score for one in present), key=lambda score: score.value)
    compared = same and len(present) > 1
    cells = tuple(
        None
        if one is None
        else TransferCell(
            one.result.linear.score,
            one.checkpoint,
            _rank(one.result.linear.score, best) if compared else "",
        )
        for one in found
    )
    return TransferColumn(name, present[0].title, present[0].metric, cells, same)


def _rank(score: Score, best: Score) -> Rank:
    if score.value == best.value:
        return "best"
    halves = best.value - best.low, score.high - score.value
    return "tie" if best.value - score.value <= (halves[0] ** 2 + halves[1] ** 2) ** 0.5 else ""
