"""Short paragraphs, each with a head at its left and the text beside it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.widgets.wrapping import wrapped_lines


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text and its head; styles are those of Textual's content."""

    head: str
    text: str
    style: str = ""
    head_style: str = "$text-muted"


class Paragraphs(Widget):
    """Paragraphs below each other; what has not changed is not drawn again."""

    def __init__(self, *, indent: int, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._indent = indent
        self.paragraphs: tuple[Paragraph, ...] = ()

    def show(self, paragraphs: tuple[Paragraph, ...]) -> None:
        """Show other paragraphs."""
        if paragraphs == self.paragraphs:
            return
        width = self.size.width
        height = len(self._lines(width))
        self.paragraphs = paragraphs
        self.refresh(layout=len(self._lines(width)) != height)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.size.width))

    def _lines(self, width: int) -> list[Content]:
        available = max(8, width - self._indent)
        lines = []
        for one in self.paragraphs:
            head = f"{one.head:<{self._indent}}"
            for line in wrapped_lines(safe(one.text, 800), available):
                text = Content.styled(line.rstrip(), one.style)
                lines.append(Content.styled(head, one.head_style) + text)
                head = " " * self._indent
        return lines
