"""A grid of cells to write on, and the immutable rows made of it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style

Row: TypeAlias = tuple[Segment, ...]
Box: TypeAlias = tuple[int, int, int, int]  # left, top, width, height
_PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Drawing:
    """Rows of styled cells, all of one width, from the top."""

    rows: tuple[Row, ...] = ()

    @property
    def text(self) -> str:
        """The characters without their colours."""
        return "\n".join("".join(segment.text for segment in row) for row in self.rows)


class Canvas:
    """`height` rows of `width` cells; text beyond them is cut off."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        # A cell holds one character, or nothing where the character before it is two cells wide.
        self._cells = [[" "] * self.width for _ in range(self.height)]
        self._styles = [[_PLAIN] * self.width for _ in range(self.height)]

    def put(self, x: int, y: int, text: str, style: Style = _PLAIN) -> int:
        """Write `text` from column `x` of row `y`; returns the column after it."""
        if not 0 <= y < self.height:
            return x
        for character in text:
            size = max(0, get_character_cell_size(character))
            if size and x >= 0 and x + size <= self.width:
                self._write(x, y, character, size, style)
            x += size
        return x

    def centre(self, text: str, box: Box, style: Style = _PLAIN) -> None:
        """Write `text` into the middle of a box, in as many lines as it needs there."""
        left, top, width, height = box
        lines = textwrap.wrap(text, max(1, width))[: max(0, height)]
        for y, line in enumerate(lines, top + (height - len(lines)) // 2):
            self.put(left + max(0, width - cell_len(line)) // 2, y, line, style)

    def is_free(self, x: int, y: int, but: str = " ") -> bool:
        """Whether a cell has a space or `but`; cells outside the canvas count as free."""
        return not (0 <= y < self.height and 0 <= x < self.width) or self._cells[y][x] in (" ", but)

    def drawing(self) -> Drawing:
        """The rows as they are now."""
        return Drawing(tuple(self._row(y) for y in range(self.height)))

    def _write(self, x: int, y: int, character: str, size: int, style: Style) -> None:
        cells, styles = self._cells[y], self._styles[y]
        if not cells[x] and x:  # overwriting half of a wide character removes the other half too
            cells[x - 1] = " "
        if x + size < self.width and not cells[x + size]:
            cells[x + size] = " "
        cells[x], styles[x] = character, style
        if size == 2:
            cells[x + 1], styles[x + 1] = "", style

    def _row(self, y: int) -> Row:
        """Cells of one style are one segment; unstyled spaces join the segment before them."""
        pairs = list(zip(self._styles[y], self._cells[y], strict=True))
        for x in range(1, len(pairs)):
            style = pairs[x - 1][0]
            if pairs[x] == (_PLAIN, " ") and is_bare(style):
                pairs[x] = style, " "
        return tuple(
            Segment("".join(cell for _, cell in group), style)
            for style, group in groupby(pairs, key=lambda pair: pair[0])
        )


def is_bare(style: Style | None) -> bool:
    """Whether a space in this style is invisible."""
    return style is None or not (
        style.bgcolor
        or style.reverse
        or style.underline
        or style.underline2
        or style.strike
        or style.overline
    )


def blank(width: int, height: int) -> Drawing:
    """An empty drawing of that size."""
    return Canvas(width, height).drawing()
