"""Aligned columns of text, for every command that prints a table."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Sequence

_SHORTEST = 16  # characters of a first column, at least


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


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None where it is none: files and pipes get whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    widths: Sequence[int] = (),
    most: int | None = None,
) -> list[str]:
    """Return rows as `aligned` does, none longer than `most` characters; None: as long as they are.

    The first column gives way down to 16 characters, without its middle; what is still too long is cut.
    """
    from wmse_tui.runs.text.sanitize import safe, shortened_apart

    if most is None:
        return aligned(rows, right=right, widths=widths)
    cells = [[safe(cell) for cell in row] for row in rows]
    needed = [max(map(len, column)) for column in zip(*cells, strict=True)]
    others = sum(max(pair) + 2 for pair in zip(needed[1:-1], (widths or needed)[1:-1], strict=True))
    first = max(_SHORTEST, most - others - min(needed[-1], _SHORTEST) - 2)
    names = shortened_apart([row[0] for row in cells], first)
    cut = [[name, *row[1:]] for name, row in zip(names, cells, strict=True)]
    capped = [min(width, first) if index == 0 else width for index, width in enumerate(widths)]
    return [safe(line, most) for line in aligned(cut, right=right, widths=capped)]
