"""The Monitor screen: one run, live or after its end."""

from __future__ import annotations

import time
from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui import keys
from wmse_tui.tui.feed import RunChanged, RunUnreadable
from wmse_tui.tui.screens.monitor_actions import RunActions
from wmse_tui.tui.widgets.monitor.charts import LabelledRun
from wmse_tui.tui.widgets.monitor.header import Headline, RunHeader
from wmse_tui.tui.widgets.monitor.overlay import MOST, OverlayScreen
from wmse_tui.tui.widgets.monitor.panels import Panels
from wmse_tui.tui.widgets.monitor.readers import RunReaders
from wmse_tui.tui.widgets.monitor.requests import words_on
from wmse_tui.tui.widgets.monitor.tables import evaluation_head, evaluation_lines

_LABEL = 24  # characters of a run's name in a legend
_NEED_A_RUN = frozenset(
    {"stop", "ask", "pause", "resume", "duplicate", "folder", "turn", "pane", "maximise", "plot", "overlay"}
    | {"search"}
)
_AT_ONCE = 0.01  # seconds that are not worth a timer


class MonitorScreen(RunActions):
    """The head of the run, and panels below it as there is room."""

    HELP = (
        "One run: how far it is, how good, and whether its embeddings keep their dimensions. Capital letters "
        "show the panels, small ones act on the run and on the plots. What is asked of the trainer is shown "
        "under the head, first as asked, then as answered. Closing this app changes nothing for the trainer."
    )
    BINDINGS = keys.MONITOR

    def __init__(self) -> None:
        super().__init__()
        self._run: RunDirectory | None = None
        self._view: RunState | None = None
        self._behind: float | None = None
        self._unreadable = ""
        self._beside: dict[RunDirectory, RunState | None] = {}  # the runs that are drawn beside it
        self._readers: RunReaders | None = None
        self._text_at = self._charts_at = float("-inf")
        self._text_due = self._charts_due = False
        self._timer: Timer | None = None  # until something is due
        self._ticker: Timer | None = None  # while what the trainer prints is seen
        self._header = RunHeader()
        self._panels = Panels()

    def compose_body(self) -> ComposeResult:
        yield Static("", id="no-run", markup=False)
        with Vertical(id="monitor"):
            yield self._header
            yield self._panels

    def on_mount(self) -> None:
        self._ticker = self.set_interval(2 * self.services.rates.text, self._tick, pause=True)

    # Which run, and how it comes here

    @property
    def shown_run(self) -> RunDirectory | None:
        return self._run

    @property
    def shown_view(self) -> RunState | None:
        return self._view

    def on_screen_resume(self) -> None:
        """Look again, at whatever run it is now."""
        wanted = self.services.selection.monitored
        if wanted is None:
            self._tell_empty()
        elif wanted != self._run:
            self.show_run(wanted)
        else:
            self._watch()
            self._tell_ticker()

    def on_screen_suspend(self) -> None:
        """Hidden: look at nothing more, unless it is a question that lies over this screen."""
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
        self._beside.pop(run, None)
        self._behind, self._unreadable = None, ""
        self._view = RunState(run_id=run.id, path=str(run.path))
        if self._readers is not None:
            self._readers.close()
        activity = partial(self.services.feed.activity, run)
        self._readers = RunReaders(run, self._panels, self.fetch, activity)
        self.query_one("#no-run").display = False
        self.query_one("#monitor").display = True
        self.refresh_bindings()
        self._watch()
        self._tell_ticker()
        self._draw()
        self._panels.focus_active()

    def _watch(self) -> None:
        for run in (self._run, *self._beside):
            if run is not None:
                self.services.feed.watch(run, self)

    def on_run_changed(self, message: RunChanged) -> None:
        """The run as it is now, or one that is drawn beside it."""
        if message.run in self._beside:
            if self._beside[message.run] is None:
                self._charts_at = float("-inf")  # somebody waits for it
            self._beside[message.run] = message.view
            self._charts_due = True
        elif message.run == self._run and self._view is not None:
            before, view = self._view, message.view
            if message.behind is not None and view.seq < before.seq:
                return  # it is read once more from its beginning, and more of it is on the screen already
            self._view, self._behind, self._unreadable = view, message.behind, ""
            self._text_due = self._charts_due = True
            if _urgent(before) != _urgent(view):
                self._text_at = float("-inf")
            if before.seq == 0:
                self._charts_at = float("-inf")
        self._draw_due()

    def on_run_unreadable(self, message: RunUnreadable) -> None:
        """The log cannot be read."""
        if message.run == self._run:
            self._unreadable = message.reason
            self._draw_text()

    # Drawing, at most at the beats of the profile

    def _draw_due(self) -> None:
        """Draw what has changed if it is time, and else when it is."""
        now, beats = time.monotonic(), self.services.rates
        if self._text_due and self._text_at + beats.text - now <= _AT_ONCE:
            self._draw_text()
        if self._charts_due and self._charts_at + beats.charts - now <= _AT_ONCE:
            self._draw_charts()
        waits = [self._text_at + beats.text - now] if self._text_due else []
        waits += [self._charts_at + beats.charts - now] if self._charts_due else []
        if waits and self._timer is None:
            self._timer = self.set_timer(max(_AT_ONCE, min(waits)), self._wake)

    def _wake(self) -> None:
        self._timer = None
        if not self.frozen:
            self._draw_due()

    def _tick(self) -> None:
        """What a trainer prints is in no event, and some of it comes after the last one."""
        if self._readers is not None and not self.frozen:
            self._readers.read_lines()

    def _tell_ticker(self) -> None:
        if self._ticker is not None and "output" in self._panels.seen:
            self._ticker.resume()
        elif self._ticker is not None:
            self._ticker.pause()

    def on_panels_arranged(self) -> None:
        """What has come into sight is drawn."""
        self._tell_ticker()
        self._draw()

    def tell_requests(self) -> None:
        self._draw_text()

    def _draw(self) -> None:
        self._draw_text()
        self._draw_charts()

    def _draw_text(self) -> None:
        self._text_at, self._text_due = time.monotonic(), False
        run, view, panels = self._run, self._view, self._panels
        if run is None or view is None or self._readers is None:
            return
        words = words_on(self.asked.get(run.path, ()), view)
        self._header.show(view, Headline(behind=self._behind, words=words, unreadable=self._unreadable))
        if "whitening" in panels.seen:
            panels.whitening.show(view)
        if "usage" in panels.seen:
            panels.machine.show(view)
        if "evaluations" in panels.seen:
            head = evaluation_head() if view.evaluations else ""
            panels.evaluations.show(evaluation_lines(view), head=head)
        if self._behind is None:  # what the picture is made of is read first
            self._readers.read_lines()

    def _draw_charts(self) -> None:
        self._charts_at, self._charts_due = time.monotonic(), False
        run, view = self._run, self._view
        if run is None or view is None or self._readers is None:
            return
        if "plots" in self._panels.seen:
            others = [(other, told) for other, told in self._beside.items() if told is not None]
            shown = [(run, view), *others]
            self._panels.charts.show([LabelledRun(safe(one.id, _LABEL), told) for one, told in shown])
        if self._behind is None:
            self._readers.read_map(view)

    # Panels and plots

    def action_pane(self, name: str) -> None:
        """Give a panel the keys; the whitening panel that has them shows the other embeddings."""
        if name == "whitening" and self._panels.active == "whitening":
            self._panels.whitening.other_space()
        self._panels.activate(name)

    def action_turn(self, by: int) -> None:
        """The next panel."""
        self._panels.turn(by)

    def action_maximise(self) -> None:
        """All the room for the active panel, of the plots for one; or as before."""
        self._panels.maximise()

    def action_plot(self, change: str) -> None:
        """Change what the plots show."""
        if "plots" not in self._panels.seen:
            self._panels.activate("plots")
        charts = self._panels.charts
        match change:
            case "chart":
                charts.next_chart()
            case "log":
                charts.toggle_log()
            case "axis" | "recent" | "smoothing":
                charts.next_option(change)

    def action_search(self) -> None:
        """Search in the log: the active panel has no lines of its own."""
        self._panels.activate("log")
        self._panels.log_lines.action_search()

    def action_overlay(self) -> None:
        """Choose which runs are drawn beside this one."""
        if self._chosen() is not None:
            marked = tuple(run for run in self.services.selection.marked if run != self._run)[:MOST]
            chosen = tuple(self._beside) or marked
            self.attempt(
                lambda: list_runs(self.services.runs_root), lambda runs: self._ask_beside(runs, chosen)
            )

    def _ask_beside(self, runs: tuple[RunDirectory, ...], chosen: tuple[RunDirectory, ...]) -> None:
        others = [run for run in runs if run != self._run]
        if others:
            self.app.push_screen(OverlayScreen(others, chosen), self._draw_beside)
        else:
            self.services.notify("There is no other run to draw beside this one.", severity="warning")

    def _draw_beside(self, chosen: tuple[RunDirectory, ...] | None) -> None:
        if chosen is None:
            return
        for run in set(self._beside) - set(chosen):
            self.services.feed.unwatch(run, self)
        self._beside = {run: self._beside.get(run) for run in chosen}
        self._watch()
        self._draw_charts()

    # No run

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """The way out of the empty screen is of use there only, and there most others are of none."""
        if action == "newest":
            return self._run is None
        return self._run is not None or action not in _NEED_A_RUN

    def _tell_empty(self) -> None:
        self.query_one("#monitor").display = False
        self.query_one("#no-run").display = True
        self.attempt(lambda: list_runs(self.services.runs_root), self._tell_ways)

    def _tell_ways(self, runs: tuple[RunDirectory, ...]) -> None:
        if runs:
            words = (
                f"No run is chosen.\n\nEnter watches the newest of {count(len(runs), 'run')}: "
                f"{safe(runs[0].id, 64)}.\n3 lists them all."
            )
        else:
            words = (
                "There are no runs yet.\n\nEnter opens Configure: choose the preset quickstart there.\n"
                "It downloads nothing and needs no GPU."
            )
        self.query_one("#no-run", Static).update(Content(words))

    def action_newest(self) -> None:
        """Watch the newest run; where there is none, go where one is made."""
        self.attempt(lambda: list_runs(self.services.runs_root), self._open_newest)

    def _open_newest(self, runs: tuple[RunDirectory, ...]) -> None:
        if runs:
            self.show_run(runs[0])
        else:
            self.call_later(self.services.show, "configure")


def _urgent(view: RunState) -> tuple[object, ...]:
    """What is shown at once when it changes."""
    return view.status, view.attempt, view.controls, len(view.evaluations), view.seq == 0
