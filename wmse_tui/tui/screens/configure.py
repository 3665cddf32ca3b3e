"""The Configure screen: presets on the left, their options in the middle, what comes of them on the right."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import group_of, groups
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import ProblemDialog
from wmse_tui.tui.feed import CatalogueChanged
from wmse_tui.tui.saved_state import ConfigurePart
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.services import app_of
from wmse_tui.tui.widgets.configure import wording
from wmse_tui.tui.widgets.configure.cost import TITLE
from wmse_tui.tui.widgets.configure.draft_check import DraftCheck
from wmse_tui.tui.widgets.configure.images_dialog import ImagesDialog
from wmse_tui.tui.widgets.configure.inspections import DESCRIBE, MEASURE, VIEWS, Inspections, progress_text
from wmse_tui.tui.widgets.configure.launcher import Launcher, LaunchMode
from wmse_tui.tui.widgets.configure.machine import Machine, preset_times, time_in_short
from wmse_tui.tui.widgets.configure.preset_files import (
    ask_run_name,
    copy_command,
    load_file,
    reset_draft,
    save_draft,
)
from wmse_tui.tui.widgets.configure.preset_library import PresetLibrary, copy_entry, images_entry
from wmse_tui.tui.widgets.configure.preset_panel import PresetPanel
from wmse_tui.tui.widgets.configure.sections import CHECK, TITLES, SectionPanel
from wmse_tui.tui.widgets.configure.sections import VIEWS as VIEWS_PAGE
from wmse_tui.tui.widgets.configure.views_panel import ViewsPanel
from wmse_tui.tui.widgets.form.form import Form
from wmse_tui.tui.widgets.form.row import FieldRow
from wmse_tui.tui.widgets.panel import Panel
from wmse_tui.tui.widgets.paragraphs import Paragraph, Paragraphs
from wmse_tui.tui.widgets.vi import KeyScroll

if TYPE_CHECKING:
    from wmse_tui.tui.inspector import Inspected, InspectionFailed, InspectionProgress, RequestKind

_RUNS_AFTER = 1.0
"""Seconds after which the runs are read, whose times the presets show: the screen is drawn first."""
VIEWS_DELAY = 0.4
"""Seconds without a change before the views are redrawn."""


class ConfigureScreen(AppScreen):
    """Choose a preset, change what you want, see what it costs, launch.

    Attributes:
        library: presets and drafts.
        run_name: of the next run; "": the run is named after preset, date and time.
        views_requested: the user has requested augmented views; they are redrawn after changes.
    """

    HELP = """
Configure: choose a preset on the left, change its options in the middle, and launch it. The cursor in the
list of presets says which one is launched; changes to a preset stay with it while you view others. The form
scrolls through all sections; the list of sections goes to one.

