"""The dialog before a run is submitted to SLURM: options of `sbatch`, and the script that they make."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from wmse_tui.runs.errors import SchedulerError
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Dialog


class JobDialog(Dialog[str | None]):
    """Shows the script of a job while options are typed; Enter answers the line of options, escape None.

    Args:
        script: the script for a line of options; raises SchedulerError.
        options: the line at first.
    """

    BINDINGS = keys.bindings(("pagedown", "scroll(1)"), ("pageup", "scroll(-1)"))

    def __init__(self, script: Callable[[str], str], *, options: str) -> None:
        super().__init__()
        self._script, self._options = script, options
        self._problem = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="job") as box:
            box.border_title = Content("Submit to SLURM")
            yield Static(
                "Options of sbatch, over those of the settings: partition=gpu time=24:00:00", markup=False
            )
            line = Input(self._options, placeholder="partition=gpu time=24:00:00")
            line.cursor_blink = False
            yield line
            with VerticalScroll(id="job-script", can_focus=False):
                yield Static("", markup=False)
            yield Static(
                "Enter submits it; page up, page down: the rest of the script; escape cancels.",
                markup=False,
                classes="hint",
            )

    def on_mount(self) -> None:
        super().on_mount()
        self._show(self._options)

    def action_scroll(self, pages: int) -> None:
        """Scroll the script."""
        shown = self.query_one("#job-script")
        shown.scroll_relative(y=pages * max(1, shown.size.height - 1), animate=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._problem:
            self.dismiss(event.value)

    def _show(self, options: str) -> None:
        shown = self.query_one("#job-script Static", Static)
        try:
            lines = self._script(options).splitlines()
        except SchedulerError as error:
            lines = [str(error), *error.next]
            self._problem = True
        else:
            self._problem = False
        shown.set_class(self._problem, "problem")
        shown.update("\n".join(safe(line, 500) for line in lines))
