"""A run is to be launched where others train already: now all the same, or when it is its turn."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.screens.base import Dialog


class BusyScreen(Dialog[str]):
    """Answers "queue", "now" or None. `crowd` says who is there already."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "dismiss('queue')", "Queue"),
        Binding("n", "dismiss('now')", "Launch now"),
        Binding("escape,c,q", "dismiss(None)", "Cancel"),
        Binding("left,h", "app.focus_previous", show=False),
        Binding("right,l", "app.focus_next", show=False),
    ]

    def __init__(self, crowd: str) -> None:
        super().__init__()
        self._crowd = crowd

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content("No slot is free")
            yield Static(
                f"{safe(self._crowd, 400)}\n\n"
                "A queued run starts by itself when it is its turn, with or without the app.\n"
                "Launched now, it shares what it trains on, and all of them are slower.",
                markup=False,
            )
            with Horizontal(classes="buttons"):
                yield Button(Content("Queue (u)"), id="queue", variant="primary")
                yield Button(Content("Launch now (n)"), id="now", variant="warning")
                yield Button(Content("Cancel (esc)"), id="cancel")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        answer = event.button.id
        self.dismiss(answer if answer in ("queue", "now") else None)
