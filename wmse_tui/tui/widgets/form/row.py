"""One option in a form: its title, value and unit, its problems and warnings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from wmse_tui.config.fields import FormField
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.path_completion import PathSuggester, complete
from wmse_tui.tui.widgets.wrapping import wrapped_lines

MARKS = 3  # cells before the title: changed, problem, and the cursor
TITLE = 25  # cells of the title and the space after it, if the form is wide enough
_VALUE = 13  # cells that a value has at least: at 100 columns every title is whole beside it
_EXACT = ("text", "folder", "choice")  # kinds of options whose text may resemble a number
_LONG_NUMBER = re.compile(r"\d+\.\d{7,}")  # a third, say; its editor has all digits


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState:
    """What a row shows.

    Args:
        option: the field.
        text: its value as text.
        changed: it differs from the base.
        problems, warnings: sentences.
    """

    option: FormField
    text: str
    changed: bool = False
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class FieldEditor(Input):
    """The line in which a value is typed."""

    BINDINGS = keys.FIELD_EDITOR

    class Cancelled(Message):
        """Editing was cancelled."""

    def __init__(self, text: str, *, path: bool) -> None:
        super().__init__(text, compact=True, suggester=PathSuggester(folders=True) if path else None)
        self.cursor_blink = False

    def action_complete(self) -> None:
        complete(self)

    def action_cancel(self) -> None:
        self.post_message(self.Cancelled())


class FieldRow(Widget, can_focus=True):
    """A row. No key that moves changes the value; invalid values are accepted and marked."""

    BINDINGS = keys.FIELD

    class Edited(Message):
        """The value is now `text`, valid or not."""

        def __init__(self, row: FieldRow, text: str) -> None:
            super().__init__()
            self.path = row.path
            self.text = text

    class Choosing(Message):
        """The user opens the list of choices."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.row = row

    class Entered(Message):
        """The row has the focus now."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.path = row.path

    def __init__(self, state: RowState) -> None:
        super().__init__()
        self.state = state
        self._before = ""
        self._fresh = False  # the click that moves the focus here does not edit

    @property
    def path(self) -> str:
        return self.state.option.path

    @property
    def _title_width(self) -> int:
        """Cells of the title column: that of a narrow form is what a short value leaves."""
        return min(TITLE, max(8, self.size.width - MARKS - _VALUE))

    @property
    def editor(self) -> FieldEditor | None:
        """The editor of the value while it is open."""
        return next(iter(self.query(FieldEditor)), None)

    def show(self, state: RowState) -> None:
        """Show a state; an equal one is not redrawn."""
        if state == self.state:
            return
        height = len(self._notes(self.size.width))
        self.state = state
        self.refresh(layout=len(self._notes(self.size.width)) != height)

    # Drawing

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return 1 + len(self._notes(width))

    def render(self) -> Content:
        return Content("\n").join([self._line(), *self._notes(self.size.width)])

    def _line(self) -> Content:
        state, option = self.state, self.state.option
        changed = Content.styled("•", "bold $accent") if state.changed else Content(" ")
        wrong = "$error" if state.problems else "$warning"
        mark = Content.styled("!", f"bold {wrong}") if state.problems or state.warnings else Content(" ")
        width = self._title_width
        short = option.title if len(option.title) < width else f"{option.title[: width - 2]}…"
        cursor = Content.styled("▸", "$accent") if self.has_focus else Content(" ")
        title = cursor + Content(f"{short:<{width}}")
        line = Content("").join([changed, mark, title, self._value()])
        return line.truncate(max(1, self.size.width), ellipsis=True)

    def _value(self) -> Content:
        state, option = self.state, self.state.option
        unit = f" {option.unit}" if option.unit else ""
        whole = self.size.width - MARKS - self._title_width
        width = max(4, whole if not state.text and self.editor is None else whole - len(unit))
        if not state.text and self.editor is None:  # without a unit
            meaning, begin = option.unset, f"{option.unset.partition(',')[0]})"
            if len(meaning) > width:  # the hint below the form has all of it
                meaning = begin if len(begin) <= width else f"{meaning[: width - 1]}…"
            return Content.styled(meaning, "italic")
        style = "bold $error" if state.problems else "bold $accent" if state.changed else "bold"
        text = safe(state.text)
        if self.editor is not None:
            return Content(" " * width) + Content(unit)
        if option.fixed and self.has_focus:
            text = f"‹ {text} ›"
        if option.kind not in _EXACT:
            text = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.5g}", text)
        if len(text) > width:
            text = f"…{text[1 - width :]}" if option.kind == "folder" else f"{text[: width - 1]}…"
        return Content.styled(text, style) + Content(unit)

    def _notes(self, width: int) -> list[Content]:
        """The problems and warnings, below the value."""
        width = max(10, width - MARKS - 2)
        notes = [(text, "$error") for text in self.state.problems]
        notes += [(text, "$warning") for text in self.state.warnings]
        lines = []
        for text, style in notes:
            for line in wrapped_lines(safe(text, 600), width):
                lines.append(Content.styled(f"{'':{MARKS + 1}}{line.rstrip()}", style))  # noqa: PERF401
        return lines

    # Changing the value

    def on_focus(self) -> None:
        self._fresh = True
        self.refresh()
        self.post_message(self.Entered(self))

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self) -> None:
        if not self._fresh:
            self.action_begin()
        self._fresh = False

    def action_begin(self) -> None:
        if self.state.option.fixed:
            self.post_message(self.Choosing(self))
        elif self.editor is None:
            self._begin()

    def action_cycle(self, by: int) -> None:
        """Choose the next value, or the previous one."""
        option = self.state.option
        choices = ("true", "false") if option.kind == "flag" else option.choices
        if not option.fixed or not choices:
            return
        at = choices.index(self.state.text) if self.state.text in choices else 0
        self.post_message(self.Edited(self, choices[(at + by) % len(choices)]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return not (action == "cycle" and not self.state.option.fixed)

    def _begin(self) -> None:
        """Open an editor over the value, which is selected: typing replaces it, an arrow key keeps it."""
        self._before = self.state.text
        editor = FieldEditor(self._before, path=self.state.option.kind == "folder")
        editor.styles.offset = (MARKS + self._title_width, 0)
        unit = len(self.state.option.unit)
        width = self.size.width - MARKS - self._title_width - (unit + 1 if unit else 0)
        editor.styles.width = max(6, width)
        self.mount(editor)
        self.screen.set_focus(editor)  # now: it gets keys that are already typed

    def end_editing(self) -> None:
        """Remove the editor; the typed value stays."""
        editor = self.editor
        if editor is not None:
            had_focus = editor.has_focus
            editor.remove()
            if had_focus:
                self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self.state.text:
            self.post_message(self.Edited(self, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.end_editing()

    def on_input_blurred(self, event: Input.Blurred) -> None:
        event.stop()
        editor = self.editor
        if editor is not None:
            editor.remove()

    def on_field_editor_cancelled(self, event: FieldEditor.Cancelled) -> None:
        event.stop()
        self.post_message(self.Edited(self, self._before))
        self.end_editing()
