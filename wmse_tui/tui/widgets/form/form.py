"""The options of an experiment as rows under headings: made when they are first shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import FieldGroup, chosen_options, group_of, groups
from wmse_tui.config.problems import Problem
from wmse_tui.config.schema import Experiment
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Pick
from wmse_tui.tui.widgets.form.row import FieldEditor, FieldRow, RowState


def row_state(draft: Draft, path: str, advice: Sequence[Advice] = (), apply_key: str = "") -> RowState:
    """What the row of an option shows; `apply_key` is the key that sets what advice proposes."""
    option = draft.fields[path]
    return RowState(
        option=option,
        text=option.text(draft.values[path]),
        changed=draft.changed(path),
        problems=tuple(
            _with_fix(sentence(problem), path, problem.values, apply_key)
            for problem in draft.problems_at(path)
        ),
        warnings=tuple(
            _with_fix(a.text, path, a.fix, apply_key)
            for a in advice
            if a.path == path and a.level == "warning"
        ),
    )


def _with_fix(remark: str, path: str, fix: Sequence[tuple[str, str]], key: str) -> str:
    """A problem or advice on an option, and which value a key sets, as "Y sets 256"."""
    if not fix or not key:
        return remark
    values = ", ".join(
        (text or "no value") if option == path else f"{option} to {text or 'no value'}"
        for option, text in fix
    )
    return f"{remark}. {key} sets {values}"


def sentence(problem: Problem) -> str:
    """A problem without its path."""
    return f"{problem.message}; {problem.fix}" if problem.fix else problem.message


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The rows of some groups, with headings; those that stay keep the focus and an open editor."""

    BINDINGS = keys.FORM

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: dict[str, FieldRow] = {}
        self._headings: dict[str, Static] = {}  # by section, or by group for options outside sections
        self._groups: tuple[str, ...] = ()
        self._note = Static("", markup=False, classes="form-note")
        self.current = ""

    def compose(self) -> ComposeResult:
        yield self._note

    @property
    def rows(self) -> Mapping[str, FieldRow]:
        """The rows by the dotted names of their options, from top to bottom."""
        return self._rows

    def show(
        self,
        draft: Draft,
        groups: Sequence[FieldGroup],
        advice: Sequence[Advice] = (),
        *,
        hidden: Collection[str] = (),
        note: str = "",
        apply_key: str = "",
    ) -> None:
        """Show the options of `groups` as they are in `draft`.

        Args:
            draft: what is edited.
            groups: their options are shown, under headings.
            advice: warnings are shown below the options that they are about.
            hidden: options that are left out unless they were changed.
            note: shown at the end.
            apply_key: the key that sets what advice proposes.
        """
        states = {
            path: row_state(draft, path, advice, apply_key)
            for group in groups
            for path in chosen_options(draft.merged, group.members)
            if path not in hidden or draft.changed(path) or draft.problems_at(path)
        }
        if note != self._note.content:
            self._note.update(note)
        if tuple(group.name for group in groups) != self._groups or tuple(self._rows) != tuple(states):
            self._arrange(groups, states)
            return
        for path, state in states.items():
            self._rows[path].show(state)

    def clear(self) -> None:
        """Show nothing."""
        for widget in (*self._rows.values(), *self._headings.values()):
            widget.remove()
        self._groups, self._rows, self._headings = (), {}, {}

    def _arrange(self, groups: Sequence[FieldGroup], states: Mapping[str, RowState]) -> None:
        names = tuple(group.name for group in groups)
        if names != self._groups:
            self.clear()
            self.scroll_home(animate=False)
        self._groups = names
        titles = _headings(groups, states)
        for path in [path for path in self._rows if path not in states]:
            self._rows.pop(path).remove()
        for key in [key for key in self._headings if key not in titles.values()]:
            self._headings.pop(key).remove()
        before: Widget | None = None  # the last widget that stays
        fresh: list[Widget] = []
        rows, headings = {}, {}
        for path, state in states.items():
            key = titles.get(path, "")
            heading = self._headings.get(key)
            if key:
                headings[key] = heading or Static(Content(_title(key)), classes="form-heading")
            row = self._rows.get(path)
            rows[path] = row or FieldRow(state)
            if row is not None:
                row.show(state)
            for made, there in ((headings.get(key), heading), (rows[path], row)):
                if made is None:
                    continue
                if there is None:
                    fresh.append(made)
                    continue
                self._put(fresh, before)
                fresh, before = [], there
        self._put(fresh, before)
        self._rows, self._headings = rows, headings

    def _put(self, fresh: list[Widget], after: Widget | None) -> None:
        if not fresh:
            return
        if after is not None:
            self.mount_all(fresh, after=after)
        else:
            self.mount_all(fresh, before=0)

    # Moving

    def enter(self, path: str = "") -> None:
        """Put the focus on the row of an option, or on the one that had it last."""
        row = self._rows.get(path) or self._rows.get(self.current) or next(iter(self._rows.values()), None)
        if row is not None:
            row.focus()

    def enter_group(self, group: FieldGroup) -> None:
        """Put the focus on the row of the group that had it last, or on the first."""
        if group_of(self.current) != group or self.current not in self._rows:
            self.current = next((path for path in self._rows if group_of(path) == group), "")
        self.enter()

    def scroll_to_group(self, group: FieldGroup) -> None:
        """Show the group from its heading on."""
        first = next((path for path in self._rows if group_of(path) == group), None)
        if first is not None:
            key = _key(first)
            top = self._headings.get(key, self._rows[first])
            self.call_after_refresh(self.scroll_to_widget, top, top=True, animate=False)

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


def _key(path: str) -> str:
    """What the heading above the first of such options is about: a section, or a group of single options."""
    section, _, leaf = path.partition(".")
    return section if leaf else group_of(path).name


def _headings(groups: Sequence[FieldGroup], paths: Iterable[str]) -> dict[str, str]:
    """The keys of headings by the option that each is above: one for each section where there are several."""
    shown = {name for group in groups for name in group.members}
    found: dict[str, str] = {}
    for path in paths:
        key = _key(path)
        if key not in found.values() and (len(groups) > 1 or ("." in path and len(shown) > 1)):
            found[path] = key
    return found


def _title(key: str) -> str:
    group = next((group for group in groups() if group.name == key), None)
    alone = group is not None and group.members == (key,)
    if group is not None and (alone or key not in group.members):
        return group.title
    return Experiment.model_fields[key].title or key


def _choices_of(state: RowState) -> Pick:
    option = state.option
    choices = ("true", "false") if option.kind == "flag" else option.choices
    return Pick(option.title, option.description, choices, state.text)
