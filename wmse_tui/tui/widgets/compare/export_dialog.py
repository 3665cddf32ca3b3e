"""The dialog that asks for the format and the file of an exported comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.widgets.table import Cell, CellTable, Sheet

CURVES = "curves"
_FORMATS = (
    ("csv", "CSV", "a row for each run, accuracies as fractions", "comparison.csv"),
    ("json", "JSON", "everything, accuracies as fractions", "comparison.json"),
    ("markdown", "Markdown", "tables in percent", "comparison.md"),
    ("latex", "LaTeX", "a table of means and deviations in percent", "comparison.tex"),
    (CURVES, "Curves", "CSV of the curves that are drawn now", "curves.csv"),
)
_DEFAULT_NAMES = frozenset(name for *_, name in _FORMATS)


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """A format (of `runs.table.comparison_file.FORMATS`, or CURVES) and a path as it was typed."""

    format: str
    path: str


class ExportDialog(Dialog[ExportChoice | None]):
    """Returns the choice, or None; a name without a folder is in `folder`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("q", "dismiss(None)", "Cancel", show=False),
        Binding("enter", "name", "Continue", show=False),
    ]

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder
        self._chosen = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="export") as box:
            box.border_title = Content("Export the comparison")
            yield CellTable()
            line = Input(_FORMATS[0][-1], placeholder="a file name")
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
        self.query_one(CellTable).focus()

    def _show(self) -> None:
        rows = tuple(
            (Cell("(x)" if index == self._chosen else "( )"), Cell(title), Cell(description, "muted"))
            for index, (_, title, description, _) in enumerate(_FORMATS)
        )
        self.query_one(CellTable).show(Sheet((Cell(""), Cell("format"), Cell("")), rows))

    def on_cell_table_moved(self, event: CellTable.Moved) -> None:
        """Suggest the default name of another format; a name that was typed stays."""
        self._chosen = event.table.row or 0
        self._show()
        line = self.query_one(Input)
        if line.value in _DEFAULT_NAMES:
            line.value = _FORMATS[self._chosen][-1]

    def action_name(self) -> None:
        """Continue to the file name."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(ExportChoice(_FORMATS[self._chosen][0], event.value.strip()))
        else:
            self.query_one(".problem", Static).update("The file needs a name.")
