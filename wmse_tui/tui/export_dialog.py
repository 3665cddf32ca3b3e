"""The dialog that asks for the format and the file of an export: of a comparison, or of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.widgets.table import Cell, CellTable, Sheet

_WHOLE = 104  # columns of a screen whose dialog shows whole descriptions


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A format to choose: its name, its title, what it is, and the file that is suggested."""

    name: str
    title: str
    about: str
    file: str


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """The name of a format, and a path as it was typed."""

    format: str
    path: str


class ExportDialog(Dialog[ExportChoice | None]):
    """Returns the choice, or None.

    Args:
        title: in the border.
        rows: the formats.
        folder: of a name without one.
        note: shown below the formats; sanitised.
        chosen: the index of the format that is chosen at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("q", "dismiss(None)", "Cancel", show=False),
        Binding("enter", "name", "Continue", show=False),
    ]

    def __init__(
        self, title: str, rows: Sequence[ExportRow], folder: str, note: str = "", *, chosen: int = 0
    ) -> None:
        super().__init__()
        self._title, self._rows, self._folder, self._note = title, tuple(rows), folder, note
        self._suggested = frozenset(row.file for row in rows)
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="export") as box:
            box.border_title = Content(self._title)
            yield CellTable()
            yield Static("", markup=False, id="export-about")
            if self._note:
                yield Static(self._note, markup=False, id="export-note")
            line = Input(self._rows[self._chosen].file, placeholder="a file name")
            line.cursor_blink = False
            yield line
            yield Static("", markup=False, classes="problem")
            yield Static(
                f"Up and Down choose a format; Enter: the file name, then write to {self._folder}.",
                markup=False,
                classes="hint",
            )

    def on_mount(self) -> None:
        super().on_mount()
        self._show()
        table = self.query_one(CellTable)
        table.go(self._chosen, 0)
        table.focus()

    def _show(self) -> None:
        rows = tuple(
            (Cell("(x)" if index == self._chosen else "( )"), Cell(row.title), Cell(row.about, "muted"))
            for index, row in enumerate(self._rows)
        )
        self.query_one(CellTable).show(Sheet((Cell(""), Cell("format"), Cell("")), rows))
        about = self.query_one("#export-about", Static)
        about.display = self.app.size.width < _WHOLE  # else the table shows all of it
        about.update(self._rows[self._chosen].about)

    def on_cell_table_moved(self, event: CellTable.Moved) -> None:
        """Suggest the file of another format; a name that was typed stays."""
        self._chosen = event.table.row or 0
        self._show()
        line = self.query_one(Input)
        if line.value in self._suggested:
            line.value = self._rows[self._chosen].file

    def action_name(self) -> None:
        """Continue to the file name."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(ExportChoice(self._rows[self._chosen].name, event.value.strip()))
        else:
            self.query_one(".problem", Static).update("The file needs a name.")
