"""Which runs are compared: a list to mark them in, eight at most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.table.compare import MOST
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.screens.base import Dialog
from wmse_tui.tui.widgets.table import Cell, CellTable, Sheet


class ChooseScreen(Dialog[tuple[RunDirectory, ...] | None]):
    """Answers the marked runs: those that were marked before in their order, then the others; or None.

    Args:
        runs: to choose from, newest first.
        chosen: marked at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark"),
        Binding("enter", "accept", "Compare"),
        Binding("escape,q", "dismiss(None)", "Cancel"),
    ]

    def __init__(self, runs: Iterable[RunDirectory], chosen: tuple[RunDirectory, ...]) -> None:
        super().__init__()
        self._runs = (*chosen, *(run for run in runs if run not in chosen))
        self._marked = set(range(len(chosen)))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="choose") as box:
            box.border_title = Content("Compare which runs?")
            yield CellTable()
            yield Static("", markup=False, classes="problem")
            yield Static(
                f"Space marks a run, {MOST} at most; Enter compares the marked ones.",
                markup=False,
                classes="hint",
            )

    def on_mount(self) -> None:
        super().on_mount()
        self._show()
        self.query_one(CellTable).focus()

    def _show(self) -> None:
        rows = tuple(
            (Cell("[x]" if place in self._marked else "[ ]"), Cell(safe(run.id, 58)))
            for place, run in enumerate(self._runs)
        )
        self.query_one(CellTable).show(Sheet((Cell(""), Cell(f"{len(self._marked)} marked")), rows))

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away; a ninth is refused."""
        place, said = self.query_one(CellTable).row, ""
        if place in self._marked:
            self._marked.remove(place)
        elif place is not None and len(self._marked) < MOST:
            self._marked.add(place)
        elif place is not None:
            said = f"{MOST} runs can be compared at once; take a mark away first."
        self.query_one(".problem", Static).update(said)
        self._show()

    def action_accept(self) -> None:
        """Compare those that are marked."""
        self.dismiss(tuple(self._runs[place] for place in sorted(self._marked)))
