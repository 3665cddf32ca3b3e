"""All words of a choice, to pick one from."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from wmse_tui.config.fields import FormField
from wmse_tui.tui.screens.base import Dialog
from wmse_tui.tui.widgets.form.lists import KeyList


class ChoiceScreen(Dialog[str]):
    """The choices of an option; escape changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Cancel", key_display="esc"),
    ]

    def __init__(self, option: FormField, now: str) -> None:
        super().__init__()
        self._option, self._now = option, now
        self._choices = ("true", "false") if option.kind == "flag" else option.choices

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._option.title)
            yield Static(self._option.description, markup=False)
            yield KeyList(*(Option(Content(word), id=word) for word in self._choices))

    def on_mount(self) -> None:
        super().on_mount()
        words = self.query_one(KeyList)
        words.highlighted = self._choices.index(self._now) if self._now in self._choices else 0
        words.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)
