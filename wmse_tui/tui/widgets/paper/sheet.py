"""The published table as a sheet: published accuracies, and below them those of the user's own runs."""

from __future__ import annotations

from collections.abc import Mapping

from wmse_tui.config.presence import Presence
from wmse_tui.runs.state.status import ACTIVE
from wmse_tui.runs.table.compare import Spread
from wmse_tui.runs.table.paper import PaperCell, PublishedTable
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.widgets.table import Cell, Sheet

_COLUMN = 17  # cells of accuracies with the number of runs, "87.50 / 81.25 n=2"
_MARKS = {"here": " ✓", "archive": " ✓", "download": " ↓", "missing": " !"}
"""After the title of a data set, by where its images are."""


def paper_sheet(table: PublishedTable, presence: Mapping[str, Presence]) -> Sheet:
    """One row for each method, one column for each data set.

    Args:
        table: what is shown.
        presence: where the images of each column are, by its title.
    """
    rows = tuple(
        (Cell(safe(title), "heading"), *map(_cell, cells))
        for title, cells in zip(table.rows, table.cells, strict=True)
    )
    headings = (
        Cell(safe(title) + (_MARKS.get(presence[title].state, "") if title in presence else ""))
        for title in table.columns
    )
    return Sheet((Cell(""), *headings), rows, least=_COLUMN)


def _cell(cell: PaperCell | None) -> Cell:
    if cell is None:
        return Cell("")
    numbers = cell.published
    if numbers.linear is None and numbers.knn is None:
        text = "unverified" if numbers.note.startswith("unverified") else "no number"
        return Cell(text, "muted", _own(cell))
    return Cell(_accuracies(numbers.linear, numbers.knn), below=_own(cell))


def _own(cell: PaperCell) -> Cell | None:
    """The best of the completed runs, the differences of their means, and the run that trains."""
    unfinished = _unfinished(cell)
    if not cell.n:
        return unfinished
    differences = cell.linear_difference, cell.knn_difference
    if any(differences):
        text = " / ".join("-" if one is None else _signed(one) for one in differences)
        unfinished = Cell(text, below=unfinished)
    linear, knn = (
        None if best is None else 100 * best.accuracy for best in (cell.best_linear, cell.best_knn)
    )
    return Cell(f"{_accuracies(linear, knn)} n={cell.n}", "good", unfinished)


def _unfinished(cell: PaperCell) -> Cell | None:
    """The epoch of the run that trains, or how many have not completed."""
    training = next((run.row for run in cell.partial if run.row.status in ACTIVE), None)
    if training is not None:
        return Cell(f"{training.status} {training.epoch}/{training.epochs or '?'}", "info")
    if cell.n or not cell.partial:
        return None
    return Cell(f"{len(cell.partial)} unfinished", "muted")


def _signed(difference: Spread) -> str:
    spread = "" if difference.std is None else f"±{difference.std:.1f}"
    return f"{difference.mean:+.1f}{spread}"


def _accuracies(linear: float | None, knn: float | None) -> str:
    return " / ".join("-" if number is None else f"{number:.2f}" for number in (linear, knn))
