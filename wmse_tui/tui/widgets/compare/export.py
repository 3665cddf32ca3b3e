"""Where a comparison is written to, and in which format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from wmse_tui.tui.screens.base import Dialog
from wmse_tui.tui.widgets.compare.table import Entry, Sheet, SheetTable

CURVES = "curves"
_FORMATS = (
    ("csv", "CSV", "a row for each run, accuracies as fractions", "comparison.csv"),
    ("json", "JSON", "everything, accuracies as fractions", "comparison.json"),
    ("markdown", "Markdown", "tables in percent", "comparison.md"),
    ("latex", "LaTeX", "a table of means and deviations in percent", "comparison.tex"),
    (CURVES, "Curves", "CSV of the curves that are drawn now", "curves.csv"),
)
_USUAL = frozenset(name for *_, name in _FORMATS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A format (of `runs.export.FORMATS`, or CURVES) and a path as it was typed."""

    format: str
    path: str


class ExportScreen(Dialog[Wanted]):
    """Answers what is wanted, or None; `folder` is where names without a folder lie."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("q", "dismiss(None)", "Cancel", show=False),
        Binding("enter", "name", "Go on", show=False),
    ]

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder
        self._chosen = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="export") as box:
            box.border_title = Content("Export the comparison")
            yield SheetTable()
            line = Input(_FORMATS[0][-1], placeholder="a file name")
            line.cursor_blink = False
            yield line
            yield Static("", markup=False, classes="problem")
            yield Static(
                f"Up and down choose, Enter goes to the name, and there it writes. In {self._folder}.",
                markup=False,
                classes="hint",
            )

    def on_mount(self) -> None:
        super().on_mount()
        self._show()
        self.query_one(SheetTable).focus()

    def _show(self) -> None:
        rows = tuple(
            (Entry("(x)" if place == self._chosen else "( )"), Entry(title), Entry(words, "muted"))
            for place, (_, title, words, _) in enumerate(_FORMATS)
        )
        self.query_one(SheetTable).show(Sheet((Entry(""), Entry("format"), Entry("")), rows))

    def on_sheet_table_moved(self, event: SheetTable.Moved) -> None:
        """Another format has another usual name; one that was typed stays."""
        self._chosen = event.row
        self._show()
        line = self.query_one(Input)
        if line.value in _USUAL:
            line.value = _FORMATS[event.row][-1]

    def action_name(self) -> None:
        """Go on to the name."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(Wanted(_FORMATS[self._chosen][0], event.value.strip()))
        else:
            self.query_one(".problem", Static).update("The file needs a name.")
