"""What a test of Monitor reads from the app: public faces of the screen and its widgets."""

from __future__ import annotations

from events import read_log

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Record
from wmse_tui.runs.state.run import RunState
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.screens.monitor import MonitorScreen
from wmse_tui.tui.widgets.monitor.header import RunHeader
from wmse_tui.tui.widgets.monitor.panels import Panels
from wmse_tui.tui.widgets.monitor.text_panel import TextPanel
from wmse_tui.tui.widgets.monitor.text_row import TextRow


def screen_of(app: WmseApp) -> MonitorScreen:
    """Monitor, also under a dialog."""
    found = next(screen for screen in app.screen_stack if isinstance(screen, MonitorScreen))
    assert isinstance(found, MonitorScreen)
    return found


def run_of(app: WmseApp) -> RunDirectory:
    """The run that Monitor shows."""
    run = app.services.selection.monitored
    assert run is not None
    return run


def state_of(app: WmseApp) -> RunState:
    """The state of that run."""
    state = screen_of(app).run_state
    assert state is not None
    return state


def header(app: WmseApp) -> str:
    """The rows of the header in sight."""
    rows = screen_of(app).query_one(RunHeader).query(TextRow)
    return "\n".join(row.text for row in rows if row.display)


def panels_in_sight(app: WmseApp) -> frozenset[str]:
    """The names of the panels in sight."""
    return screen_of(app).query_one(Panels).in_sight


def messages(app: WmseApp) -> str:
    """All messages in the corner."""
    return "\n".join(f"{message.title}|{message.message}" for message in app.messages)


def lines(app: WmseApp, panel: str) -> list[str]:
    """The lines of a text panel."""
    return [line.text for line in screen_of(app).query_one(f"#{panel}", TextPanel).lines.lines]


def plots(app: WmseApp) -> list[Plot]:
    """The plots of the run in sight, without those of the panel Usage."""
    return [plot for plot in screen_of(app).query("#plots Plot").results(Plot) if plot.display]


def append(run: RunDirectory, *events: Event) -> None:
    """Append events to a run's log, one a second after its last record."""
    last = read_log(run.events)[-1]
    with run.events.open("a") as file:
        for number, event in enumerate(events, 1):
            record = Record(1, last.seq + number, last.t + number, last.attempt, event)
            file.write(encode(record) + "\n")
