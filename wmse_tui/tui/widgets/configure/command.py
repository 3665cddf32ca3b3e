"""A command line to be copied."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static, TextArea

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.screens.base import Dialog


class CommandScreen(Dialog[None]):
    """A command line, already on the clipboard where the terminal allows that; it can be selected here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("c", "copy", "Copy again", tooltip="Copy the whole line again"),
    ]

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = safe(command)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content("The same from a shell")
            text = TextArea(self._command, read_only=True, compact=True, highlight_cursor_line=False)
            text.cursor_blink = False
            yield text
            yield Static(
                "It was sent to the clipboard. A terminal that forbids it (tmux without `set-clipboard on`) "
                "lets you select it here: shift and arrows, ctrl+c, or the mouse with shift. Escape closes.",
                markup=False,
                classes="hint",
            )

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(TextArea).focus()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._command)
