"""The help: what the current screen is for, and every key that works there."""

from __future__ import annotations

import re
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.services import services_of

_WRAPPED = re.compile(r"(?<!\n)\n(?=[\w(`])")
"""A line that continues: paragraphs are wrapped to the dialog, lists keep their lines."""
_TEXTUALS_OWN = frozenset(
    {
        "app.focus_next",
        "app.focus_previous",
        "screen.copy_text",
        # Lists pass these on where there is nothing to scroll, which is always the case sideways.
        "scroll_left",
        "scroll_right",
        "page_left",
        "page_right",
    }
)


class HelpScreen(Dialog[None]):
    """The keys of a screen, with the ids by which the settings file can give them other ones."""

    BINDINGS = [  # noqa: RUF012 (Textual's type)
        *keys.bindings(("escape,q,question_mark", "dismiss(None)", "Close")),
        *keys.VI_ARROWS,
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._text = help_of(about)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="help") as scroll:
            scroll.border_title = Content("Help")
            yield Static(self._text, markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#help").focus()


def help_of(screen: Screen[Any]) -> Content:
    """What the screen is for, and its keys: first its own, then those of the whole app."""
    parts: list[Content] = []
    if isinstance(screen, AppScreen) and screen.HELP:
        text = services_of(screen).keys.fill(screen.HELP.strip())
        parts += [Content(_WRAPPED.sub(" ", text)), Content("\n\n")]
    groups: dict[str, dict[str, tuple[Binding, list[str]]]] = {"Here": {}, "Everywhere": {}}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        if not binding.description or binding.system or binding.action in _TEXTUALS_OWN:
            continue
        rows = groups["Everywhere" if active.node is screen.app else "Here"]
        _, names = rows.setdefault(binding.action, (binding, []))
        names.append(keys.key_name(key))
    for title, rows in groups.items():
        if rows:
            parts.append(Content.styled(f"{title}\n", "bold $primary"))
        for binding, names in rows.values():
            parts += [
                Content.styled(f"  {' '.join(names):<14}", "$accent"),
                Content(f" {binding.tooltip or binding.description}"),
                Content.styled(f"  {binding.id}\n" if binding.id else "\n", "$foreground-muted"),
            ]
        parts.append(Content("\n"))
    note = "The grey names are what `keys:` in the settings file calls them, as in `keys: {quit: ctrl+x}`."
    return Content("").join([*parts, Content.styled(note, "$foreground-muted")])
