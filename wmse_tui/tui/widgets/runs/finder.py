"""The line in which the list is filtered while one types."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from wmse_tui.runs.table.query import Query, parse_query
from wmse_tui.tui import keys


class Finder(Horizontal):
    """Hidden until it is opened; Enter leaves the line and keeps the filter."""

    BINDINGS = keys.RUN_FINDER

    class Changed(Message):
        """The filter has changed."""

        def __init__(self, query: Query) -> None:
            super().__init__()
            self.query = query

    class Left(Message):
        """Back to the list."""

    def compose(self) -> ComposeResult:
        yield Static("/", markup=False, id="finder-slash")
        line = Input(
            placeholder="words, state:running, knn:>80, lr:<1e-3, age:<1d, tag:x, -tag:old", compact=True
        )
        line.cursor_blink = False
        yield line
        yield Static("", markup=False, id="finder-problem")

    def open(self) -> None:
        """Show the line, ready to type into."""
        self.display = True
        self.screen.set_focus(self.query_one(Input))  # at once: keys that are typed ahead belong to it

    def on_mount(self) -> None:
        self.display = bool(self.query_one(Input).value)

    def restore(self, text: str) -> None:
        """Show a filter that was typed before."""
        self.query_one(Input).value = text
        self.display = bool(text)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        query = parse_query(event.value)
        self.query_one("#finder-problem", Static).update(query.problem)
        self.post_message(self.Changed(query))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_accept()

    def action_accept(self) -> None:
        """Keep the filter and go back to the list; an empty filter hides the line."""
        self.display = bool(self.query_one(Input).value.strip())
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Drop the filter and hide the line."""
        self.query_one(Input).value = ""
        self.display = False
        self.post_message(self.Left())
