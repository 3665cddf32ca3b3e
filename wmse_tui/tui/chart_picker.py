"""The menu of what plots can draw: one quantity at once, or several side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.widgets.vi import KeyList

MOST_CHARTS = 4
"""Plots side by side, at most."""


@dataclass(frozen=True, slots=True)
class PickedCharts:
    """The titles of what to draw; `marked`: side by side, else the one under the cursor alone."""

    titles: tuple[str, ...]
    marked: bool


class ChartPicker(Dialog[PickedCharts]):
    """Enter answers with the marked titles in the order of their marks, or with the one under the cursor.

    Args:
        titles: to choose from.
        shown: the ones that are drawn now.
        current: under the cursor at first.
        without: those that have no value in the runs that are shown.
        one: what Enter does without marks, as in "shows it in this plot".
    """

    BINDINGS = [  # noqa: RUF012 (Textual's type)
        *keys.bindings(("q", "dismiss(None)")),
        *keys.PICKER,
    ]

    def __init__(
        self,
        titles: tuple[str, ...],
        *,
        shown: Collection[str],
        current: str,
        without: Collection[str] = (),
        one: str,
    ) -> None:
        super().__init__()
        self._titles, self._shown, self._current = titles, shown, current
        self._without, self._one = without, one
        self._marked: list[int] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="chart-picker") as box:
            box.border_title = Content("Quantity")
            yield KeyList(*(Option(self._prompt(index)) for index in range(len(self._titles))))
            yield Static("", markup=False, classes="problem")
            text = f"Enter {self._one}; space marks up to {MOST_CHARTS} to draw side by side."
            yield Static(text, markup=False, classes="hint")

    def on_mount(self) -> None:
        super().on_mount()
        listed = self.query_one(KeyList)
        listed.highlighted = self._titles.index(self._current) if self._current in self._titles else 0
        listed.focus()

    def _prompt(self, index: int) -> Content:
        title = self._titles[index]
        mark = f"[{self._marked.index(index) + 1}]" if index in self._marked else "[ ]"
        notes = ["shown"] * (title in self._shown) + ["no values"] * (title in self._without)
        note = f"  {', '.join(notes)}" if notes else ""
        return Content.assemble(f"{mark} ", (title, "dim" if title in self._without else ""), (note, "dim"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click marks a quantity."""
        event.stop()
        self._toggle(event.option_index)

    def action_mark(self) -> None:
        """Mark the quantity under the cursor, or remove its mark; one too many is refused."""
        index = self.query_one(KeyList).highlighted
        if index is not None:
            self._toggle(index)

    def _toggle(self, index: int) -> None:
        problem = ""
        changed = {index, *self._marked}
        if index in self._marked:
            self._marked.remove(index)
        elif len(self._marked) < MOST_CHARTS:
            self._marked.append(index)
        else:
            problem = f"{MOST_CHARTS} are marked already; remove a mark first."
        self.query_one(".problem", Static).update(problem)
        for each in changed:
            self.query_one(KeyList).replace_option_prompt_at_index(each, self._prompt(each))

    def action_accept(self) -> None:
        """Answer the marked ones, or the one under the cursor."""
        index = self.query_one(KeyList).highlighted
        if self._marked:
            self.dismiss(PickedCharts(tuple(self._titles[each] for each in self._marked), True))
        elif index is not None:
            self.dismiss(PickedCharts((self._titles[index],), False))
