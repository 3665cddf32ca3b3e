"""The menu of what plots can draw: one quantity at once, or several side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textual.content import Content

from wmse_tui.tui.dialogs import MarkingDialog

MOST_CHARTS = 4
"""Plots side by side, at most."""


@dataclass(frozen=True, slots=True)
class PickedCharts:
    """The titles of what to draw; `marked`: side by side, else the one under the cursor alone."""

    titles: tuple[str, ...]
    marked: bool


class ChartPicker(MarkingDialog[PickedCharts]):
    """Enter answers with the marked titles in the order of their marks, or with the one under the cursor.

    Args:
        titles: to choose from.
        shown: the ones that are drawn now.
        current: under the cursor at first.
        without: those that have no value in the runs that are shown.
        one: what Enter does without marks, as in "shows it in this plot".
    """

    def __init__(
        self,
        titles: tuple[str, ...],
        *,
        shown: Collection[str],
        current: str,
        without: Collection[str] = (),
        one: str,
    ) -> None:
        self._titles, self._shown, self._without = titles, shown, without
        super().__init__(
            "Quantity",
            len(titles),
            most=MOST_CHARTS,
            hint=f"Enter {one}; space marks up to {MOST_CHARTS} to draw side by side.",
            current=titles.index(current) if current in titles else 0,
        )

    def prompt(self, index: int) -> Content:
        """The number of the mark, the title, and whether it is drawn and has values."""
        title = self._titles[index]
        mark = f"[{self._marked.index(index) + 1}]" if index in self._marked else "[ ]"
        notes = ["shown"] * (title in self._shown) + ["no values"] * (title in self._without)
        note = f"  {', '.join(notes)}" if notes else ""
        return Content.assemble(f"{mark} ", (title, "dim" if title in self._without else ""), (note, "dim"))

    def answer(self, marked: Sequence[int], current: int | None) -> PickedCharts | None:
        """The marked titles, or the one under the cursor."""
        if marked:
            return PickedCharts(tuple(self._titles[each] for each in marked), True)
        return None if current is None else PickedCharts((self._titles[current],), False)
