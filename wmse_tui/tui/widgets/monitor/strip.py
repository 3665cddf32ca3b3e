"""The row of names under the panels: which there are, which one is active, and the letter that shows it."""

from __future__ import annotations

from textual.content import Content
from textual.events import Resize
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
_WIDE = 68


class PaneStrip(Static):
    """Names that can be clicked, closer together where there is little room."""

    def __init__(self) -> None:
        super().__init__("", id="pane-strip", markup=False)
        self._told = "", False

    def tell(self, active: str, large: bool) -> None:
        """Which panel is the active one, and whether it has all the room."""
        if self._told != (active, large):
            self._told = active, large
            self._draw()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self._draw()

    def _draw(self) -> None:
        active, large = self._told
        pad = " " if self.size.width >= _WIDE else ""
        parts = [Content(" ")]
        for pane, name in NAMES.items():
            text = Content.from_markup(f"[@click=screen.pane('{pane}')]{pad}{name} [/]")
            if pane == active:
                parts.append(text.stylize("bold reverse"))
            else:
                parts.append(text.stylize("dim").stylize("bold $accent", len(pad), len(pad) + 1))
        if large:
            parts.append(Content.styled("  m: all panels", "dim"))
        self.update(Content("").join(parts), layout=False)
