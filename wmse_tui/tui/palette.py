"""The palette: one line of text that finds actions of every screen, runs, presets and options, best first."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.widgets.vi import KeyList

_SHOWN = 14  # entries
_SOME = 4  # the rank where only some words are in the title
_NOTHING = "Nothing matches."


@dataclass(frozen=True, slots=True)
class PaletteEntry:
    """Something to do.

    Args:
        title: its name, without the screen.
        about: what it does.
        kind: action, run, preset or option.
        act: does it.
        screen: the title of the screen that an action belongs to; "": it is an action of the shown one.
    """

    title: str
    about: str
    kind: str
    act: Callable[[], Awaitable[Any] | Any]
    screen: str = ""

    @property
    def full_title(self) -> str:
        """The title with the screen, as "Configure: Sweep"."""
        return f"{self.screen}: {self.title}" if self.screen else self.title


def rank(entry: PaletteEntry, words: Sequence[str]) -> tuple[int, bool, int] | None:
    """How well an entry matches, small is good; None: a word is nowhere in it.

    Of equal matches an action of another screen is the last. The name of that screen may be typed before its
    title; the text before a colon in the description of an option is its title too.
    """
    text = f"{entry.full_title} {entry.about} {entry.kind}".lower()
    if not all(word in text for word in words):
        return None
    written = entry.about.partition(":")[0] if entry.kind == "option" else ""
    screen = f"{entry.screen.lower()}:"
    bare = [word for word in words if not screen.startswith(word)] if entry.screen else words
    quality, length = min(
        _rank_of(title.lower(), wanted)
        for title in (entry.title, written)
        for wanted in (words, bare)
        if title and wanted
    )
    if any(word in entry.full_title.lower() for word in words):  # the name of the screen alone
        quality = min(quality, _SOME)
    return quality, bool(entry.screen), length


def _rank_of(title: str, words: Sequence[str]) -> tuple[int, int]:
    whole = " ".join(words)
    if title == whole:
        return 0, len(title)
    if title.startswith(whole):
        return 1, len(title)
    begins = all(any(part.startswith(word) for part in re.split(r"[-_. ]", title)) for word in words)
    inside = sum(word in title for word in words)
    return (2 if begins else 3 if inside == len(words) else _SOME if inside else _SOME + 1), len(title)


def best(entries: Iterable[PaletteEntry], query: str, most: int = _SHOWN) -> list[PaletteEntry]:
    """The entries that match, the best first, in their own order where equal; without a query the actions."""
    words = query.lower().split()
    if not words:
        return [entry for entry in entries if entry.kind == "action"][:most]
    found = [(rank(entry, words), number, entry) for number, entry in enumerate(entries)]
    ranked = sorted((score, number, entry) for score, number, entry in found if score is not None)
    return [entry for _, _, entry in ranked[:most]]


class Palette(Dialog[PaletteEntry]):
    """Answers the chosen entry, or None. Sanitises its texts."""

    BINDINGS = keys.bindings(("down", "step(1)"), ("up", "step(-1)"))

    def __init__(self, entries: Sequence[PaletteEntry]) -> None:
        super().__init__()
        self._entries = list(entries)
        self._found: list[PaletteEntry] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="palette") as box:
            box.border_title = Content("Find an action, a run, a preset or an option")
            line = Input(placeholder="what to do, or a name", compact=True)
            line.cursor_blink = False
            yield line
            found = KeyList()
            found.can_focus = False
            yield found

    def on_mount(self) -> None:
        super().on_mount()
        self._show("")

    def add(self, entries: Iterable[PaletteEntry]) -> None:
        """Add entries that were found meanwhile."""
        self._entries += entries
        self._show(self.query_one(Input).value)

    def _show(self, query: str) -> None:
        self._found = best(self._entries, query)
        found = self.query_one(KeyList)
        found.set_options(Option(_prompt(entry)) for entry in self._found)
        if not self._found:
            found.add_option(Option(_NOTHING, disabled=True))
        found.highlighted = 0 if self._found else None

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        at = self.query_one(KeyList).highlighted
        if at is not None:
            self.dismiss(self._found[at])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._found[event.option_index])

    def action_step(self, by: int) -> None:
        """Move the cursor; the focus stays in the line."""
        found = self.query_one(KeyList)
        if found.highlighted is not None:
            found.highlighted = (found.highlighted + by) % len(self._found)


def _prompt(entry: PaletteEntry) -> Content:
    kind = "" if entry.kind == "action" else f"{entry.kind}  "
    title = Content.styled(safe(entry.full_title, 44), "bold")
    return Content.assemble(title, "  ", (kind, "$accent"), (safe(entry.about, 90), "$text-muted"))
