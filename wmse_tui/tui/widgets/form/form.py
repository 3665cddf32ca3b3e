"""The options of one group of an experiment, as rows: made when they are first shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from textual import on, work
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import FieldGroup, chosen_options
from wmse_tui.config.problems import Problem
from wmse_tui.config.schema import Experiment
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Pick
from wmse_tui.tui.widgets.form.row import FieldEditor, FieldRow, RowState


def row_state(draft: Draft, path: str, advice: Sequence[Advice] = ()) -> RowState:
    """What the row of an option shows."""
    option = draft.fields[path]
    return RowState(
        option=option,
        text=option.text(draft.values[path]),
        changed=draft.changed(path),
        problems=tuple(sentence(problem) for problem in draft.problems_at(path)),
        warnings=tuple(a.text for a in advice if a.path == path and a.level == "warning"),
    )


def sentence(problem: Problem) -> str:
    """A problem without its path."""
    return f"{problem.message}; {problem.fix}" if problem.fix else problem.message


class Form(VerticalScroll, can_focus=False):
    """The rows of a group. Rows of both groups are reused, with the focus and an open editor."""

    BINDINGS = keys.FORM

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: dict[str, FieldRow] = {}
        self._headings: dict[str, Static] = {}
        self._group = ""
        self.current = ""

    @property
    def rows(self) -> Mapping[str, FieldRow]:
        """The rows by the dotted names of their options, from top to bottom."""
        return self._rows

    def show(
        self,
        draft: Draft,
        group: FieldGroup,
        advice: Sequence[Advice] = (),
        *,
        hidden: Collection[str] = (),
    ) -> None:
        """Show the options of `group` as they are in `draft`; of the `hidden` ones the changed ones."""
        paths = tuple(
            path
            for path in chosen_options(draft.merged, group.members)
            if path not in hidden or draft.changed(path) or draft.problems_at(path)
        )
        states = {path: row_state(draft, path, advice) for path in paths}
        if group.name != self._group or tuple(self._rows) != paths:
            self._arrange(group, states)
            return
        for path, state in states.items():
            self._rows[path].show(state)

    def clear(self) -> None:
        """Show nothing."""
        self._group, self._rows, self._headings = "", {}, {}
        self.remove_children()

    def _arrange(self, group: FieldGroup, states: Mapping[str, RowState]) -> None:
        if group.name != self._group:
            self.clear()
            self.scroll_home(animate=False)
        self._group = group.name
        for path in [path for path in self._rows if path not in states]:
            self._rows.pop(path).remove()
        before: Widget | None = None
        fresh: list[Widget] = []
        rows = {}
        for path, state in states.items():
            row = self._rows.get(path)
            heading = self._heading_for(path, group)
            if heading is not None and heading.parent is None:
                fresh.append(heading)
            if row is None:
                row = FieldRow(state)
                fresh.append(row)
            else:
                self._put(fresh, before)
                fresh = []
                row.show(state)
                before = row
            rows[path] = row
        self._put(fresh, before)
        self._rows = rows

    def _put(self, fresh: list[Widget], after: Widget | None) -> None:
        if not fresh:
            return
        if after is not None:
            self.mount_all(fresh, after=after)
        elif self._rows:
            self.mount_all(fresh, before=0)
        else:
            self.mount_all(fresh)

    def _heading_for(self, path: str, group: FieldGroup) -> Static | None:
        """A title above the first row of a section, if the group has several."""
        section, _, leaf = path.partition(".")
        named = [member for member in group.members if member != path]
        if not leaf or len(named) < 2 or section in self._headings:
            return None
        title = Experiment.model_fields[section].title or section
        heading = self._headings[section] = Static(Content(title), classes="form-heading")
        return heading

    # Moving

    def enter(self, path: str = "") -> None:
        """Put the focus on the row of an option, or on the one that had it last."""
        row = self._rows.get(path) or self._rows.get(self.current) or next(iter(self._rows.values()), None)
        if row is not None:
            row.focus()

    def action_step(self, by: int) -> None:
        rows = list(self._rows.values())
        at = next((i for i, row in enumerate(rows) if row.has_focus or row.editor is not None), None)
        if at is None:
            self.enter()
            return
        rows[at].end_editing()
        to = min(max(at + by, 0), len(rows) - 1)
        if to != at:
            rows[to].focus()

    def action_jump(self, to: int) -> None:
        rows = list(self._rows.values())
        if rows and not isinstance(self.screen.focused, FieldEditor):
            rows[to].focus()

    def on_field_row_entered(self, event: FieldRow.Entered) -> None:
        self.current = event.path

    @on(FieldRow.Choosing)
    @work
    async def _choose(self, event: FieldRow.Choosing) -> None:
        choice = await self.app.push_screen_wait(_choices_of(event.row.state))
        if choice is not None:
            event.row.post_message(FieldRow.Edited(event.row, choice))


def _choices_of(state: RowState) -> Pick:
    option = state.option
    choices = ("true", "false") if option.kind == "flag" else option.choices
    return Pick(option.title, option.description, choices, state.text)