Arrows or hjkl move, and change nothing; tab goes from part to part, {key:configure-back} one part back. In a
field, press {key:field-edit} to type or to choose from a list; {key:field-next} is the next choice. Nothing
that you type is refused: what is wrong is printed below it. {key:configure-undo} takes back a change, and
{key:configure-apply} sets what advice proposes. Options that do nothing beside the others are hidden;
{key:configure-all} shows all. {key:configure-images} sets up a run on a folder of your own images;
{key:configure-sweep} queues a run for each of several values. Where SLURM is there, this and
{key:configure-launch} ask whether the runs are to be jobs, and show their script.
• marks what differs from the preset, ! what is wrong or unwise.
"""
    AUTO_FOCUS = "#configure-list"  # the first is the filter, which is hidden
    BINDINGS = keys.CONFIGURE

    def __init__(self) -> None:
        super().__init__()
        self.library = PresetLibrary()
        saved = self.services.saved.current
        self._missing = self.library.restore(saved.drafts, saved.configure.entry)
        self.run_name = ""
        self._check = DraftCheck(self.library, self.services.keys)
        self.views_requested = False
        self._launcher = Launcher(app_of(self), self._stop_inspector)
        self._every_option = saved.configure.every_option  # also those without effect are shown
        self._topic = ""  # what the details are about: an option, a section, or "" the preset
        self._heading = ("", "")
        self._problem = -1
        self._first_view = 0  # the index of the first image in the grid
        self._view_rows = 0
        self._timed: tuple[str, ...] = ()  # the paths of runs that took some time here
        self._watching: Timer | None = None
        self._views_timer: Timer | None = None

    @property
    def experiment(self) -> Experiment | None:
        """What would be run now; None while something is wrong."""
        return self._check.experiment

    @property
    def inspections(self) -> Inspections:
        """The requests about the edited preset, and their answers."""
        return self._check.inspections

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="configure"):
            with Vertical(id="configure-left"):
                yield PresetPanel(self.library)
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
        self._show_details("")
        for key in self._missing:
            text = f"The changes to {key} are dropped: there is no such preset or file now."
            self.services.notify(text, severity="warning")
        self.call_after_refresh(self._fill)  # the lists are seen before the fields are made

    # Presets

    def show_experiment(self, experiment: Experiment, preset: str = "") -> None:
        """Work on a copy of `experiment`, which was made from `preset`."""
        self.library.add_copy(copy_entry(experiment, preset))
        self.redraw()
        self.query_one(SectionPanel).list.focus()

    def _app_has_ended(self) -> bool:
        """A worker may last longer than the app, and then finds no widgets."""
        return not self.app.is_running

    @work(group="presets")
    async def _fill(self) -> None:
        """Show the form, then read the other presets."""
        if self._app_has_ended():
            return  # before the first screen was drawn
        self.redraw()
        unread, key, edited = self.library.unread, self.library.key, self.library.entry
        for entry in await asyncio.to_thread(lambda: tuple(map(self.library.read, unread))):
            if entry.key in self.library.unread:
                self.library.add(entry)
        if self._app_has_ended():
            return
        if edited is not None and self.library.entries[key] != edited:
            self.services.notify(f"{edited.label} was written by another program, and is read again.")
            self.redraw()
        self.query_one(PresetPanel).draw()
        self._estimate_times()

    def on_screen_resume(self) -> None:
        """Presets may have been written or removed while another screen or program was used."""
        self._watching = self.set_timer(
            _RUNS_AFTER, partial(self.services.feed.watch_list, self, seldom=True)
        )
        self.services.feed.watch_files(self.library.versions, self)
        self._read_presets()

    def on_files_changed(self) -> None:
        """The user's presets, or files that were opened, are others now."""
        self._read_presets()

    def _read_presets(self) -> None:
        """Show the presets that there are now, as they are now."""
        if self.library.refresh():
            self._fill()

    @on(PresetPanel.Chosen)
    def _preset_chosen(self, event: PresetPanel.Chosen) -> None:
        self.library.choose(event.key)
        self._topic = ""
        self.redraw()

    @on(PresetPanel.Accepted)
    def _preset_accepted(self) -> None:
        self.query_one(SectionPanel).list.focus()

    # Drawing

    def redraw(self) -> None:
        """Show the library as it is now; what stays the same is not drawn again."""
        draft, remarks = self.library.draft, self._check.remarks()
        self.query_one(PresetPanel).draw()
        self.query_one(SectionPanel).draw(draft, remarks)
        self._draw_form()
        self.query_one("#configure-findings", Paragraphs).show(
            wording.findings(draft, remarks, self._check.outlook())
        )
        self.draw_answers()
        self._show_details(self._topic)
        self._refresh_answers()
        entry = ConfigurePart(entry=self.library.key, every_option=self._every_option)
        self.services.saved.change(configure=entry, drafts=self.library.drafts)

    def draw_answers(self) -> None:
        """Show what is known of the cost, and the views."""
        cost = self._check.cost(self.run_name)
        time_of_draft = time_in_short(cost.expected) if cost else ""
        self.query_one(PresetPanel).show_time(self.library.key, time_of_draft)
        nothing = (Paragraph("Unknown", "until the problems are fixed", "$text-muted"),)
        self.query_one("#configure-numbers", Paragraphs).show(tuple(cost.lines()) if cost else nothing)
        panel, time = self.query_one("#configure-cost", Panel), safe(cost.time(), 100) if cost else ""
        if panel.border_subtitle != time:
            panel.border_subtitle = time
        self.query_one(ViewsPanel).show(self.inspections["views"], current=self._check.views_are_current())

    def _draw_form(self) -> None:
        draft, form, remarks = self.library.draft, self.query_one(Form), self._check.remarks()
        page = self.query_one(SectionPanel).current
        self.set_class(page == CHECK, "-check")
        self.set_class(page == VIEWS, "-views")
        self._draw_heading()
        if draft is None:
            form.clear()
        else:
            hidden = self._hidden(draft)
            form.show(
                draft,
                groups(),
                remarks,
                hidden=hidden,
                note=self._hidden_note(len(hidden)),
                apply_key=self.services.keys.name("configure-apply"),
            )

    def _draw_heading(self) -> None:
        draft, entry = self.library.draft, self.library.entry
        label = safe(entry.label, 40) if entry is not None else "no preset"
        title = f"{label} · {TITLES[self.query_one(SectionPanel).current]}"
        heading = title, wording.state_of(draft, self._check.remarks(), self.run_name)
        if heading != self._heading:
            self._heading = heading
            panel = self.query_one("#configure-fields", Panel)
            panel.border_title, panel.border_subtitle = map(Content, heading)

    def _hidden(self, draft: Draft) -> frozenset[str]:
        """The options that do nothing now, unless the user wants to see them."""
        if self._every_option:
            return frozenset()
        return self._check.without_effect() & set(draft.names)

    def _hidden_note(self, number: int) -> str:
        key = self.services.keys.name("configure-all")
        if self._every_option:
            return f"{key} hides the options that have no effect here."
        return f"{count(number, 'more option')} without an effect here: {key} shows them."

    def _show_details(self, topic: str) -> None:
        """Describe an option, a section, or else the preset."""
        self._topic = topic
        draft, entry = self.library.draft, self.library.entry
        elsewhere = self.query_one("#configure-side").display
        found = () if elsewhere else self.query_one("#configure-findings", Paragraphs).paragraphs
        content = wording.details(draft, entry, topic, found, self.services.keys)
        details = self.query_one("#configure-details", Static)
        if not isinstance(details.content, Content) or not content.is_same(details.content):
            details.update(content, layout=False)

    # Sections and fields

    @on(SectionPanel.Chosen)
    def _section_chosen(self, event: SectionPanel.Chosen) -> None:
        self._draw_form()
        self._show_details(event.section)
        if event.section == VIEWS_PAGE:  # wider than beside the fields
            self.request_views()
        self._scroll_to_section()

    def _scroll_to_section(self) -> None:
        group = self.query_one(SectionPanel).group
        if group is not None:
            self.query_one(Form).scroll_to_group(group)

    @on(SectionPanel.Accepted)
    def _section_accepted(self) -> None:
        self.action_part(1)

    @on(FieldRow.Entered)
    def _field_entered(self, event: FieldRow.Entered) -> None:
        self.library.end_typing()
        sections = self.query_one(SectionPanel)
        if sections.current != group_of(event.path).name:
            sections.choose(group_of(event.path).name)
            self._draw_heading()
        self._show_details(event.path)

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        self.library.edit(event.path, event.text)
        self.redraw()

    def show_preset(self, name: str) -> None:
        """Edit a preset, with the focus on the list of presets."""
        self.library.choose(name)
        self._topic = ""
        self.redraw()
        self.query_one(PresetPanel).list.focus()

    def reveal(self, path: str) -> None:
        """Go to the field of an option, also of one that has no effect now; else say why there is none."""
        draft = self.library.draft
        if draft is None or path not in draft.fields:
            self.services.notify(f"{path} is no option of the variants that are chosen now.")
            return
        if path in self._hidden(draft):
            self._every_option = True
        self.go_to(path)

    def action_show_all(self) -> None:
        """Show all options, or only those with an effect."""
        self._every_option = not self._every_option
        shown = "all options" if self._every_option else "only the options that have an effect"
        self.services.notify(f"The form shows {shown}.")
        self.redraw()

    def action_undo(self) -> None:
        """Take back the last change."""
        if not self._undo():
            self.services.notify("Nothing has been changed here.")

    def action_undo_or_suspend(self) -> None:
        """Take back the last change; suspend the app where there is none, as on other screens."""
        if not self._undo():
            self.app.action_suspend_process()

    def _undo(self) -> bool:
        """Take back the last change; whether there was one."""
        row = self.query_one(Form).rows.get(self.query_one(Form).current)
        if row is not None:
            row.end_editing()
        undone = self.library.undo()
        if undone:
            self.redraw()
        return undone

    def action_apply(self) -> None:
        """Set what a problem or advice proposes: on the focused field, or else the first of all."""
        draft = self.library.draft
        fixes = [(problem.path, problem.values) for problem in (draft.problems if draft is not None else ())]
        fixes += [(advice.path, advice.fix) for advice in self._check.remarks()]
        current = self.query_one(Form).current
        ordered = sorted(fixes, key=lambda fix: fix[0] != current)
        chosen = next((values for _, values in ordered if values), None)
        if chosen is None:
            self.services.notify(
                "No advice proposes a value; where it names several, choose one in its field."
            )
            return
        for path, text in chosen:
            self.library.end_typing()
            self.library.edit(path, text)
        self.redraw()
        values = ", ".join(f"{path}={text or 'empty'}" for path, text in chosen)
        self.services.notify(self.services.keys.fill(f"{values}. {{key:configure-undo}} takes it back."))

    def action_reset(self) -> None:
        """Reset the focused field."""
        form = self.query_one(Form)
        row = form.rows.get(form.current)
        if row is None:
            self.services.notify("Go to a field first.")
            return
        row.end_editing()
        if self.library.reset(form.current):
            self.redraw()

    def action_filter(self) -> None:
        """Filter the presets by words."""
        self.query_one(PresetPanel).open_filter()

    def action_section(self, by: int) -> None:
        """Show the next section, or the previous one; the focus stays in the fields if it is there."""
        form, sections = self.query_one(Form), self.query_one(SectionPanel)
        inside = form.has_focus_within
        sections.step(by)
        self._draw_form()
        if inside and sections.group is not None:
            form.enter_group(sections.group)
        else:
            self._show_details(sections.current)
            sections.list.focus()
        self._scroll_to_section()

    def action_next_problem(self) -> None:
        """Go to the next field that is wrong; where none is, to the next that is unwise."""
        draft = self.library.draft
        paths = [problem.path for problem in draft.problems] if draft is not None else []
        paths = paths or [advice.path for advice in self._check.remarks() if advice.level == "warning"]
        if not paths:
            self.services.notify("Nothing is wrong.")
            return
        self._problem = (self._problem + 1) % len(paths)
        self.go_to(paths[self._problem])

    def _go_to_first_problem(self) -> None:
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the list of presets there is no part before: `escape` goes back to another screen."""
        return (action, parameters) != ("part", (-1,)) or not self.query_one(PresetPanel).has_focus_within

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
                self._show_details("")
            case 1:
                sections = self.query_one(SectionPanel)
                sections.list.focus()
                self._show_details(sections.current)
            case 2:
                form, group = self.query_one(Form), self.query_one(SectionPanel).group
                if group is not None:
                    form.enter_group(group)
            case _:
                shown = [scroll for scroll in side.query(KeyScroll) if scroll.is_on_screen]
                if shown:
                    shown[0].focus()

    # Advice and cost

    def on_catalogue_changed(self, event: CatalogueChanged) -> None:
        """The times of runs are those of this machine."""
        timed = tuple(row.path for row in event.rows if row.epoch and row.ended is not None)
        if timed != self._timed and not event.loading:
            self._timed = timed
            if self.experiment is not None:
                self._examine_machine(self.experiment.dataset)

    @work(exclusive=True, group="times")
    async def _estimate_times(self) -> None:
        """Show beside each entry how long its draft takes on this machine."""
        machine, measured, drafts = self._check.machine, self._check.measured, self.library.current_drafts()
        times = await asyncio.to_thread(
            lambda: preset_times(machine, measured, {key: draft.experiment for key, draft in drafts.items()})
        )
        if self._app_has_ended():
            return
        now = self.library.current_drafts()
        later = {key for key, draft in drafts.items() if now.get(key) is not draft}  # edited meanwhile
        self.query_one(PresetPanel).show_times(times, without=later)

    def _refresh_answers(self) -> None:
        """After a change: find the images and redraw the views, if the change may affect them."""
        experiment = self.experiment
        if experiment is None:
            return
        if experiment.dataset != self._check.machine.dataset:
            self._check.machine = self._check.machine.about(experiment.dataset)
            self._examine_machine(experiment.dataset)
        if self.views_requested and not self._check.views_are_current():
            if self._views_timer is not None:
                self._views_timer.stop()
            self._views_timer = self.set_timer(VIEWS_DELAY, self._inspect_views)

    @work(exclusive=True, group="images")
    async def _examine_machine(self, dataset: Dataset) -> None:
        """Look for the images of a data set, for GPUs and for disk space."""
        self._check.machine = await asyncio.to_thread(
            Machine.examine, self.services.runs_root, dataset, self.services.feed.rows
        )
        self.redraw()
        self._estimate_times()

    # The inspector

    def action_describe(self) -> None:
        """Compute parameters, GFLOP and memory."""
        self._inspect(DESCRIBE)

    def action_measure(self) -> None:
        """Time a few steps on this machine."""
        self._inspect(MEASURE)

    def action_views(self) -> None:
        """Draw views; once they are drawn, of other images."""
        if self.views_requested and self._check.views_are_current():
            self._first_view += self._view_rows
        sections = self.query_one(SectionPanel)
        if not self.query_one(ViewsPanel).is_on_screen and sections.current != VIEWS_PAGE:
            sections.choose(VIEWS_PAGE)
            self.redraw()
        self.request_views()

    def request_views(self) -> None:
        """Draw as many views as fit once the screen has its new shape."""
        self.views_requested = True
        self.call_after_refresh(self._inspect_views)

    def _inspect_views(self) -> None:
        if self._views_timer is not None:
            self._views_timer.stop()
        experiment = self.experiment
        if experiment is not None and self.views_requested:
            fields = self.query_one(ViewsPanel).request_fields(experiment)
            self._view_rows = fields["images"]
            self._inspect(VIEWS, first=self._first_view, **fields)

    def _inspect(self, kind: RequestKind, **more: int) -> None:
        experiment = self.experiment
        if experiment is None:
            self._go_to_first_problem()
            self.services.notify("Nothing can be computed until the problems are fixed.", severity="error")
            return
        self.inspections.request(self.services.inspector(), kind, experiment, self, **more)
        self.draw_answers()

    def _stop_inspector(self) -> None:
        """End the inspector, which frees its memory; the next request starts another."""
        self._check.forget_requests()
        self.services.stop_inspector()

    def on_screen_suspend(self) -> None:
        """Another of the five screens is shown (a dialog over this one does not count)."""
        if self.app.current_mode != "configure":
            if self._watching is not None:
                self._watching.stop()
            self.services.feed.unwatch_list(self)
            self.services.feed.unwatch_files(self)
            self._stop_inspector()

    # Textual finds these by their names, so the inspector is not imported before it is needed.

    def on_inspected(self, event: Inspected) -> None:
        """Show an answer."""
        if self._check.answered(event.id, event.kind, event.answer):
            self.redraw()
            self._estimate_times()

    def on_inspection_failed(self, event: InspectionFailed) -> None:
        """Show why a request failed."""
        text = ". ".join(map(without_full_stop, filter(None, (event.title, event.detail, *event.next))))
        if self._check.failed(event.id, event.kind, text):
            self.redraw()

    def on_inspection_progress(self, event: InspectionProgress) -> None:
        """Show the progress of a request."""
        progress = progress_text(event.name, event.done, event.total, event.unit)
        if self._check.progressed(event.id, event.kind, progress):
            self.draw_answers()

    # Launch

    @work(group="launch")
    async def action_launch(self, how: LaunchMode = "own") -> None:
        """Start a trainer on the draft; after questions about warnings, and where no slot is free."""
        draft = self._valid_draft("be launched")
        if draft is None or draft.experiment is None:
            return
        started = await self._launcher.launch(
            draft, draft.experiment, self._check.remarks(), how=how, name=self.run_name
        )
        self._after_start(started)

    @work(group="launch")
    async def action_sweep(self) -> None:
        """Queue a run for each combination of some values; their number and cost are shown first."""
        draft = self._valid_draft("be launched")
        if draft is None:
            return
        form = self.query_one(Form)
        first = "seed=0,1,2"
        if form.has_focus_within and form.current in draft.fields:
            first = f"{form.current}={draft.fields[form.current].text(draft.values[form.current])}"
        started = await self._launcher.sweep(
            draft, self._check.remarks(), name=self.run_name, first=first, measured=self._check.measured
        )
        self._after_start(started)

    @work(group="images-dialog")
    async def action_images(self) -> None:
        """Ask for a folder of images, and edit the run that is proposed for it."""
        draft = await self.app.push_screen_wait(ImagesDialog(self._check.machine.timed))
        if draft is not None:
            entry = images_entry(draft, Path(str(draft.values["dataset.root"])).name)
            self.library.add_copy(entry)
            self.redraw()
            self.query_one(SectionPanel).list.focus()

    def _after_start(self, started: bool) -> None:
        if started:
            self.run_name = ""
            self.redraw()

    # Save, load, name, reset

    @work(group="save")
    async def action_save(self) -> None:
        """Ask for a name and write the draft into the folder of the user's presets."""
        draft = self._valid_draft("be saved")
        if draft is not None and await save_draft(app_of(self), self.library, draft):
            self.redraw()

    @work(group="load")
    async def action_load(self) -> None:
        """Ask for a file, or the folder of a run, and work on its configuration."""
        if await load_file(app_of(self), self.library):
            self.redraw()

    def action_command(self) -> None:
        """Copy the command line that starts the same run, and show it."""
        draft = self._valid_draft("be printed as a command")
        if draft is not None:
            copy_command(app_of(self), draft, self.run_name)

    @work(group="name")
    async def action_name(self) -> None:
        """Ask for the name of the next run."""
        name = await ask_run_name(app_of(self), self.run_name)
        if name is not None:
            self.run_name = name
            self.redraw()

    @work(group="reset")
    async def action_reset_all(self) -> None:
        """Undo all changes."""
        if await reset_draft(app_of(self), self.library):
            self.redraw()

    def _valid_draft(self, purpose: str) -> Draft | None:
        """The draft, if nothing is wrong with it; else the problem is shown."""
        draft = self.library.draft
        if draft is None:
            entry = self.library.entry
            problem = entry.problem if entry is not None else self.library.problem
            self.app.push_screen(ProblemDialog("this preset cannot be used", problem))
            return None
        if draft.experiment is None:
            self._go_to_first_problem()
            problems = count(len(draft.problems), "problem")
            self.services.notify(f"With {problems} it cannot {purpose}.", severity="error")
            return None
        return draft


def without_full_stop(sentence: str) -> str:
    """A sentence without its full stop; three dots, which stand for what is to be filled in, stay."""
    return sentence if sentence.endswith("...") else sentence.removesuffix(".")
