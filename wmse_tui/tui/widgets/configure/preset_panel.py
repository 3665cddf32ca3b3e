"""The list of presets: the one under the cursor is edited; a line of words filters."""

from __future__ import annotations

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.widgets.configure.preset_library import Entry, PresetLibrary
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.vi import KeyList


class FilterLine(Input):
    """The input of the filter."""

    BINDINGS = keys.PRESET_FILTER

    class Left(Message):
        """The focus moves to the list; `filtered`: with the matches only."""

        def __init__(self, *, filtered: bool) -> None:
            super().__init__()
            self.filtered = filtered

    def action_clear(self) -> None:
        self.post_message(self.Left(filtered=False))

    def action_leave(self) -> None:
        self.post_message(self.Left(filtered=True))


class PresetPanel(Panel):
    """Presets, files that were loaded and copies of runs."""

    class Chosen(Message):
        """The cursor is on another entry."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Accepted(Message):
        """The user continues with the entry under the cursor."""

    def __init__(self, library: PresetLibrary) -> None:
        super().__init__(title="Presets", id="configure-presets")
        self._library = library
        self._shown: tuple[str, ...] = ()
        self._prompts: dict[str, Content] = {}
        self._words = ""

    def compose(self) -> ComposeResult:
        line = FilterLine(placeholder="filter", compact=True, id="configure-filter")
        line.cursor_blink = False
        line.display = False
        yield line
        yield KeyList(id="configure-list")

    def on_mount(self) -> None:
        self.draw()

    @property
    def list(self) -> KeyList:
        """The list itself."""
        return self.query_one(KeyList)

    def draw(self) -> None:
        """Show the library as it is now."""
        changes = self._library.changes()
        keys = tuple(key for key in self._library.keys if self._matches(key))
        prompts = {key: _prompt(key, self._library.entries.get(key), changes) for key in keys}
        options = self.list
        if keys != self._shown:
            with self.prevent(OptionList.OptionHighlighted):
                options.set_options(Option(prompts[key], id=key) for key in keys)
                options.highlighted = keys.index(self._library.key) if self._library.key in keys else None
        else:
            for index, key in enumerate(keys):
                if not prompts[key].is_same(self._prompts[key]):
                    options.replace_option_prompt_at_index(index, prompts[key])
            if self._library.key in keys and options.highlighted != keys.index(self._library.key):
                with self.prevent(OptionList.OptionHighlighted):
                    options.highlighted = keys.index(self._library.key)
        self._shown, self._prompts = keys, prompts
        found = f"{len(keys)} of {len(self._library.keys)}" if self._words else ""
        if self.border_subtitle != found:
            self.border_subtitle = found

    def open_filter(self) -> None:
        """Focus the input of the filter."""
        line = self.query_one(FilterLine)
        line.display = True
        self.screen.set_focus(line)  # now: what is typed ahead belongs to it

    def _matches(self, key: str) -> bool:
        entry = self._library.entries.get(key)
        if entry is None:
            return self._words.lower() in key.lower()
        return entry.matches(self._words)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._words = event.value.strip()
        self.draw()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave(filtered=True)

    @on(FilterLine.Left)
    def _left(self, event: FilterLine.Left) -> None:
        event.stop()
        self._leave(filtered=event.filtered)

    def _leave(self, *, filtered: bool) -> None:
        line = self.query_one(FilterLine)
        if not filtered:
            line.value = ""
        line.display = filtered and bool(self._words)
        self.screen.set_focus(self.list)
        if self.list.highlighted is None and self._shown:
            self.list.highlighted = 0

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id is not None and event.option_id != self._library.key:
            self.post_message(self.Chosen(event.option_id))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Accepted())


def _prompt(key: str, entry: Entry | None, changes: Mapping[str, int]) -> Content:
    """A line of the list: the number of changes, the name, and whether it is the user's."""
    count = changes.get(key, 0)
    mark = Content.styled("• ", "bold $accent") if count else Content("  ")
    if entry is None:
        return mark + Content(safe(key, 60))
    if entry.draft is None:
        return Content.styled("! ", "bold $error") + Content.styled(safe(entry.label, 60), "$error")
    whose = Content.styled(" yours", "$text-muted") if entry.kind == "user" else Content("")
    style = "italic" if entry.kind in ("file", "copy") else ""
    return mark + Content.styled(safe(entry.label, 60), style) + whose
