"""The Monitor screen: one run, live or after its end, and the requests to its trainer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import read_configuration, summarise
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.saved_evaluations import SavedEvaluation, read_saved_evaluations
from wmse_tui.runs.state.status import ENDED, RESUMABLE, WITHOUT_TRAINER
from wmse_tui.runs.state.transfer_results import SavedTransfer, read_transfer
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.text.sanitize import safe, shortened_apart
from wmse_tui.runs.text.units import count
from wmse_tui.tui import keys
from wmse_tui.tui.chart_picker import ChartPicker
from wmse_tui.tui.charts.chart_options import options_of
from wmse_tui.tui.dialogs import RunPicker
from wmse_tui.tui.feed import RunChanged, RunUnreadable
from wmse_tui.tui.run_control import RunControl
from wmse_tui.tui.run_export import export_run
from wmse_tui.tui.saved_state import MonitorPart
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.screenshot import save_screenshot
from wmse_tui.tui.services import app_of, errors_shown
from wmse_tui.tui.widgets.monitor.charts import CHARTS, LabelledRun
from wmse_tui.tui.widgets.monitor.header import HeaderNotes, RunHeader
from wmse_tui.tui.widgets.monitor.moment import MomentChosen
from wmse_tui.tui.widgets.monitor.panel_lines import (
    evaluation_heading,
    evaluations_as_lines,
    transfer_as_lines,
)
from wmse_tui.tui.widgets.monitor.panels import Panels
from wmse_tui.tui.widgets.monitor.run_files import RunFiles

MOST_BESIDE = 7
"""Runs beside the one that is watched."""
_LABEL = 24  # characters of a run's name in a legend
_AT_ONCE = 0.01  # seconds that are not worth a timer
_NEED_A_RUN = frozenset(
    {
        "stop",
        "ask",
        "evaluate",
        "neighbours",
        "pause",
        "resume",
        "duplicate",
        "export",
        "folder",
        "cycle",
        "pane",
        "maximise",
        "plot",
        "overlay",
    }
    | {"search", "quantity"}
)


class MonitorScreen(AppScreen):
    """The header of the run, and as many panels below it as fit."""

    HELP = (
        "One run: its progress, its accuracy, and whether its embeddings keep their dimensions. Capital "
        "letters show the panels, small ones act on the run and on the plots. Requests to the trainer appear "
        "under the header, first as sent, then as answered. The trainer continues when you close the app."
    )
    AUTO_FOCUS = ""  # the first panel would replace the restored one; a run gives the active one the focus
    BINDINGS = [*keys.RUN, *keys.MONITOR]  # noqa: RUF012 (textual's type)

    def __init__(self) -> None:
        super().__init__()
        self._run: RunDirectory | None = None
        self._run_state: RunState | None = None
        self._behind: float | None = None
        self._unreadable = ""
        self._beside: dict[RunDirectory, RunState | None] = {}  # runs drawn in the same plots
        self._control = RunControl(app_of(self), self._draw_text)
        self._files: RunFiles | None = None
        self._saved: tuple[SavedEvaluation, ...] = ()  # evaluations after training
        self._transfer: tuple[SavedTransfer, ...] = ()
        self._moment: int | None = None  # the step that is shown; None: the newest
        self._text_at = self._charts_at = float("-inf")
        self._text_due = self._charts_due = False
        self._timer: Timer | None = None  # until something is due
        self._ticker: Timer | None = None  # while the trainer's output is in sight
        self._header = RunHeader(self.services.keys)
        self._panels = Panels(self.services.keys)
        self._restore_layout()

    def compose_body(self) -> ComposeResult:
        yield Static("", id="no-run", markup=False)
        with Vertical(id="monitor"):
            yield self._header
            yield self._panels

    def on_mount(self) -> None:
        self._ticker = self.set_interval(2 * self.services.rates.text, self._tick, pause=True)
        self.watch(self.app, "frozen", self._draw_due, init=False)  # what was due when it was frozen

    # The run

    @property
    def run_state(self) -> RunState | None:
        """The state of the run as far as its log has been read; None without a run."""
        return self._run_state

    def on_screen_resume(self) -> None:
        """Follow the run that is chosen now."""
        self.show_chosen()

    def show_chosen(self) -> None:
        """Show the run that is chosen now, and follow it."""
        chosen = self.services.selection.monitored
        if chosen is None:
            self._show_no_run()
        elif chosen != self._run:
            self.show_run(chosen)
        else:
            self._watch()
            self._set_ticker()

    def on_screen_suspend(self) -> None:
        """Follow nothing while another screen is shown; a dialog over this one changes nothing."""
        if self.app.current_mode == "monitor":
            return
        for run in (self._run, *self._beside):
            if run is not None:
                self.services.feed.unwatch(run, self)
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._ticker is not None:
            self._ticker.pause()

    def show_run(self, run: RunDirectory) -> None:
        """Show `run` from now on."""
        if self._run is not None and self._run not in self._beside:
            self.services.feed.unwatch(self._run, self)
        self.services.selection.monitored = self._run = run
        self.frozen = False
        if run not in self._beside:  # another comparison
            for other in self._beside:
                self.services.feed.unwatch(other, self)
            self._beside = {}
        self._beside.pop(run, None)
        self._behind, self._unreadable, self._saved, self._transfer = None, "", (), ()
        self._moment = self._panels.map.moment = None
        self._panels.charts.show_moment(None)
        self._run_state = RunState(run_id=run.id, path=str(run.path))
        if self._files is not None:
            self._files.close()
        self._files = RunFiles(run, self._panels, partial(self.services.feed.activity, run))
        self.query_one("#no-run").display = False
        self.query_one("#monitor").display = True
        self.refresh_bindings()
        self._watch()
        self._set_ticker()
        self._draw()
        self._read_saved(run)
        self._panels.focus_active()

    def _watch(self) -> None:
        for run in (self._run, *self._beside):
            if run is not None:
                self.services.feed.watch(run, self)

    def on_run_changed(self, message: RunChanged) -> None:
        """The run, or one drawn beside it, has another state."""
        if message.run in self._beside:
            if self._beside[message.run] is None:
                self._charts_at = float("-inf")  # its first state is drawn at once
            self._beside[message.run] = message.state
            self._charts_due = True
        elif message.run == self._run and self._run_state is not None:
            before, run_state = self._run_state, message.state
            if run_state.status != before.status:
                self.refresh_bindings()
            if run_state.status == "paused" or run_state.ended:
                self._control.pause_is_over(message.run)
            if message.behind is not None and run_state.seq < before.seq:
                return  # the log is being read again, and the state on the screen is newer
            self._run_state, self._behind, self._unreadable = run_state, message.behind, ""
            self._text_due = self._charts_due = True
            if _urgent(before) != _urgent(run_state):
                self._text_at = float("-inf")
            if _drawable(before) != _drawable(run_state):
                self._charts_at = float("-inf")
        self._draw_due()

    def on_run_unreadable(self, message: RunUnreadable) -> None:
        """The log cannot be read."""
        if message.run == self._run:
            self._unreadable = message.reason
            self._draw_text()

    # Drawing, at most at the refresh rates

    def _draw_due(self) -> None:
        """Draw what has changed if its time has come, else set a timer; what is frozen or hidden waits."""
        if self.frozen or self.app.current_mode != "monitor":
            return
        now, rates = time.monotonic(), self.services.rates
        if self._text_due and self._text_at + rates.text - now <= _AT_ONCE:
            self._draw_text()
        if self._charts_due and self._charts_at + rates.charts - now <= _AT_ONCE:
            self._draw_charts()
        waits = [self._text_at + rates.text - now] if self._text_due else []
        waits += [self._charts_at + rates.charts - now] if self._charts_due else []
        if waits and self._timer is None:
            self._timer = self.set_timer(max(_AT_ONCE, min(waits)), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._draw_due()

    def _tick(self) -> None:
        """Read the trainer's output, which no event announces and which may follow the last event."""
        if self._files is not None and not self.frozen:
            self._files.read_lines()

    def _set_ticker(self) -> None:
        if self._ticker is not None and "output" in self._panels.in_sight:
            self._ticker.resume()
        elif self._ticker is not None:
            self._ticker.pause()

    def on_moment_chosen(self, event: MomentChosen) -> None:
        """A panel has chosen a step, which the others show too."""
        event.stop()
        if event.step == self._moment:
            return
        self._moment = self._panels.map.moment = event.step
        self._panels.charts.show_moment(event.step)
        if self._run_state is not None and self._files is not None:
            self._panels.whitening.show(self._run_state, event.step)
            if event.step is not None and "whitening" in self._panels.in_sight:
                self._files.read_spectra()
            self._files.read_map(self._run_state, event.step)
        self.refresh_bindings()

    def on_panels_arranged(self) -> None:
        """Draw the panels that have come into sight."""
        self._save_layout()
        self._set_ticker()
        if self._run is not None and "evaluations" in self._panels.in_sight:
            self._read_saved(self._run)  # there may be new ones
        self._draw()

    def _draw(self) -> None:
        self._draw_text()
        self._draw_charts()

    def _draw_text(self) -> None:
        self._text_at, self._text_due = time.monotonic(), False
        run, run_state, panels = self._run, self._run_state, self._panels
        if run is None or run_state is None or self._files is None:
            return
        requests = self._control.statuses(run, run_state)
        self._header.show(
            run_state, HeaderNotes(behind=self._behind, requests=requests, unreadable=self._unreadable)
        )
        if "whitening" in panels.in_sight:
            panels.whitening.show(run_state, self._moment)
        if "usage" in panels.in_sight:
            panels.usage.show(run_state)
        if "evaluations" in panels.in_sight:
            lines = (*evaluations_as_lines(run_state, self._saved), *transfer_as_lines(self._transfer))
            panels.evaluations.show(lines, heading=evaluation_heading() if lines else "")
        if self._behind is None:  # until then the feed needs the disk and the interpreter
            self._files.read_lines()

    def _draw_charts(self) -> None:
        self._charts_at, self._charts_due = time.monotonic(), False
        if self._run is None or self._run_state is None or self._files is None:
            return
        if "plots" in self._panels.in_sight:
            beside = {run: state for run, state in self._beside.items() if state is not None}
            runs = {self._run: self._run_state, **beside}
            labels = shortened_apart([safe(run.id) for run in runs], _LABEL)
            self._panels.charts.show(list(map(LabelledRun, labels, runs.values())))
        if self._behind is None:
            self._files.read_map(self._run_state, self._moment)

    # Panels and plots

    def _restore_layout(self) -> None:
        layout, panels = self.services.saved.current.monitor, self._panels
        panels.restore(layout.panel, large=layout.maximised)
        panels.whitening.space = layout.space
        panels.charts.restore(layout.charts, layout.logarithmic, options_of(layout.axis, layout.smoothing))

    def _save_layout(self) -> None:
        panels, charts = self._panels, self._panels.charts
        layout = MonitorPart(
            panel=panels.active,
            maximised=panels.large,
            space=panels.whitening.space,
            charts=list(charts.charts),
            logarithmic=list(charts.logarithmic),
            axis=charts.options.axis,
            smoothing=charts.options.smoothing,
        )
        self.services.saved.change(monitor=layout)

    def on_charts_panel_layout_changed(self) -> None:
        """What the plots show is restored by the next app."""
        self._save_layout()

    def action_pane(self, name: str) -> None:
        """Activate a panel; if it is the whitening panel already, show its next embeddings."""
        if name == "whitening" and self._panels.active == "whitening":
            self._panels.whitening.other_space()
            self._save_layout()
        self._panels.activate(name)

    def action_cycle(self, by: int) -> None:
        """Activate the next panel."""
        self._panels.cycle(by)

    def action_maximise(self) -> None:
        """Maximise the active panel or plot, or restore the layout."""
        self._panels.maximise()

    def action_plot(self, change: str) -> None:
        """Change what the plots show."""
        if "plots" not in self._panels.in_sight:
            self._panels.activate("plots")
        charts = self._panels.charts
        match change:
            case "log":
                charts.toggle_log()
            case "axis" | "recent" | "smoothing":
                charts.next_option(change)

    @work
    async def action_quantity(self) -> None:
        """Choose what the selected plot draws."""
        if "plots" not in self._panels.in_sight:
            self._panels.activate("plots")
        charts = self._panels.charts
        picker = ChartPicker(
            tuple(chart.title for chart in CHARTS),
            shown=charts.charts,
            current=charts.chart,
            without=charts.without_values,
            one="draws it in the selected plot",
        )
        picked = await self.app.push_screen_wait(picker)
        if picked is not None and picked.marked:
            charts.show_charts(picked.titles)
        elif picked is not None:
            charts.show_chart(picked.titles[0])

    def action_search(self) -> None:
        """Search in the activity log: the active panel has no lines of its own."""
        self._panels.activate("log")
        self._panels.log_lines.action_search()

    @work
    async def action_overlay(self) -> None:
        """Choose the runs that are drawn beside this one."""
        if self._chosen_run() is None:
            return
        with errors_shown(self.services):
            runs = await asyncio.to_thread(list_runs, self.services.runs_root)
            others = [run for run in runs if run != self._run]
            if not others:
                self.services.notify("There is no other run to draw beside this one.", severity="warning")
                return
            marked = tuple(run for run in self.services.selection.marked if run != self._run)[:MOST_BESIDE]
            picker = RunPicker(
                "Draw other runs beside this one",
                others,
                tuple(self._beside) or marked,
                most=MOST_BESIDE,
                accept="draws",
            )
            chosen = await self.app.push_screen_wait(picker)
            if chosen is not None:
                self._draw_beside(chosen)

    def _draw_beside(self, runs: Iterable[RunDirectory]) -> None:
        for run in set(self._beside) - set(runs):
            self.services.feed.unwatch(run, self)
        self._beside = {run: self._beside.get(run) for run in runs}
        self._watch()
        self._draw_charts()

    # Requests to the trainer

    @work
    async def action_stop(self) -> None:
        """Stop the run, or remove it from the queue, after a dialog."""
        if (shown := self._chosen()) is not None:
            await self._control.stop(*shown)

    @work
    async def action_ask(self, command: str) -> None:
        """Send a request to the trainer."""
        if (shown := self._chosen()) is not None:
            await self._control.ask(*shown, command)

    @work
    async def action_pause(self) -> None:
        """Pause the training, or continue it; before it has paused, take the request back."""
        if (shown := self._chosen()) is not None:
            await self._control.ask(*shown, self._control.pause_command(*shown))

    @work
    async def action_resume(self) -> None:
        """Start another attempt."""
        if (shown := self._chosen()) is not None:
            await self._control.resume(*shown)

    @work
    async def action_evaluate(self) -> None:
        """Ask the trainer to evaluate; after training, evaluate the checkpoint in another process."""
        if (shown := self._chosen()) is None:
            return
        run, state = shown
        if state.status in ENDED:
            await self._control.evaluate_checkpoint(run)
            self._read_saved(run)
        else:
            await self._control.ask(run, state, "evaluate")

    @work
    async def action_neighbours(self) -> None:
        """Show test images with their nearest training images."""
        if (shown := self._chosen()) is not None:
            await self._control.show_neighbours(*shown)

    @work
    async def _read_saved(self, run: RunDirectory) -> None:
        """Read the evaluations after training and the transfer, which no event announces."""
        saved = await asyncio.to_thread(read_saved_evaluations, run)
        transfer = await asyncio.to_thread(read_transfer, run)
        if run == self._run and (saved, transfer) != (self._saved, self._transfer):
            self._saved, self._transfer = saved, transfer
            self._draw_text()

    # Its configuration, its folder, the screen

    @work
    async def action_duplicate(self) -> None:
        """Open the configuration of the run in Configure."""
        run = self._chosen_run()
        if run is None:
            return
        found = await asyncio.to_thread(read_configuration, run)
        if found.experiment is None:
            self.services.notify(found.problem, title="The configuration cannot be used", severity="error")
            return
        summary = await asyncio.to_thread(summarise, run.config)
        await self.services.open_configure(found.experiment, summary.preset)

    @work(group="export")
    async def action_export(self) -> None:
        """Export the run to a file that a dialog asks for."""
        run = self._chosen_run()
        if run is not None:
            await export_run(app_of(self), self.services.notify, run)

    def action_folder(self) -> None:
        """Show the path, and put it on the terminal's clipboard."""
        run = self._chosen_run()
        if run is not None:
            self.app.copy_to_clipboard(str(run.path))
            self.services.notify(
                str(run.path), title="The run's folder (copied, where the terminal supports it)"
            )

    @work
    async def action_screenshot(self) -> None:
        """Write the screen to an SVG file in the run, or else in the current folder."""
        await save_screenshot(app_of(self), self._run)

    # Other runs

    @work
    async def action_neighbour(self, by: int) -> None:
        """Show the next run of the list."""
        with errors_shown(self.services):
            runs = await asyncio.to_thread(list_runs, self.services.runs_root)
            here = self._run
            if not runs:
                self.services.notify("There are no runs yet.", severity="warning")
            elif here is None or here not in runs:
                self.show_run(runs[0])
            elif 0 <= (index := runs.index(here) + by) < len(runs):
                self.show_run(runs[index])
            else:
                self.services.notify("This is the oldest run." if by > 0 else "This is the newest run.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a run most actions are disabled; with one, watching the newest is."""
        if action == "newest":
            return self._run is None
        return self._run is not None or action not in _NEED_A_RUN

    def is_possible(self, name: str) -> bool:
        """Requests only where a trainer would answer, resumption only where there is something to resume."""
        state = self._run_state
        if state is None or not name.startswith("run-"):
            return True
        if name == "run-resume":
            return state.status == "new" or (
                state.status in RESUMABLE and not state.needs_other_configuration
            )
        if name == "run-stop":
            return state.status == "queued" or state.status not in WITHOUT_TRAINER
        if name in ("run-pause", "run-stop-after-epoch", "run-checkpoint"):
            return state.status not in WITHOUT_TRAINER
        if name == "run-evaluate":
            return state.status in ENDED or state.status not in WITHOUT_TRAINER
        return True

    @work
    async def _show_no_run(self) -> None:
        self.query_one("#monitor").display = False
        self.query_one("#no-run").display = True
        with errors_shown(self.services):
            runs = await asyncio.to_thread(list_runs, self.services.runs_root)
            fill = self.services.keys.fill
            text = fill(
                "There are no runs yet.\n\n"
                "{key:watch-newest} opens Configure: choose the preset quickstart there.\n"
                "It downloads nothing and needs no GPU."
            )
            if runs:
                text = (
                    fill("No run is chosen.\n\n{key:watch-newest} watches the newest of ")
                    + f"{count(len(runs), 'run')}: {safe(runs[0].id, 64)}.\n"
                    + fill("{key:go-runs} lists them all.")
                )
            self.query_one("#no-run", Static).update(Content(text))

    @work
    async def action_newest(self) -> None:
        """Watch the newest run; where there is none, open Configure."""
        with errors_shown(self.services):
            runs = await asyncio.to_thread(list_runs, self.services.runs_root)
            if runs:
                self.show_run(runs[0])
            else:
                await self.services.show("configure")

    def _chosen_run(self) -> RunDirectory | None:
        """The run on the screen; without one, a notification."""
        if self._run is None:
            self.services.notify("No run is chosen.", severity="warning")
        return self._run

    def _chosen(self) -> tuple[RunDirectory, RunState] | None:
        """The run on the screen and its state; without one, a notification."""
        run, state = self._chosen_run(), self._run_state
        return None if run is None or state is None else (run, state)


def _drawable(run_state: RunState) -> tuple[bool, ...]:
    """What decides whether charts have curves, and why not: it is drawn at once, as the header is."""
    begun, ended = run_state.setup is not None, run_state.status in ENDED
    return run_state.seq > 0, begun, bool(run_state.evaluations), run_state.loss.last_step > 0, ended


def _urgent(run_state: RunState) -> tuple[object, ...]:
    """What is drawn at once when it changes."""
    evaluations, first = len(run_state.evaluations), run_state.seq == 0
    return run_state.status, run_state.attempt, run_state.controls, evaluations, first
