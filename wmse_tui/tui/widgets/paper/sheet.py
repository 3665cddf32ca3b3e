"""The published table as a sheet: in each cell the published accuracies, and the user's own below them."""

from __future__ import annotations

from wmse_tui.runs.table.paper import PaperCell, PublishedTable
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.widgets.table import Cell, Sheet

_COLUMN = 17  # cells of accuracies with the number of runs, "87.50 / 81.25 n=2"


def paper_sheet(table: PublishedTable) -> Sheet:
    """One row for each method, one column for each data set."""
    rows = tuple(
        (Cell(safe(title), "heading"), *map(_cell, cells))
        for title, cells in zip(table.rows, table.cells, strict=True)
    )
    return Sheet((Cell(""), *(Cell(safe(title)) for title in table.columns)), rows, least=_COLUMN)


def _cell(cell: PaperCell | None) -> Cell:
    if cell is None:
        return Cell("", below=Cell(""))
    numbers = cell.published
    if numbers.linear is None and numbers.knn is None:
        text = "unverified" if numbers.note.startswith("unverified") else "no number"
        return Cell(text, "muted", _own(cell))
    return Cell(_accuracies(numbers.linear, numbers.knn), below=_own(cell))


def _own(cell: PaperCell) -> Cell:
    """The best of the user's own runs and their number, or those that have not completed."""
    if cell.n:
        linear, knn = (
            None if best is None else 100 * best.accuracy for best in (cell.best_linear, cell.best_knn)
        )
        return Cell(f"{_accuracies(linear, knn)} n={cell.n}", "good")
    return Cell(f"{len(cell.partial)} unfinished", "muted") if cell.partial else Cell("")


def _accuracies(linear: float | None, knn: float | None) -> str:
    return " / ".join("-" if number is None else f"{number:.2f}" for number in (linear, knn))
