"""The list of presets under headings: the one under the cursor is edited; a line of words filters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from wmse_tui.runs.text.sanitize import safe, shortened_apart
from wmse_tui.tui import keys
from wmse_tui.tui.services import services_of
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
        self._times: Mapping[str, str] = {}

    def compose(self) -> ComposeResult:
        line = FilterLine(placeholder="filter", compact=True, id="configure-filter")
        line.cursor_blink = False
        line.display = False
        yield line
        yield KeyList(id="configure-list")

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()  # names are cut, not the numbers after them

    @property
    def list(self) -> KeyList:
        """The list itself."""
        return self.query_one(KeyList)

    def show_times(self, times: Mapping[str, str], *, without: Collection[str] = ()) -> None:
        """Show how long the draft of each entry takes on this machine, by key; unknown ones are left out.

        Entries of `without` continue to show what they do.
        """
        before = {key: text for key, text in self._times.items() if key in without}
        after = before | {key: text for key, text in times.items() if key not in without}
        if after != self._times:
            self._times = after
            self.draw()

    def show_time(self, key: str, time: str) -> None:
        """Show how long the draft of one entry takes; "": unknown. Nothing until `show_times` was called."""
        if self._times and time != self._times.get(key, ""):
            others = {other: text for other, text in self._times.items() if other != key}
            self.show_times(others | ({key: time} if time else {}))

    def draw(self) -> None:
        """Show the library as it is now."""
        changes = self._library.changes()
        groups = {
            heading: tuple(key for key in group if self._matches(key))
            for heading, group in self._library.groups.items()
        }
        keys = tuple(key for group in groups.values() for key in group)
        short = shortened_apart([self._short_label(key) for key in keys], self._width)
        prompts = {
            key: self._prompt(key, key in changes, text) for key, text in zip(keys, short, strict=True)
        }
        options = self.list
        if keys != self._shown:
            with self.prevent(OptionList.OptionHighlighted):
                options.set_options(_options(groups, prompts) if keys else (self._nothing_found(),))
                options.highlighted = self._cursor(keys)
        else:
            for key in keys:
                if not prompts[key].is_same(self._prompts[key]):
                    options.replace_option_prompt(key, prompts[key])
            cursor = self._cursor(keys)
            if cursor is not None and options.highlighted != cursor:
                with self.prevent(OptionList.OptionHighlighted):
                    options.highlighted = cursor
        self._shown, self._prompts = keys, prompts
        shown = "linear %, time" if self._times else "linear %"
        found = f"{len(keys)} of {len(self._library.keys)}" if self._words else shown
        if self.border_subtitle != found:
            self.border_subtitle = found

    def open_filter(self) -> None:
        """Focus the input of the filter."""
        line = self.query_one(FilterLine)
        line.display = True
        self.screen.set_focus(line)  # now: what is typed ahead belongs to it

    def _nothing_found(self) -> Option:
        """The only row where the filter hides every preset: options are found elsewhere."""
        text = services_of(self).keys.fill("no preset matches;\n{key:palette} finds options")
        return Option(Content.styled(text, "$text-muted"), disabled=True)

    def _label(self, key: str) -> str:
        """The name of an entry; under the heading of a data set without it."""
        entry = self._library.entries.get(key)
        name = key if entry is None else entry.label
        if key in self._library.names and key not in self._library.own:
            name = name.partition("-")[2] or name
        return safe(name)

    def _short_label(self, key: str) -> str:
        """The same without what is no part of the name."""
        entry = self._library.entries.get(key)
        return safe(entry.short_label) if entry is not None and entry.kind == "copy" else self._label(key)

    @property
    def _width(self) -> int:
        """The cells of a row beside its mark; before the list has a size a number that is no limit."""
        return self.list.scrollable_content_region.width - 2 if self.list.size.width else 60

    def _prompt(self, key: str, changed: bool, short: str) -> Content:
        """A row: whether it was changed, the name, and as much of accuracy and time as fits beside it.

        Args:
            key: of the entry.
            changed: it has a draft with changes.
            short: its name where there is no space for the whole one.
        """
        entry, name = self._library.entries.get(key), self._label(key)
        if entry is not None and entry.draft is None:
            return Content.styled("! ", "bold $error") + Content.styled(short, "$error")
        mark = Content.styled("• ", "bold $accent") if changed else Content("  ")
        opened = entry is not None and entry.kind in ("file", "copy", "images")
        notes = self._notes(entry) if entry is not None else ()
        shown, note = _fitting((name, short), notes, self._width)
        name = shown.ljust(self._width - len(note))
        return mark + Content.styled(name, "italic" if opened else "") + Content(note)

    def _notes(self, entry: Entry) -> tuple[str, ...]:
        """What may follow the name of an entry, the longest first."""
        linear = entry.paper.linear if entry.paper is not None and entry.kind == "shipped" else None
        first = " yours" if entry.kind == "user" else "" if linear is None else f" {linear:.2f}"
        time = f" {self._times[entry.key]}" if entry.key in self._times else ""
        if not first or not self._times:
            return (first or time,)
        return f"{first}{time:>{1 + max(map(len, self._times.values()))}}", f"{first}{time}", time

    def _cursor(self, keys: tuple[str, ...]) -> int | None:
        """The index of the edited entry in the list; None where the filter hides it."""
        return self.list.get_option_index(self._library.key) if self._library.key in keys else None

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
            self.list.action_first()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id is not None and event.option_id != self._library.key:
            self.post_message(self.Chosen(event.option_id))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Accepted())


def _fitting(names: Sequence[str], notes: Sequence[str], width: int) -> tuple[str, str]:
    """The first of `notes` beside which one of `names` is whole in `width` cells, with it; else no note."""
    for note in (*notes, ""):
        for name in names:
            if cell_len(name) + len(note) <= width:
                return name, note
    return safe(names[-1], width), ""


def _options(groups: Mapping[str, tuple[str, ...]], prompts: Mapping[str, Content]) -> Iterator[Option]:
    """The rows of the list: a heading, which the cursor skips, before each group."""
    for heading, group in groups.items():
        if group:
            yield Option(Content.styled(heading, "bold $text-muted"), disabled=True)
        yield from (Option(prompts[key], id=key) for key in group)
