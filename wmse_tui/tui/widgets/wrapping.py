"""Wraps sanitised text by cells, and never between a number and its unit."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size
from textual.content import Content

Span = tuple[int, int]
_UNIT = re.compile(r"(?:%|°C|(?:s|min|h|d|px|W|B|kB|MB|GB|TB|images/s)\b)")
_LONGER, _SHORTER = re.compile(r"\d (?:min|h|d)\Z"), re.compile(r"\d+ (?:s|min|h)\b")


@lru_cache(maxsize=8192)
def wrapped(text: str, width: int, indent: int, least: float = 0.5) -> tuple[Span, ...]:
    """The spans of `text` that fit `width` cells, `indent` less after the first; at least one.

    A word that would leave less than the share `least` of its line is broken: a path in a log, say.
    """
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
        if end < len(text) and (space := _last_space(text, begin, end)) > begin + int((end - begin) * least):
            spans.append((begin, space))
            begin = space + 1
        else:
            spans.append((begin, end))
            begin = end
        available = width - indent
    return tuple(spans)


def wrapped_lines(text: str, width: int) -> list[str]:
    """The lines of `text` in `width` cells; its own line ends stay."""
    return [line[begin:end] for line in text.split("\n") for begin, end in wrapped(line, width, 0, 0.0)]


def wrapped_content(content: Content, width: int) -> Content:
    """`content` in lines of `width` cells, for a widget that would wrap it at any space."""
    lines = [
        line[begin:end]
        for line in content.split("\n", allow_blank=True)
        for begin, end in wrapped(line.plain, width, 0, 0.0)
    ]
    return Content("\n").join(lines)


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
