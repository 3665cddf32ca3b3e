"""The Configure screen: presets on the left, their options in the middle, what comes of them on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from wmse_tui.config.fields import group_of, groups
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.widgets.configure import wording
from wmse_tui.tui.widgets.configure.answers import AnsweredScreen
from wmse_tui.tui.widgets.configure.cost import TITLE
from wmse_tui.tui.widgets.configure.paragraphs import Paragraph, Paragraphs
from wmse_tui.tui.widgets.configure.preset_library import Entry, copy_entry, read_entry
from wmse_tui.tui.widgets.configure.presets import PresetPanel
from wmse_tui.tui.widgets.configure.scroll import KeyScroll
from wmse_tui.tui.widgets.configure.sections import CHECK, TITLES, VIEWS, SectionPanel
from wmse_tui.tui.widgets.configure.views import ViewsPanel
from wmse_tui.tui.widgets.form.form import Form
from wmse_tui.tui.widgets.form.row import FieldRow
from wmse_tui.tui.widgets.panel import Panel

if TYPE_CHECKING:
    from wmse_tui.config.schema import Experiment


class EntriesRead(Message):
    """Presets were read."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        super().__init__()
        self.entries = entries


class ConfigureScreen(AnsweredScreen):
    """Choose a preset, change what you want, see what it costs, launch."""

    HELP = """
Configure: choose a preset on the left, change its options in the middle, and launch it. The cursor in the
list of presets says which one is launched; changes to a preset stay with it while you look at others.

Arrows or hjkl move; tab goes from part to part, escape one part back. In a field, type a number, or press
enter to type or to choose. Nothing that you type is refused: what is wrong is said below it. In a field of
numbers digits are typed, so press escape before the number of another screen.
• marks what differs from the preset, ! what is wrong or unwise.
"""
    BINDINGS = keys.CONFIGURE

    def __init__(self) -> None:
        super().__init__()
        if self.bench.key:
            self.bench.choose(self.bench.key)
        self._topic = ""  # what the details are about: an option, a section, or "" the preset
        self._heading = ("", "")
        self._problem = -1

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="configure"):
            with Vertical(id="configure-left"):
                yield PresetPanel(self.bench)
                yield SectionPanel()
            with Vertical(id="configure-middle"):
                yield Panel(Form(id="configure-form"), id="configure-fields")
                yield Panel(Static(id="configure-details", markup=False), id="configure-about")
            with Vertical(id="configure-side"):
                findings = Paragraphs(indent=2, id="configure-findings")
                yield Panel(KeyScroll(findings), title="Advice", id="configure-advice")
                cost = Paragraphs(indent=TITLE, id="configure-numbers")
                yield Panel(KeyScroll(cost), title="Cost", id="configure-cost")
                yield ViewsPanel()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(PresetPanel).list.focus()
        self._tell("")
        self.call_after_refresh(self._fill)  # the lists are seen before the fields are made

    # Presets

    def show_experiment(self, experiment: Experiment, preset: str = "") -> None:
        """Work on a copy of `experiment`, which was made from `preset`."""
        entry = copy_entry(experiment, preset)
        self.bench.take_in(entry)
        self.bench.choose(entry.key)
        self.redraw()
        self.query_one(SectionPanel).list.focus()

    def _fill(self) -> None:
        self.redraw()
        unread = tuple(key for key in self.bench.names if key not in self.bench.entries)

        def read() -> None:
            self.post_message(EntriesRead(tuple(map(read_entry, unread))))

        self.run_worker(read, thread=True, group="presets")

    @on(EntriesRead)
    def _entries_read(self, event: EntriesRead) -> None:
        for entry in event.entries:
            if entry.key not in self.bench.entries:
                self.bench.take_in(entry)
        self.query_one(PresetPanel).draw()

    @on(PresetPanel.Chosen)
    def _preset_chosen(self, event: PresetPanel.Chosen) -> None:
        self.bench.choose(event.key)
        self._topic = ""
        self.redraw()

    @on(PresetPanel.Accepted)
    def _preset_accepted(self) -> None:
        self.query_one(SectionPanel).list.focus()

    # Drawing

    def redraw(self) -> None:
        """Show the bench as it is now; what stays the same is not drawn again."""
        draft, remarks = self.bench.draft, self.remarks()
        self.query_one(PresetPanel).draw()
        self.query_one(SectionPanel).draw(draft, remarks)
        self._draw_form()
        self.query_one("#configure-findings", Paragraphs).show(wording.findings(draft, remarks))
        self.draw_answers()
        self._tell(self._topic)
        self.look_closer()

    def draw_answers(self) -> None:
        """Show what is known of the cost, and the picture of the views."""
        cost = self.cost()
        nothing = (Paragraph("Unknown", "until nothing is wrong any more", "$text-muted"),)
        self.query_one("#configure-numbers", Paragraphs).show(tuple(cost.lines()) if cost else nothing)
        self.query_one(ViewsPanel).show(self.inquiry["views"], current=self.views_are_current())

    def _draw_form(self) -> None:
        draft, entry = self.bench.draft, self.bench.entry
        form, panel = self.query_one(Form), self.query_one("#configure-fields", Panel)
        page, remarks = self.query_one(SectionPanel).current, self.remarks()
        self.set_class(page == CHECK, "-check")
        self.set_class(page == VIEWS, "-views")
        label = safe(entry.label, 40) if entry is not None else "no preset"
        heading = f"{label} · {TITLES[page]}", wording.state_of(draft, remarks, self.run_name)
        if heading != self._heading:
            self._heading = heading
            panel.border_title, panel.border_subtitle = map(Content, heading)
        group = next((group for group in groups() if group.name == page), None)
        if draft is None:
            form.clear()
        elif group is not None:
            form.show(draft, group, remarks)

    def _tell(self, topic: str) -> None:
        """Say something of an option, a section, or else of the preset."""
        self._topic = topic
        draft, entry = self.bench.draft, self.bench.entry
        group = next((group for group in groups() if group.name == topic), None)
        if draft is not None and topic in draft.fields:
            found = self.query_one("#configure-findings", Paragraphs)
            hidden = not self.query_one("#configure-side").display
            elsewhere = wording.first_elsewhere(found.paragraphs, topic) if hidden else None
            content = wording.about_option(draft, topic, elsewhere)
        elif draft is not None and group is not None:
            content = wording.about_group(group)
        else:
            content = wording.about_entry(entry) if entry is not None else Content("There are no presets.")
        details = self.query_one("#configure-details", Static)
        if not isinstance(details.content, Content) or not content.is_same(details.content):
            details.update(content, layout=False)

    # Sections and fields

    @on(SectionPanel.Chosen)
    def _section_chosen(self, event: SectionPanel.Chosen) -> None:
        self._draw_form()
        self._tell(event.section)
        if event.section == VIEWS:  # with more room than beside the fields
            self.ask_views()

    @on(SectionPanel.Accepted)
    def _section_accepted(self) -> None:
        self.action_part(1)

    @on(FieldRow.Entered)
    def _field_entered(self, event: FieldRow.Entered) -> None:
        self._tell(event.path)

    @on(Form.Edited)
    def _edited(self, event: Form.Edited) -> None:
        self.bench.edit(event.path, event.text)
        self.redraw()

    def action_reset(self) -> None:
        """Take the change of the field with the focus back."""
        form = self.query_one(Form)
        row = form.rows.get(form.current)
        if row is None:
            self.services.notify("go to a field first")
            return
        row.end_editing()
        if self.bench.reset(form.current):
            self.redraw()

    def action_filter(self) -> None:
        """Type words that presets must have."""
        self.query_one(PresetPanel).open_filter()

    def action_section(self, by: int) -> None:
        """Show the next section, or the previous one; the focus stays in the fields if it is there."""
        form, sections = self.query_one(Form), self.query_one(SectionPanel)
        inside = form.has_focus_within
        sections.step(by)
        self._draw_form()
        if inside and sections.current not in (CHECK, VIEWS):
            form.enter()
        else:
            self._tell(sections.current)
            sections.list.focus()

    def action_next_problem(self) -> None:
        """Go to the next field that is wrong; where none is, to the next that is unwise."""
        draft = self.bench.draft
        paths = [problem.path for problem in draft.problems] if draft is not None else []
        paths = paths or [advice.path for advice in self.remarks() if advice.level == "warning"]
        if not paths:
            self.services.notify("nothing is wrong")
            return
        self._problem = (self._problem + 1) % len(paths)
        self.go_to(paths[self._problem])

    def go_to_problem(self) -> None:
        self._problem = -1
        self.action_next_problem()

    def go_to(self, path: str) -> None:
        """Put the focus on the field of an option."""
        self.query_one(SectionPanel).choose(group_of(path).name)
        self._draw_form()
        form = self.query_one(Form)
        parts = path.split(".")
        names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        form.enter(next((name for name in names if name in form.rows), ""))

    # From part to part

    def action_part(self, by: int) -> None:
        """Move the focus from presets to sections, fields, results, or back."""
        parts = [self.query_one(PresetPanel), self.query_one(SectionPanel), self.query_one(Form)]
        side = self.query_one("#configure-side")
        at = next((i for i, part in enumerate([*parts, side]) if part.has_focus_within), 0)
        to = at + by
        if to == 2 and not self.query_one("#configure-middle").display:
            to += by
        if to == 3 and not side.display:
            return
        match max(0, min(3, to)):
            case 0:
                self.query_one(PresetPanel).list.focus()
                self._tell("")
            case 1:
                sections = self.query_one(SectionPanel)
                sections.list.focus()
                self._tell(sections.current)
            case 2:
                self.query_one(Form).enter()
            case _:
                shown = [scroll for scroll in side.query(KeyScroll) if scroll.is_on_screen]
                if shown:
                    shown[0].focus()
