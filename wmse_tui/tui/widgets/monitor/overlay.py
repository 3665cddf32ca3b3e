"""Which other runs are drawn beside the one that is watched: a list to mark them in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.text import safe
from wmse_tui.tui.screens.base import Dialog

MOST = 7
"""Runs beside the one that is watched."""
LISTED = 200
"""Runs in the list, the newest."""


class OverlayScreen(Dialog[tuple[RunDirectory, ...]]):
    """Answers the marked runs, or None.

    Args:
        runs: to choose from.
        chosen: marked at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "accept", "Draw these", priority=True),
        Binding("escape,q", "dismiss(None)", "Cancel"),
        Binding("j", "app.simulate_key('down')", show=False),
        Binding("k", "app.simulate_key('up')", show=False),
    ]

    def __init__(self, runs: Iterable[RunDirectory], chosen: Iterable[RunDirectory]) -> None:
        super().__init__()
        marked = set(chosen)
        listed = list(runs)[:LISTED]
        listed += [run for run in marked if run not in listed]
        self._runs = listed
        self._marked = marked

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="overlay") as box:
            box.border_title = Content("Draw other runs beside this one")
            yield SelectionList[int](
                *(
                    Selection(Content(safe(run.id, 64)), number, run in self._marked)
                    for number, run in enumerate(self._runs)
                )
            )
            yield Static("", markup=False, classes="problem")
            yield Static(
                "Space marks a run, Enter draws those that are marked.", markup=False, classes="hint"
            )

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(SelectionList).focus()

    def action_accept(self) -> None:
        """Draw those that are marked."""
        chosen = self.query_one(SelectionList).selected
        if len(chosen) > MOST:
            self.query_one(".problem", Static).update(
                f"{len(chosen)} are marked; {MOST} can be drawn at once."
            )
            return
        self.dismiss(tuple(self._runs[number] for number in sorted(chosen)))
