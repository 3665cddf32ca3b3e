"""What the terminal shows, cell by cell, so that only cells that differ are sent.

Textual sends whole widgets, and the whole screen where a dialog opens: 20 to 60 KB at 120 by 40 cells, most
of which the terminal shows already. A key that moves a cursor costs two rows here, and a dialog its own box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, TypeAlias

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

Cell: TypeAlias = tuple[str, Style | None]  # "": the right half of a wide character
_UNKNOWN: Cell = ("\0", None)
_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}
_JOINED = 6  # equal cells between two differences: to send them is shorter than to move the cursor


class _Codes(NamedTuple):
    """The parameters of a style in the terminal's SGR sequence: attributes, foreground, background."""

    attributes: frozenset[str] = frozenset()
    foreground: str = ""
    background: str = ""


_PLAIN = _Codes()
_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29"}
"""What switches an attribute off; bold and dim share theirs."""


@lru_cache(maxsize=4096)
def _codes(style: Style, colours: str | None) -> _Codes:
    """The parameters of `style` on a terminal with these colours."""
    system = ColorSystem.TRUECOLOR if colours is None else _SYSTEMS[colours]
    found = iter(Strip.render_ansi(style, system).split(";"))
    attributes: set[str] = set()
    foreground = background = ""
    for code in found:
        if code in ("38", "48"):
            kind = next(found)
            code = ";".join((code, kind, *islice(found, 1 if kind == "5" else 3)))
        if code[:1] in ("3", "9") and len(code) > 1:
            foreground = code
        elif code[:1] in ("4", "1") and len(code) > 1:
            background = code
        elif code:
            attributes.add(code)
    return _Codes(frozenset(attributes), foreground, background)


@lru_cache(maxsize=4096)
def _transition(before: _Codes, after: _Codes) -> str:
    """The shortest sequence after which text looks like `after`."""
    whole = ["0", *sorted(after.attributes), *filter(None, (after.foreground, after.background))]
    gone = before.attributes - after.attributes
    if gone - _OFF.keys():
        return f"\x1b[{';'.join(whole)}m"
    off = dict.fromkeys(_OFF[code] for code in sorted(gone))
    again = {code for code in after.attributes & before.attributes if _OFF.get(code) in off}
    changed = [*off, *sorted((after.attributes - before.attributes) | again)]
    for old, new, default in (
        (before.foreground, after.foreground, "39"),
        (before.background, after.background, "49"),
    ):
        changed += [] if old == new else [new or default]
    return f"\x1b[{min(';'.join(changed), ';'.join(whole), key=len)}m"


class FrameDifference(CompositorUpdate):
    """Pieces of rows, each with its column and row."""

    def __init__(self, pieces: Sequence[tuple[int, int, Strip]]) -> None:
        self.pieces = pieces

    def render_segments(self, console: Console) -> str:
        """The escape sequences that draw the pieces; of a style only what differs from the one before."""
        parts: list[str] = []
        before = _PLAIN
        for x, y, strip in self.pieces:
            parts.append(Control.move_to(x, y).segment.text)
            for text, style, _ in strip:
                codes = _PLAIN if style is None else _codes(style, console.color_system)
                if codes != before:
                    parts.append(_transition(before, codes))
                    before = codes
                parts.append(text)
        if before != _PLAIN:
            parts.append("\x1b[0m")
        return "".join(parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for x, y, strip in self.pieces:
            yield Control.move_to(x, y).segment
            yield from strip


class Frame:
    """The cells of the terminal as they were sent last."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []

    def forget(self) -> None:
        """The terminal may show anything: send all of the next update."""
        self._rows = []

    def difference(
        self, update: LayoutUpdate | ChopsUpdate, width: int, height: int
    ) -> FrameDifference | None:
        """What of `update` differs from the terminal, which shows it from now on; None: nothing does."""
        if len(self._rows) != height or (self._rows and len(self._rows[0]) != width):
            self._rows = [[_UNKNOWN] * width for _ in range(height)]
        pieces: list[tuple[int, int, Strip]] = []
        for x, y, strip in _strips(update):
            if 0 <= y < height:
                pieces += ((column, y, piece) for column, piece in self._changed(self._rows[y], x, strip))
        return FrameDifference(pieces) if pieces else None

    @staticmethod
    def _changed(row: list[Cell], x: int, strip: Strip) -> Iterator[tuple[int, Strip]]:
        cells = _cells(strip)[: len(row) - x]
        at = [i for i, cell in enumerate(cells) if cell != row[x + i]]
        row[x : x + len(cells)] = cells
        while at:
            end = next((i for i in range(1, len(at)) if at[i] - at[i - 1] > _JOINED), len(at))
            first, last = at[0], at[end - 1] + 1
            at = at[end:]
            while first and not cells[first][0]:
                first -= 1
            while last < len(cells) and not cells[last][0]:
                last += 1
            yield x + first, _strip(cells[first:last])


def _strips(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """The strips of an update, each with its column and row."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield x, y, strip
                x += strip.cell_length
        return
    for y, x1, x2 in update.spans:
        for end, (x, part) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if part is not None and x < x2 and end > x1:  # beyond the span a strip may be out of date
                first = max(x, x1)
                yield first, y, part.crop(first - x, min(end, x2) - x)


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        seen, blank = (None, None) if style is None else (_seen(style), _blank(style))
        if text.isascii():
            cells += ((character, blank if character == " " else seen) for character in text)
            continue
        for character in text:
            size = get_character_cell_size(character)
            if size:
                cells.append((character, blank if character == " " else seen))
                cells += (("", seen) for _ in range(size - 1))
            elif cells:  # a mark that combines with the character before it
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
    return cells


@lru_cache(maxsize=4096)
def _seen(style: Style) -> Style:
    """`style` without what a click does there, which a terminal does not show."""
    return style.clear_meta_and_links() if style.meta or style.link else style


@lru_cache(maxsize=4096)
def _blank(style: Style) -> Style:
    """How a space in `style` looks, whatever the colour of the text around it."""
    if style.reverse:
        return _seen(style)
    lines = (style.underline, style.underline2, style.overline, style.strike)
    return _seen(style) if any(lines) else Style(bgcolor=style.bgcolor)


def _strip(cells: Sequence[Cell]) -> Strip:
    segments: list[Segment] = []
    text, style = "", cells[0][1]
    for character, own in cells:
        same = own is style or own == style
        if not same and character == " " and style is not None and own == _blank(style):
            same = True
        if not same:
            segments.append(Segment(text, style))
            text, style = "", own
        text += character
    return Strip([segment for segment in (*segments, Segment(text, style)) if segment.text], len(cells))
