"""Which other runs are drawn beside the one that is watched: a list to mark them in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.text.sanitize import safe
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
        Binding("space", "mark", "Mark", priority=True),
        Binding("escape,q", "dismiss(None)", "Cancel"),
        Binding("j", "app.simulate_key('down')", show=False),
        Binding("k", "app.simulate_key('up')", show=False),
    ]

    def __init__(self, runs: Iterable[RunDirectory], chosen: Iterable[RunDirectory]) -> None:
        super().__init__()
        self._marked = list(chosen)
        listed = list(runs)[:LISTED]
        self._runs = [*listed, *(run for run in self._marked if run not in listed)]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="overlay") as box:
            box.border_title = Content("Draw other runs beside this one")
            yield OptionList(*(Option(self._prompt(run)) for run in self._runs))
            yield Static("", markup=False, classes="problem")
            yield Static(
                "Space marks a run, Enter draws those that are marked.", markup=False, classes="hint"
            )

    def on_mount(self) -> None:
        listed = self.query_one(OptionList)
        listed.highlighted = 0 if self._runs else None
        listed.focus()

    def _prompt(self, run: RunDirectory) -> Content:
        return Content(f"{'[x]' if run in self._marked else '[ ]'} {safe(run.id, 60)}")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click marks a run too."""
        event.stop()
        self._toggle(event.option_index)

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away."""
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self._toggle(place)

    def _toggle(self, place: int) -> None:
        run = self._runs[place]
        if run in self._marked:
            self._marked.remove(run)
        else:
            self._marked.append(run)
        self.query_one(OptionList).replace_option_prompt_at_index(place, self._prompt(run))
        many = len(self._marked)
        problem = f"{many} are marked; {MOST} can be drawn at once." if many > MOST else ""
        self.query_one(".problem", Static).update(problem)

    def action_accept(self) -> None:
        """Draw those that are marked."""
        if len(self._marked) <= MOST:
            self.dismiss(tuple(self._marked))
