"""A bordered part of a screen."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget


class Panel(Vertical):
    """A part of a screen with a title in its border."""

    def __init__(
        self,
        *children: Widget,
        title: str = "",
        id: str | None = None,  # noqa: A002 (Textual's name)
        classes: str | None = None,
    ) -> None:
        super().__init__(*children, id=id, classes=classes)
        self.border_title = Content(title)

    def on_mount(self) -> None:
        # The rule `:focus-within` would restyle every widget of the panel whenever the focus moves inside it.
        self.watch(self.screen, "focused", self._show_focus)

    def _show_focus(self) -> None:
        if self.has_class("-focused") is not self.has_focus_within:
            self.set_class(self.has_focus_within, "-focused", update=False)
            self.app.stylesheet.update_nodes((self,))  # no rule for its widgets depends on the class
