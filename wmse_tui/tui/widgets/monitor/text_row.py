"""Rows of styled text that are sent to the terminal only when they change."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from wmse_tui.runs.state.status import Tone
from wmse_tui.tui.widgets.wrapping import wrapped_content

EMPTY = Content("")
GAP = "   "
TONE_STYLES: Mapping[Tone, str] = {
    "muted": "dim",
    "info": "$primary",
    "good": "$success",
    "warning": "$warning",
    "bad": "$error",
}
_SHORTEST = 12  # cells: a text that is cut to less is left out


class TextBlock(Static):
    """Sanitised text of any height; without text it is hidden."""

    DEFAULT_CSS = "TextBlock { height: auto; width: 1fr; }"
    retained = False  # whether it remains without text

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(EMPTY, markup=False, id=id, classes=classes)
        self._shown = EMPTY
        self.display = self.retained

    def show(self, content: Content) -> None:
        """Show `content`; the same content again sends nothing."""
        if not content.is_same(self._shown):
            self._shown = content
            self._update(content)

    def _update(self, content: Content) -> None:
        self.display = bool(content.plain)
        width = self.content_size.width
        self.update(wrapped_content(content, width) if width else content)

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        """Wrap the text again."""
        if not self.retained:
            self._update(self._shown)

    @property
    def text(self) -> str:
        """The text that is shown."""
        return self._shown.plain


class TextRow(TextBlock):
    """A single row of sanitised text, cut at the right edge; it takes its row even without text."""

    retained = True
    DEFAULT_CSS = "TextRow { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }"

    def _update(self, content: Content) -> None:
        self.update(content, layout=False)


def join_fitting(parts: list[Content], width: int, gap: str = GAP) -> Content:
    """As many of `parts`, from the first on, as fit `width` cells; the last one may be cut."""
    shown: list[Content] = []
    left = width
    for part in parts:
        if not part.plain:
            continue
        size = cell_len(part.plain) + (cell_len(gap) if shown else 0)
        if size > left:
            left -= cell_len(gap) if shown else 0
            if not shown or left >= _SHORTEST:
                shown.append(part.truncate(max(1, left), ellipsis=True))
            break
        shown.append(part)
        left -= size
    return Content(gap).join(shown)


def progress_bar(done: float, total: float, width: int) -> Content:
    """`done` of `total` as a bar of `width` cells; empty while the total is unknown."""
    filled = min(width, int(width * done / total)) if total else 0
    return Content.assemble(("█" * filled, "$primary"), ("░" * (width - filled), "dim"))
