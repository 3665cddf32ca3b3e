"""One row of text that is sent to the terminal only when it says something new."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

EMPTY = Content("")
GAP = "   "
_WORTH = 12  # cells: less of a text that is cut says nothing


class Line(Static):
    """A row of `Content`, cut where the room ends; saying the same twice costs nothing."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(EMPTY, markup=False, id=id, classes=classes)
        self._said = EMPTY

    def say(self, content: Content) -> None:
        """Show `content`, whose text is fit for a terminal."""
        if content.is_same(self._said):
            return
        self._said = content
        self.update(content, layout=False)

    @property
    def said(self) -> str:
        """The text that stands there."""
        return self._said.plain


class Paragraph(Static):
    """Text of any height; the same text twice costs nothing."""

    DEFAULT_CSS = "Paragraph { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(EMPTY, markup=False, id=id, classes=classes)
        self._said = EMPTY

    def say(self, content: Content) -> None:
        """Show `content`, whose text is fit for a terminal; none takes no room."""
        if content.is_same(self._said):
            return
        self._said = content
        self.display = bool(content.plain)
        self.update(content)

    @property
    def said(self) -> str:
        """The text that stands there."""
        return self._said.plain


def fit(parts: list[Content], width: int, gap: str = GAP) -> Content:
    """As many of `parts` as `width` cells hold, from the first on; the last one may be cut."""
    shown: list[Content] = []
    room = width
    for part in parts:
        if not part.plain:
            continue
        size = cell_len(part.plain) + (cell_len(gap) if shown else 0)
        if size > room:
            left = room - cell_len(gap) if shown else room
            if not shown or left >= _WORTH:
                shown.append(part.truncate(max(1, left), ellipsis=True))
            break
        shown.append(part)
        room -= size
    return Content(gap).join(shown)
