"""What went wrong, with the evidence and what can be done."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.screens.base import Dialog


class TroubleScreen(Dialog[None]):
    """Something did not work: what, the evidence, and what to do next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss(None)", "Close", key_display="esc"),
        Binding("j", "app.simulate_key('down')", show=False),
        Binding("k", "app.simulate_key('up')", show=False),
    ]

    def __init__(self, title: str, detail: str = "", next: tuple[str, ...] = ()) -> None:  # noqa: A002
        super().__init__()
        self._title, self._detail, self._next = title, detail, next

    @classmethod
    def of(cls, what: str, error: RunsError | ConfigError | OSError) -> TroubleScreen:
        """The trouble that an error tells of; `what` it means, for an error that does not say so."""
        if isinstance(error, RunsError):
            return cls(error.title, error.detail, error.next)
        if isinstance(error, OSError):
            return cls(what, f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        return cls(what, "\n".join(problem.text() for problem in error.problems))

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as box:
            box.border_title = Content(safe(self._title[:1].upper() + self._title[1:], 60))
            lines = [Content.styled(safe(self._title, 400), "bold $error")]
            lines += [Content(safe(line, 600)) for line in self._detail.splitlines()[:60]]
            lines += [Content.styled("-> ", "$accent") + Content(safe(step, 400)) for step in self._next]
            yield Static(Content("\n").join(lines), markup=False)
            yield Static("Escape closes.", markup=False, classes="hint")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(VerticalScroll).focus()
