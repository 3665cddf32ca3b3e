"""The row of names under the panels: which there are, which one is active, and the letter that shows it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

NAMES = {
    "plots": "Plots",
    "whitening": "Whitening",
    "map": "Map",
    "usage": "Usage",
    "log": "Log",
    "output": "Output",
    "evaluations": "Evaluations",
    "config": "Config",
}
"""The panels in their order; each is shown by its first letter."""


class PaneStrip(Static):
    """Names that can be clicked."""

    def __init__(self) -> None:
        super().__init__("", id="pane-strip", markup=False)
        self._told: object = None

    def tell(self, active: str, large: bool) -> None:
        """Which panel is the active one, and whether it has all the room."""
        if self._told == (active, large):
            return
        self._told = active, large
        parts = [Content(" ")]
        for pane, name in NAMES.items():
            text = Content.from_markup(f"[@click=screen.pane('{pane}')] {name} [/]")
            style = "bold reverse" if pane == active else "dim"
            parts.append(text.stylize(style))
            if pane != active:
                parts[-1] = parts[-1].stylize("bold $accent", 1, 2)
        if large:
            parts.append(Content.styled("  m: all panels", "dim"))
        self.update(Content("").join(parts), layout=False)
