"""Wraps sanitised text by cells, and never between a number and its unit."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size

Span = tuple[int, int]
_UNIT = re.compile(r"(?:%|°C|(?:s|min|h|d|px|W|B|kB|MB|GB|TB|images/s)\b)")
_LONGER, _SHORTER = re.compile(r"\d (?:min|h|d)\Z"), re.compile(r"\d+ (?:s|min|h)\b")


@lru_cache(maxsize=8192)
def wrapped(text: str, width: int, indent: int) -> tuple[Span, ...]:
    """The spans of `text` that fit `width` cells, `indent` less after the first; at least one."""
    if cell_len(text) <= width:
        return ((0, len(text)),)
    spans: list[Span] = []
    begin, available = 0, width
    while begin < len(text):
        end, used = begin, 0
        while end < len(text) and used + get_character_cell_size(text[end]) <= available:
            used += get_character_cell_size(text[end])
            end += 1
        end = max(end, begin + 1)
        if end < len(text) and (space := _last_space(text, begin, end)) > begin + (end - begin) // 2:
            spans.append((begin, space))
            begin = space + 1
        else:
            spans.append((begin, end))
            begin = end
        available = width - indent
    return tuple(spans)


def wrapped_lines(text: str, width: int) -> list[str]:
    """The lines of `text` in `width` cells; its own line ends are kept."""
    return [line[begin:end] for line in text.split("\n") for begin, end in wrapped(line, width, 0)]


def unbroken(text: str) -> str:
    """`text` of the same length for a widget that wraps by itself: quantities have no-break spaces."""
    if " " not in text:
        return text
    spaces = (index for index, character in enumerate(text) if character == " " and index)
    glued = {index for index in spaces if _within_quantity(text, index)}
    return "".join("\xa0" if index in glued else character for index, character in enumerate(text))


def _last_space(text: str, begin: int, end: int) -> int:
    """The last space up to `end` at which a line may end; -1: there is none."""
    space = text.rfind(" ", begin, end + 1)
    while space > begin and _within_quantity(text, space):
        space = text.rfind(" ", begin, space)
    return space


def _within_quantity(text: str, space: int) -> bool:
    """Whether a space is between a number and its unit, or between the two parts of a duration."""
    if text[space - 1].isdigit():
        return _UNIT.match(text, space + 1) is not None
    longer = _LONGER.search(text, max(0, space - 6), space)
    return longer is not None and _SHORTER.match(text, space + 1) is not None
