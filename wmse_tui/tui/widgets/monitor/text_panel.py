"""A panel of text lines that can be searched."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.keys import TEXT_PANEL, KeyNames
from wmse_tui.tui.widgets.monitor.text_lines import TextLine, TextLines
from wmse_tui.tui.widgets.monitor.text_row import TextRow
from wmse_tui.tui.widgets.panel import Panel


class TextPanel(Panel):
    """Lines to scroll and to search, below a heading.

    Args:
        title: in the border.
        keys: the keys that the text on a search names.
        follow: scroll to the end while more lines come.
        empty: shown while there are no lines.
        indent: cells before the continuation of a long line.
    """

    BINDINGS = TEXT_PANEL

    def __init__(
        self,
        *,
        title: str,
        id: str,  # noqa: A002 (textual's name)
        keys: KeyNames,
        follow: bool = True,
        empty: str = "",
        indent: int = 10,
    ) -> None:
        super().__init__(title=title, id=id, classes="text-panel")
        self._empty = empty
        self._keys = keys
        self._heading = TextRow(classes="heading")
        self._lines = TextLines(follow=follow, indent=indent)
        self._note = TextRow(classes="note")
        self._input = Input(placeholder="search for", compact=True, classes="search")
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        self._heading.display = self._note.display = self._input.display = False
        yield self._heading
        yield self._lines
        yield self._note
        yield self._input

    @property
    def lines(self) -> TextLines:
        """The lines, which have the focus while this panel is active."""
        return self._lines

    @property
    def heading(self) -> str:
        """The text above the lines."""
        return self._heading.text if self._heading.display else ""

    @property
    def search_note(self) -> str:
        """The text on the search; "" without one."""
        return self._note.text if self._note.display else ""

    def show(self, lines: Sequence[TextLine], *, heading: str = "") -> None:
        """Show `lines` below `heading`, which is sanitised."""
        self._lines.show(lines)
        heading = heading or ("" if lines else self._empty)
        self._heading.display = bool(heading)
        self._heading.show(Content.styled(heading, "dim"))
        if self._lines.needle:
            self._show_position()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a search `escape` is the screen's."""
        return action != "clear" or bool(self._lines.needle) or self._input.display

    def action_search(self) -> None:
        """Show the input of the search."""
        self._input.display = True
        self._input.value = self._lines.needle
        self.screen.set_focus(self._input)  # at once: the next key is for it

    def action_step(self, by: int) -> None:
        """Go to the next or the previous match."""
        if not self._lines.needle:
            self.action_search()
            return
        self._lines.step(by)
        self._show_position()

    def action_clear(self) -> None:
        """End the search."""
        had_focus = self._input.has_focus
        self._input.display = self._note.display = False
        self._lines.search("")
        if had_focus:
            self.screen.set_focus(self._lines, scroll_visible=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Jump to the first match."""
        event.stop()
        self._input.display = False
        self.screen.set_focus(self._lines, scroll_visible=False)
        self._lines.search(event.value)
        if event.value:
            self._show_position()
        else:
            self.action_clear()

    def _show_position(self) -> None:
        needle = safe(self._lines.needle, 40)
        number, total = self._lines.position
        text = f"not found: {needle}"
        if total:
            keys = "{key:search-next} next, {key:search-previous} previous, {key:search-end} ends"
            text = f"{number} of {total}: {needle}   {self._keys.fill(keys)}"
        self._note.display = True
        self._note.show(Content.styled(text, "$accent"))
