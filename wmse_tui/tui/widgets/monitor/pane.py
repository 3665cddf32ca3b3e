"""What the panels of Monitor have in common, and those of them that hold lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.widgets.monitor.line import Line
from wmse_tui.tui.widgets.monitor.textlines import TextLine, TextLines
from wmse_tui.tui.widgets.panel import Panel


class Pane(Panel, can_focus=True):
    """A panel that can have the keys."""

    @property
    def body(self) -> Widget:
        """What takes the keys while this panel is the active one."""
        return self


class TextPane(Pane, can_focus=False):
    """Lines to scroll and to search.

    Args:
        title: in the border.
        follow: stay at the end while more lines come.
        nothing: said while there are no lines.
        indent: cells by which the rest of a long line is moved in.
    """

    BINDINGS = keys.TEXT_PANE

    def __init__(
        self,
        *,
        title: str,
        id: str,  # noqa: A002 (textual's name)
        follow: bool = True,
        nothing: str = "",
        indent: int = 10,
    ) -> None:
        super().__init__(title=title, id=id, classes="text-pane")
        self._nothing = nothing
        self._head = Line(classes="head")
        self._lines = TextLines(follow=follow, indent=indent)
        self._note = Line(classes="note")
        self._input = Input(placeholder="search for", compact=True, classes="search")
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        self._head.display = self._note.display = self._input.display = False
        yield self._head
        yield self._lines
        yield self._note
        yield self._input

    @property
    def body(self) -> Widget:
        return self._lines

    def show(self, lines: Sequence[TextLine], *, head: str = "") -> None:
        """Show `lines`; `head` is fit for a terminal and stays above them."""
        self._lines.show(lines)
        head = head or ("" if lines else self._nothing)
        self._head.display = bool(head)
        self._head.say(Content.styled(head, "dim"))
        if self._lines.needle:
            self._tell_place()

    def action_search(self) -> None:
        """Ask what to search for."""
        self._input.display = True
        self._input.value = self._lines.needle
        self.screen.set_focus(self._input)  # now: what is typed ahead belongs to it

    def action_step(self, by: int) -> None:
        """Go to the next or the previous match."""
        if not self._lines.needle:
            self.action_search()
            return
        self._lines.step(by)
        self._tell_place()

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
            self._tell_place()
        else:
            self.action_clear()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Nobody else's business."""
        event.stop()

    def _tell_place(self) -> None:
        needle = safe(self._lines.needle, 40)
        place, many = self._lines.place
        text = (
            f"{place} of {many}: {needle}   n next, N previous, esc ends"
            if many
            else f"nowhere here: {needle}"
        )
        self._note.display = True
        self._note.say(Content.styled(text, "$accent"))
