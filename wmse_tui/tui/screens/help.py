"""The help: what the current screen is for, and every key that works there."""

from __future__ import annotations

import re
from itertools import zip_longest
from textwrap import wrap
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

_WRAPPED = re.compile(r"(?<!\n)\n(?=[\w(`{])")
"""A line that continues: paragraphs are wrapped to the dialog, lists keep their lines."""
_WIDTH = 58  # cells of a sentence beside its keys


class HelpScreen(Dialog[None]):
    """What a screen is for, and its keys in groups."""

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
    """What the screen is for, and its keys in groups: those that do something first, those that move last."""
    parts: list[Content] = []
    if isinstance(screen, AppScreen) and screen.HELP:
        text = services_of(screen).keys.fill(_WRAPPED.sub(" ", screen.HELP.strip()))
        parts += [Content(text), Content("\n\n")]
    groups: dict[str, dict[str, tuple[Binding, list[str]]]] = {title: {} for title in keys.GROUPS.values()}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        if not binding.id or not binding.description or binding.system:
            continue
        _, names = groups[keys.group_of(binding.id)].setdefault(binding.action, (binding, []))
        names.append(keys.key_name(key))
    for title, rows in groups.items():
        if rows:
            parts.append(Content.styled(f"{title}\n", "bold $primary"))
        for binding, names in rows.values():
            text = str(binding.tooltip or binding.description)
            for heading, line in zip_longest((" ".join(names),), wrap(text, _WIDTH), fillvalue=""):
                parts += [Content.styled(f"  {heading:<15}", "$accent"), Content(f" {line}\n")]
        if rows:
            parts.append(Content("\n"))
    note = "Other keys: `keys:` in the settings file, by the ids that docs/reference.md lists."
    return Content("").join([*parts, Content.styled(note, "$foreground-muted")])
