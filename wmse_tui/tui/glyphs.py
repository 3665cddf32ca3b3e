"""ASCII mode, for terminals that cannot show Unicode: all output is translated to ASCII.

One filter after drawing does it for every widget, also those of Textual. Charts are drawn in ASCII from the
start, which is more legible than translated braille.
"""

from __future__ import annotations

import sys
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

# Two characters of ASCII in place of one, and of one space beside it: the width stays the same.
_WITH_SPACES = ((" ± ", "+/-"), (" ≤ ", " <="), (" ≥ ", " >="))
_TABLE = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍┄┅┈┉╴╶╸╺╼╾▔", "-"),
        "▁": "_",
        **dict.fromkeys("│┃║╎╏┆┇┊┋▏▕▎▍", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┣┫┳┻╋╔╗╚╝╠╣╦╩╬╒╕╘╛╓╖╙╜╞╡╟╢╤╧╥╨╪╫", "+"),
        **dict.fromkeys("█▇▆▅▉▊▋▌▐▀▄▓■▮", "#"),
        **dict.fromkeys("▃▂░▒▖▗▘▝", ":"),
        **dict.fromkeys("▲△↑⌃", "^"),
        **dict.fromkeys("▼▽▾↓⌄", "v"),
        **dict.fromkeys("▶►▸→⇒›", ">"),
        **dict.fromkeys("◀◄◂←⇐‹", "<"),
        **dict.fromkeys("•●◆★∙", "*"),
        **dict.fromkeys("○◇□◦", "o"),
        **dict.fromkeys("·…", "."),
        **dict.fromkeys("‘’ʼ", "'"),
        **dict.fromkeys("“”", '"'),
        **dict.fromkeys("–—−", "-"),
        "✓": "+",
        "✔": "+",
        "✗": "x",
        "×": "x",
        "µ": "u",
        "λ": "l",
        "²": "2",
        "³": "3",
        "°": "o",
        "⭘": "o",
        "≈": "~",
    }
)


def ascii_wanted(setting: bool | None) -> bool:
    """The setting, or where there is none: whether the terminal's encoding is something else than UTF-8."""
    if setting is not None:
        return setting
    encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
    return not encoding.lower().replace("-", "").startswith("utf")


@lru_cache(maxsize=4096)
def to_ascii(text: str) -> str:
    """`text` in ASCII, of the same width in cells; characters without a similar one become `?`."""
    if text.isascii():
        return text
    for symbol, spelled in _WITH_SPACES:
        text = text.replace(symbol, spelled)
    mapped = text.translate(_TABLE)
    if mapped.isascii():
        return mapped
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in mapped)


class AsciiFilter(LineFilter):
    """Translates a line just before it is written to the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            segment if segment.control else Segment(to_ascii(segment.text), segment.style)
            for segment in segments
        ]
