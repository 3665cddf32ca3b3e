"""Scrollable, searchable lines of text, of which only those in sight are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from wmse_tui.tui import keys
from wmse_tui.tui.widgets.wrapping import Span, wrapped

INDENT = 10  # cells before the continuation of a long line: the width of a time of day


class TextLine(Protocol):
    """A sanitised line and its kind, which is a component class of `TextLines`."""

    @property
    def text(self) -> str: ...

    @property
    def kind(self) -> str: ...


class TextLines(ScrollView, can_focus=True):
    """Lines, wrapped to the width. It follows the end while more come, unless the user has scrolled up."""

    KINDS: ClassVar[tuple[str, ...]] = (
        "plain",
        "day",
        "good",
        "warning",
        "error",
        "control",
        "marked",
        "muted",
        "match",
        "current",
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"text-lines--{kind}" for kind in KINDS}
    BINDINGS = keys.TEXT_LINES

    def __init__(self, *, follow: bool = True, indent: int = INDENT, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: Sequence[TextLine] = ()
        self._rows: list[tuple[int, Span]] = []  # the index of a line, and a span of its text
        self._width = 0
        self._follow = follow
        self._indent = self._hanging = indent
        self._was_at_end = True
        self._needle = ""
        self._matches: list[int] = []  # indices of lines
        self._current = -1  # index in _matches

    # Content

    def show(self, lines: Sequence[TextLine]) -> None:
        """Replace the lines; only rows that change are drawn."""
        if lines is self._lines:
            return
        at_end = self._at_end()
        before = self._in_sight()
        current = self._current_line()
        self._lines = lines
        if self._needle:
            self._search(current)
        self._wrap()
        if self._follow and at_end:
            self._to_end()
        for y, (old, new) in enumerate(zip(before, self._in_sight(), strict=True)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def _wrap(self) -> None:
        width = self._width
        self._hanging = self._indent if width > 3 * self._indent else 0
        if width <= 0:
            self._rows = []
            return
        self._rows = [
            (number, span)
            for number, line in enumerate(self._lines)
            for span in wrapped(line.text, width, self._hanging)
        ]
        size = Size(width, len(self._rows))
        if size != self.virtual_size:
            self.virtual_size = size

    def _at_end(self) -> bool:
        return self.scroll_offset.y >= self.virtual_size.height - self.scrollable_content_region.height

    def _to_end(self) -> None:
        end = max(0, self.virtual_size.height - self.scrollable_content_region.height)
        self.set_reactive(ScrollView.scroll_target_y, float(end))
        self.scroll_y = end

    def _in_sight(self) -> list[object]:
        top = self.scroll_offset.y
        found: list[object] = []
        for y in range(top, top + self.size.height):
            if y < len(self._rows):
                number, span = self._rows[y]
                line = self._lines[number]
                found.append((line.text, line.kind, span, self._marks(number)))
            else:
                found.append(None)
        return found

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        width = self.scrollable_content_region.width
        if width == self._width:
            if self._follow and self._was_at_end:
                self._to_end()
            return
        at_end = self._width == 0 or self._was_at_end
        self._width = width
        self._wrap()
        if self._follow and at_end:
            self._to_end()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._was_at_end = self._at_end()

    # Rendering

    def render_line(self, y: int) -> Strip:
        row = self.scroll_offset.y + y
        width = self.size.width
        background = self.rich_style
        if row >= len(self._rows):
            return Strip.blank(width, background)
        number, (begin, end) = self._rows[row]
        line = self._lines[number]
        style = self._style(line.kind)
        segments = [Segment(" " * self._hanging, style)] if begin else []
        segments += self._highlighted(number, line.text, begin, end, style)
        return Strip(segments).adjust_cell_length(width, background)

    def _style(self, kind: str) -> Style:
        return self.get_component_rich_style(f"text-lines--{kind if kind in self.KINDS else 'plain'}")

    def _highlighted(self, number: int, text: str, begin: int, end: int, style: Style) -> list[Segment]:
        spans, current = self._marks(number)
        segments: list[Segment] = []
        at = begin
        for first, after in spans:
            first, after = max(first, begin), min(after, end)
            if first >= after:
                continue
            segments.append(Segment(text[at:first], style))
            segments.append(Segment(text[first:after], self._style("current" if current else "match")))
            at = after
        segments.append(Segment(text[at:end], style))
        return segments

    def _marks(self, number: int) -> tuple[tuple[Span, ...], bool]:
        """The matches in a line, and whether it is the current one."""
        if not self._needle:
            return (), False
        return found_in(self._lines[number].text, self._needle), number == self._current_line()

    # Searching

    @property
    def lines(self) -> Sequence[TextLine]:
        """All lines."""
        return self._lines

    @property
    def needle(self) -> str:
        """The text that is searched for; "" without a search."""
        return self._needle

    @property
    def position(self) -> tuple[int, int]:
        """The number of the current match, from 1, and of all; (0, 0) without a match."""
        return self._current + 1, len(self._matches)

    def search(self, needle: str) -> None:
        """Mark `needle` in all lines, ignoring case, and go to the first match from here on."""
        self._needle = needle
        top = self._rows[self.scroll_offset.y][0] if self.scroll_offset.y < len(self._rows) else 0
        self._current = -1
        self._search(top)
        self._reveal()

    def step(self, by: int) -> None:
        """Go to the next match (`by` 1) or the previous one (-1), cyclically."""
        if self._matches:
            self._current = (self._current + by) % len(self._matches)
            self._reveal()

    def _search(self, near: int) -> None:
        self._matches = (
            [number for number, line in enumerate(self._lines) if found_in(line.text, self._needle)]
            if self._needle
            else []
        )
        later = (index for index, number in enumerate(self._matches) if number >= near)
        self._current = next(later, 0 if self._matches else -1)

    def _current_line(self) -> int:
        return self._matches[self._current] if 0 <= self._current < len(self._matches) else -1

    def _reveal(self) -> None:
        self.refresh()
        line = self._current_line()
        row = next((row for row, (number, _) in enumerate(self._rows) if number == line), None)
        height = self.scrollable_content_region.height
        if row is not None and not self.scroll_offset.y <= row < self.scroll_offset.y + height:
            self.scroll_to(y=max(0, row - height // 2), animate=False, immediate=True)

    def action_first(self) -> None:
        """Scroll to the first line."""
        self.scroll_to(y=0, animate=False, immediate=True)

    def action_last(self) -> None:
        """Scroll to the last line, and follow the end."""
        self._to_end()


@lru_cache(maxsize=8192)
def found_in(text: str, needle: str) -> tuple[Span, ...]:
    """The spans of `needle` in `text`, ignoring case."""
    lower, sought = text.lower(), needle.lower()
    if len(lower) != len(text):  # a letter whose lower case is longer
        lower, sought = text, needle
    spans: list[Span] = []
    at = lower.find(sought)
    while sought and at >= 0:
        spans.append((at, at + len(sought)))
        at = lower.find(sought, at + len(sought))
    return tuple(spans)
