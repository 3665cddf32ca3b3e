"""Aligned columns of text, for every command that prints a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(
    rows: Sequence[Sequence[str]], *, right: Collection[int] = (), widths: Sequence[int] = ()
) -> list[str]:
    """Return rows of equal length as sanitised lines, columns two spaces apart.

    Args:
        rows: the cells; the heading is a row like the others.
        right: indices of the columns that are aligned to the right.
        widths: of the columns at least, where rows of the table are printed later; none: as these rows need.
    """
    from wmse_tui.runs.text.sanitize import safe

    cells = [[safe(cell) for cell in row] for row in rows]
    needed = [max(map(len, column)) for column in zip(*cells, strict=True)]
    columns = [max(pair) for pair in zip(needed, widths or needed, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, columns, strict=True))
        ).rstrip()
        for row in cells
    ]
