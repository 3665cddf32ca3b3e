"""Two small questions that several screens ask: yes or no, and a line of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from wmse_tui.tui.screens.base import Dialog


class ConfirmScreen(Dialog[bool]):
    """A question with yes and no; the safe answer has the focus. `text` must be safe for a terminal."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("escape,n,q", "dismiss(False)", "No"),
        Binding("left,h", "app.focus_previous", show=False),
        Binding("right,l", "app.focus_next", show=False),
    ]

    def __init__(
        self, title: str, text: str, *, yes: str = "Yes", no: str = "No", danger: bool = False
    ) -> None:
        super().__init__()
        self._title, self._text, self._yes, self._no, self._danger = title, text, yes, no, danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(self._text, markup=False)
            with Horizontal(classes="buttons"):
                yield Button(
                    Content(f"{self._yes} (y)"), id="yes", variant="error" if self._danger else "primary"
                )
                yield Button(Content(f"{self._no} (n)"), id="no")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#no" if self._danger else "#yes").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class AskScreen(Dialog[str]):
    """A question with a line of text for an answer; escape answers None.

    Args:
        title: in the border.
        text: the question, safe for a terminal.
        value: what stands there at first.
        placeholder: shown while nothing stands there.
        check: a sentence on what is wrong with a value, or "".
    """

    def __init__(
        self,
        title: str,
        text: str,
        *,
        value: str = "",
        placeholder: str = "",
        check: Callable[[str], str] = lambda _: "",
    ) -> None:
        super().__init__()
        self._title, self._text, self._value, self._placeholder = title, text, value, placeholder
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(self._text, markup=False)
            line = Input(self._value, placeholder=self._placeholder)
            line.cursor_blink = False
            yield line
            yield Static("", markup=False, classes="problem")
            yield Static("Enter accepts, escape cancels.", markup=False, classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one(".problem", Static).update(self._check(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._check(event.value):
            self.dismiss(event.value)
