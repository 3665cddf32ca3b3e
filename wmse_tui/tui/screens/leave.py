"""Leaving with trainers at work: leave them running, stop them, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.screens.base import Dialog


class LeaveScreen(Dialog[str]):
    """Answers "leave", "stop" or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "dismiss('leave')", "Leave running"),
        Binding("s", "dismiss('stop')", "Stop"),
        Binding("escape,c,q", "dismiss(None)", "Cancel"),
        Binding("left,h", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, active: tuple[RunDirectory, ...]) -> None:
        super().__init__()
        self._active = active

    def compose(self) -> ComposeResult:
        names = ", ".join(safe(run.id, 60) for run in self._active[:6])
        more = f" and {len(self._active) - 6} more" if len(self._active) > 6 else ""
        runs = "is a run" if len(self._active) == 1 else "are runs"
        them = "It goes" if len(self._active) == 1 else "They go"
        with Vertical(classes="dialog") as box:
            box.border_title = Content("Leave")
            yield Static(
                f"There {runs} of yours at work: {names}{more}.\n\n"
                f"{them} on without the app; `wmse-tui attach` shows a run again, from any terminal.\n"
                "Stopping saves a checkpoint first, and a stopped run can be resumed.",
                markup=False,
            )
            with Horizontal(classes="buttons"):
                yield Button(Content("Leave running (l)"), id="leave", variant="primary")
                yield Button(Content("Stop (s)"), id="stop", variant="warning")
                yield Button(Content("Cancel (esc)"), id="cancel")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        answer = event.button.id
        self.dismiss(answer if answer in ("leave", "stop") else None)
