"""The list of what can be set, with marks where something differs or is wrong; then the pages of results."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import FieldGroup, group_of, groups
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.vi import KeyList

CHECK, VIEWS = "check", "views"
TITLES = {group.name: group.title for group in groups()}
TITLES |= {CHECK: "Advice and cost", VIEWS: "Augmented views"}


class SectionPanel(Panel):
    """Groups of options, and two pages of results that have the whole width when they are chosen."""

    class Chosen(Message):
        """The cursor is on another section."""

        def __init__(self, section: str) -> None:
            super().__init__()
            self.section = section

    class Accepted(Message):
        """The person wants to go into the section."""

    def __init__(self) -> None:
        super().__init__(title="Sections", id="configure-sections")
        self._prompts = [Content(f"  {title}") for title in TITLES.values()]
        self.current = next(iter(TITLES))

    def compose(self) -> ComposeResult:
        options = zip(self._prompts, TITLES, strict=True)
        yield KeyList(*(Option(prompt, id=name) for prompt, name in options))

    def on_mount(self) -> None:
        self.list.highlighted = list(TITLES).index(self.current)

    @property
    def list(self) -> KeyList:
        """The list itself."""
        return self.query_one(KeyList)

    def draw(self, draft: Draft | None, advice: Sequence[Advice]) -> None:
        """Mark what differs and what is wrong."""
        changed = {group_of(path).name for path in draft.active} if draft is not None else set()
        wrong = {group_of(problem.path).name for problem in draft.problems} if draft is not None else set()
        unwise = {group_of(one.path).name for one in advice if one.level == "warning"}
        if wrong or unwise:
            (wrong if wrong else unwise).add(CHECK)
        for index, (name, title) in enumerate(TITLES.items()):
            first = Content.styled("•", "bold $accent") if name in changed else Content(" ")
            style = "bold $error" if name in wrong else "bold $warning"
            second = Content.styled("!", style) if name in wrong | unwise else Content(" ")
            prompt = first + second + Content(title)
            if not prompt.is_same(self._prompts[index]):
                self._prompts[index] = prompt
                self.list.replace_option_prompt_at_index(index, prompt)

    def choose(self, name: str) -> None:
        """Put the cursor on a section, without a message."""
        self.current = name
        index = list(TITLES).index(name)
        if self.list.highlighted != index:
            self.list.highlighted = index

    @property
    def group(self) -> FieldGroup | None:
        """The group of options under the cursor; None on a page of results."""
        return next((group for group in groups() if group.name == self.current), None)

    def step(self, by: int) -> None:
        """Go to the next section, or the previous one."""
        names = list(TITLES)
        self.choose(names[(names.index(self.current) + by) % len(names)])

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id is not None and event.option_id != self.current:
            self.current = event.option_id
            self.post_message(self.Chosen(event.option_id))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Accepted())
